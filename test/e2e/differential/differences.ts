// The differences to the real server that we keep, and what each of them excuses. docs/CONTROL-PLANE.md says why, in a
// table with the same ids; this is the part a test can hold: the exact places, and the values where they matter.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Difference } from './compare.ts'

/** Whether this difference is one that the id stands for. */
export type Excuse = (difference: Difference) => boolean

/** The real server leaves the field out, and we have it, with this value if one is given. */
function onlyOurs(path: RegExp, value?: unknown): Excuse {
  return difference =>
    path.test(difference.path) &&
    difference.real === undefined &&
    (value === undefined || JSON.stringify(difference.ours) === JSON.stringify(value))
}

/** The real server has the field, and we leave it out. */
function onlyReal(path: RegExp): Excuse {
  return ({ path: at, real, ours }) => path.test(at) && real !== undefined && ours === undefined
}

/** What a request came to, as "422 Invalid: FIELD REASON, …" or "200". */
function outcome(there: RegExp, here: RegExp): Excuse {
  return ({ path, real, ours }) => path === 'outcome' && there.test(String(real)) && here.test(String(ours))
}

function at(path: RegExp): Excuse {
  return difference => path.test(difference.path)
}

function any(...each: readonly Excuse[]): Excuse {
  return difference => each.some(excuse => excuse(difference))
}

const cause = /^body\.details\.causes\[\d+\]/

/** kubectl describe, without what it reads from EndpointSlices and fields that 1.20 hasn't. */
function withoutSlices(text: unknown): string {
  return String(text).replaceAll(/^(Endpoints|Internal Traffic Policy):.*\n/gm, '')
}

/** kubectl describe namespace, without the label that newer servers add and what comes of kinds that we don't have. */
function withoutQuotas(text: unknown): string {
  return String(text).replaceAll(/^Labels:.*\n|\nNo (resource quota|LimitRange resource)\.\n/gm, '')
}

export const excuses: Readonly<Record<string, Excuse>> = {
  // Fields that 1.20 doesn't have.
  'internal-traffic-policy': onlyOurs(/\.spec\.internalTrafficPolicy$/, 'Cluster'),
  'external-policy': onlyOurs(/\.spec\.externalTrafficPolicy$/, 'Cluster'),
  'namespace-label': any(
    onlyOurs(/\.metadata\.labels(\["kubernetes\.io\/metadata\.name"\])?$/),
    ({ path, real, ours }) =>
      path === 'stdout' && String(real).replace(/Labels: .*/, '') === String(ours).replace(/Labels: .*/, ''),
  ),
  'pod-generation': onlyOurs(/\.metadata\.generation$/),
  'slice-generation': ({ path, real, ours }) =>
    path === 'body.metadata.generation' && Number(ours) === Number(real) + 1,
  'ip-mode': onlyOurs(/\.status\.loadBalancer\.ingress\[\d+\]\.ipMode$/, 'VIP'),
  'restart-column': any(
    at(/\.columnDefinitions\[3\]\.type$/),
    ({ path, real, ours }) => path.endsWith('.cells[3]') && String(real) === ours,
  ),
  // Rules that have changed since.
  'new-causes': any(
    ({ path, real, ours }) =>
      cause.test(path) &&
      [
        ['FieldValueDuplicate', 'FieldValueInvalid'],
        ['FieldValueInvalid', 'FieldValueNotSupported'],
        ['FieldValueInvalid', 'FieldValueForbidden'],
        ['spec.LoadBalancerSourceRanges', 'spec.LoadBalancerSourceRanges[0]'],
        ['metadata.taints[0].effect', 'spec.taints[0].effect'],
        ['spec.ipFamilies[0]', 'spec.clusterIPs[0]'],
        ['spec.ipFamilies[0]', 'spec.clusterIPs[1]'],
      ].some(([there, here]) => real === there && ours === here),
    ({ path, real, ours }) =>
      cause.test(path) &&
      [real, ours].includes(undefined) &&
      /"field":"(spec\.clusterIPs|\[\]|endpoints)/.test(JSON.stringify(real ?? ours)),
    outcome(/^201$/, /^422 Invalid: endpoints\[0\]\.addresses\[0\] FieldValueInvalid$/),
  ),
  'put-keeps-addresses': outcome(
    /^422 Invalid: spec\.clusterIPs\[0\] FieldValueInvalid, spec\.ipFamilies/,
    /^200$/,
  ),
  'put-keeps-node-ports': at(/^body\.(spec\.ports\[0\]\.nodePort|metadata\.resourceVersion)$/),
  'put-without-version': outcome(/^422 Invalid: metadata\.resourceVersion FieldValueInvalid/, /^200$/),
  'other-uid': any(
    outcome(/^422 Invalid: metadata\.uid FieldValueInvalid/, /^409 Conflict/),
    onlyReal(/^body\.details\.causes\[1\]$/),
  ),
  'deleted-service': ({ path, real, ours }) =>
    path === 'body.kind' && real === 'Status' && ours === 'Service',
  'dry-run-addresses': onlyOurs(/^body\.spec\.clusterIPs?$/),
  'field-validation': any(
    outcome(/^201$/, /^400 BadRequest: .*strict decoding error/),
    outcome(/^201$/, /^422 Invalid: fieldValidation FieldValueNotSupported$/),
    ({ path, real, ours }) =>
      path === 'stderr' &&
      /unknown field "types"/.test(String(real)) &&
      /unknown field .*spec\.types/.test(String(ours)),
    ({ path, real, ours }) => path === 'warnings' && real === 0 && ours === 1,
  ),
  'int32-overflow': outcome(
    /^422 Invalid: spec\.ports\[0\]\.port FieldValueInvalid/,
    /^400 BadRequest: .*5000000000/,
  ),
  'singular-names': ({ path, real, ours }) => path.endsWith('.singularName') && real === '' && ours !== '',
  version: any(
    at(/\.(minor|gitVersion|gitCommit|gitTreeState|buildDate|goVersion|compiler|platform)$/),
    ({ path, real, ours }) =>
      path === 'stderr' &&
      /^Warning: version difference between client .*\n$/.test(String(real)) &&
      ours === '',
  ),
  'beta-versions': any(
    at(/\.?(versions\[\d\]|preferredVersion)\.version$/),
    onlyReal(/versions\[1\]$/),
    onlyOurs(/^body\.apiVersion$/, 'v1'),
  ),
  // Where we do otherwise.
  'client-fault': outcome(/^500 /, /^4\d\d /),
  'merge-patch-list': outcome(
    /^422 Invalid: patch FieldValueInvalid$/,
    /^400 BadRequest: error decoding patch/,
  ),
  'no-field-managers': at(/^body\.metadata\.resourceVersion$/),
  'last-finalizer': at(/^body\.metadata\.resourceVersion$/),
  'apply-without-ownership': ({ path }) => cause.test(path),
  'empty-details': ({ path, real, ours }) =>
    path === 'body.details' && JSON.stringify(real) === '{}' && ours === undefined,
  'no-logs': outcome(/^204$/, /^404 NotFound/),
  'endpoints-read-only': any(
    outcome(/^20[01]/, /^405 MethodNotAllowed: endpoints are derived/),
    at(/^body\.resources:\.endpoints\.verbs/),
  ),
  'first-versions': at(/^body\[/),
  nesting: outcome(/^422 Invalid/, /nested more than/),
  'proto-key': outcome(/^422 Invalid: metadata\.labels FieldValueInvalid$|^404/, /^20[01]/),
  'slices-described': ({ path, real, ours }) =>
    path === 'stdout' && withoutSlices(real) === withoutSlices(ours),
  'patch-message': ({ path, real, ours }) =>
    path === 'stderr' && String(ours).startsWith(String(real).trimEnd()),
  'kinds-served': any(
    onlyReal(/^body\.(resources|groups):/),
    at(/^body\.paths\[/),
    ({ path, real }) => path === 'stdout' && String(real).startsWith('admissionregistration.k8s.io/v1\n'),
    ({ path, real, ours }) => path === 'stdout' && withoutQuotas(real) === withoutQuotas(ours),
  ),
  'collection-of-services': ({ path }) => path.startsWith('body.resources:.services.verbs'),
  'server-address': at(/\.serverAddress$/),
}

export interface DocumentedDifference {
  readonly id: string
  readonly what: string
  readonly reason: string
}

/** The rows of the table in docs/CONTROL-PLANE.md whose first column is an id in backquotes. */
export function documentedDifferences(): readonly DocumentedDifference[] {
  const text = readFileSync(resolve(import.meta.dirname, '../../../docs/CONTROL-PLANE.md'), 'utf8')
  const [, section = ''] = text.split(/^## Differences to kube-apiserver$/m)
  const [table = ''] = section.split(/^## /m)
  return [...table.matchAll(/^\| `([\w-]+)`\s*\|([^|]*)\|([^|]*)\|$/gm)].map(
    ([, id = '', what = '', reason = '']) => ({ id, what: what.trim(), reason: reason.trim() }),
  )
}
