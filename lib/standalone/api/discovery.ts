// The discovery documents, from the table of resources: which groups, versions and resources there are. kubectl and
// client libraries read them before anything else.

import { apiVersionOf, resourceTypes, type ResourceType } from '../kinds/resources.ts'

const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']

/** /version. The minor version is that of the API whose fields this server knows. */
export const versionInfo = {
  major: '1',
  minor: '33',
  gitVersion: 'v1.33.0+kube-relay',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `${process.platform}/${process.arch}`,
} as const

/** /api: the versions of the core group. */
export function coreVersions(serverAddress: string): object {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  }
}

/** /apis: all other groups. */
export function groupList(): object {
  const groups = new Set(resourceTypes.map(type => type.group).filter(group => group !== ''))
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: [...groups].map(group => groupEntry(group)) }
}

/** /apis/GROUP */
export function groupDocument(group: string): object {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(group) }
}

/** /api/v1 and /apis/GROUP/VERSION: the resources of one group and version. */
export function resourceList(group: string, version: string): object {
  const types = resourceTypes.filter(type => type.group === group && type.version === version)
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources: types.flatMap(type => [resourceEntry(type), ...statusEntry(type)]),
  }
}

function groupEntry(group: string) {
  const versions = resourceTypes
    .filter(type => type.group === group)
    .map(type => ({ groupVersion: apiVersionOf(type), version: type.version }))
  return { name: group, versions: versions.slice(0, 1), preferredVersion: versions[0] }
}

function resourceEntry(type: ResourceType) {
  return {
    name: type.plural,
    singularName: type.singular,
    namespaced: type.namespaced,
    kind: type.kind,
    verbs,
    ...(type.shortNames.length > 0 ? { shortNames: type.shortNames } : {}),
  }
}

function statusEntry(type: ResourceType) {
  if (!type.statusSubresource) return []
  const { namespaced, kind } = type
  return [
    { name: `${type.plural}/status`, singularName: '', namespaced, kind, verbs: ['get', 'patch', 'update'] },
  ]
}
