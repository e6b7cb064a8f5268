// The discovery documents, from the table of resources: which groups, versions and resources there are. kubectl and
// client libraries read them before anything else: the new ones all at once (aggregated discovery, KEP-3352), the old
// ones group by group.

import { namespaces, resourceTypes, type ResourceType } from '../kinds/resources.ts'

const readVerbs = ['get', 'list', 'watch'] as const
const writeVerbs = ['create', 'delete', 'deletecollection', 'patch', 'update'] as const
const statusVerbs = ['get', 'patch', 'update'] as const

/** Of the document types in which a group's resources are listed with it. */
export type AggregatedVersion = 'v2' | 'v2beta1'

/**
 * /version. 1.35: everything that concerns these resources is implemented, such as trafficDistribution PreferSameZone
 * and PreferSameNode; fields of later versions are known, but mean nothing here. kubectl warns when it is more than
 * one minor version away.
 */
export const versionInfo = {
  major: '1',
  minor: '35',
  gitVersion: 'v1.35.0+kube-relay',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
} as const

/** What clients can do with a resource, in the alphabet's order. */
export function supportedVerbs(type: ResourceType): readonly string[] {
  if (type.readOnly === true) return readVerbs
  // As on a real cluster: nobody deletes all Namespaces with one request.
  const verbs = type === namespaces ? writeVerbs.filter(verb => verb !== 'deletecollection') : writeVerbs
  return [...readVerbs, ...verbs].sort()
}

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
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: namedGroups().map(group => groupEntry(group)) }
}

/** /apis/GROUP */
export function groupDocument(group: string): object {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(group) }
}

/** /api/v1 and /apis/GROUP/VERSION: the resources of one group and version. */
export function resourceList(group: string, version: string): object {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources: typesOf(group, version).flatMap(type => [resourceEntry(type), ...statusEntry(type)]),
  }
}

/** /api (`core`) and /apis with everything that the documents below them say. */
export function aggregatedDiscovery(core: boolean, documentVersion: AggregatedVersion): object {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${documentVersion}`,
    metadata: {},
    items: (core ? [''] : namedGroups()).map(group => ({
      metadata: group === '' ? {} : { name: group },
      versions: versionsOf(group).map(version => ({
        version,
        resources: typesOf(group, version).map(type => aggregatedResource(type)),
        freshness: 'Current',
      })),
    })),
  }
}

function namedGroups(): readonly string[] {
  return [...new Set(resourceTypes.map(type => type.group).filter(group => group !== ''))]
}

function versionsOf(group: string): readonly string[] {
  return [...new Set(resourceTypes.filter(type => type.group === group).map(type => type.version))]
}

function typesOf(group: string, version: string): readonly ResourceType[] {
  return resourceTypes
    .filter(type => type.group === group && type.version === version)
    .sort((a, b) => (a.plural < b.plural ? -1 : 1))
}

function groupEntry(group: string) {
  const versions = versionsOf(group).map(version => ({ groupVersion: `${group}/${version}`, version }))
  return { name: group, versions, preferredVersion: versions[0] }
}

function resourceEntry(type: ResourceType) {
  return {
    name: type.plural,
    singularName: type.singular,
    namespaced: type.namespaced,
    kind: type.kind,
    verbs: supportedVerbs(type),
    ...namesOf(type),
  }
}

function statusEntry(type: ResourceType) {
  if (!type.statusSubresource) return []
  const { namespaced, kind } = type
  return [{ name: `${type.plural}/status`, singularName: '', namespaced, kind, verbs: statusVerbs }]
}

function aggregatedResource(type: ResourceType) {
  const { group, version, kind } = type
  const responseKind = { group, version, kind }
  return {
    resource: type.plural,
    responseKind,
    scope: type.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: type.singular,
    verbs: supportedVerbs(type),
    ...namesOf(type),
    ...(type.statusSubresource
      ? { subresources: [{ subresource: 'status', responseKind, verbs: statusVerbs }] }
      : {}),
  }
}

function namesOf({ shortNames, categories = [] }: ResourceType) {
  return {
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
  }
}
