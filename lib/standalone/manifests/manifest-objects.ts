// From the documents of manifest files to the objects they declare: Lists taken apart, kinds and fields checked,
// Endpoints turned into EndpointSlices. What can't be used is reported, one line each, and left out.

import type { KubeObject } from '../../model/objects.ts'
import { asFields } from '../../model/fields.ts'
import { closest } from '../../model/closest.ts'
import { controllerName, managedByLabel } from '../endpoints/endpoint-slices.ts'
import { slicesFromEndpoints } from '../endpoints/endpoints-conversion.ts'
import type { ManifestDocument, ManifestProblem } from './manifest-files.ts'
import { endpointsSchema, schemaOf } from '../kinds/schemas.ts'
import { apiVersionOf, endpointSlices, resourceTypes, type ResourceType } from '../kinds/resources.ts'
import { conform, type Path, type Schema } from '../../model/schema.ts'

/** An object of a manifest, checked against its kind's schema. */
export interface ManifestObject {
  readonly type: ResourceType
  readonly object: KubeObject
  readonly file: string
  /** Where a field of the object stands in its file. */
  readonly locate: (path: Path) => { readonly line: number; readonly column: number }
}

/** Kinds that people keep beside their Services. They are named and skipped; any other kind is an error. */
const irrelevantKinds = new Set(
  [
    'APIService ClusterRole ClusterRoleBinding ConfigMap ControllerRevision CronJob CSIDriver',
    'CustomResourceDefinition DaemonSet Deployment Event Gateway GatewayClass GRPCRoute HorizontalPodAutoscaler',
    'HTTPRoute Ingress IngressClass Job Kustomization Lease LimitRange MutatingWebhookConfiguration NetworkPolicy',
    'PersistentVolume PersistentVolumeClaim PodDisruptionBudget PodTemplate PriorityClass ReplicaSet',
    'ReplicationController ResourceQuota Role RoleBinding RuntimeClass Secret ServiceAccount ServiceMonitor',
    'StatefulSet StorageClass ValidatingWebhookConfiguration VolumeAttachment',
  ].flatMap(line => line.split(' ')),
)

/** Metadata that only a server writes; in a file it comes from another cluster's `kubectl get -o yaml`. */
const serverMetadata = new Set([
  'creationTimestamp',
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'generation',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
])

/** The objects of all documents, in their order. Problems are added to `problems`. */
export function readObjects(
  documents: readonly ManifestDocument[],
  problems: ManifestProblem[],
): readonly ManifestObject[] {
  return documents.flatMap(document => readObject(document, document.value, [], problems))
}

function readObject(
  document: ManifestDocument,
  value: unknown,
  at: Path,
  problems: ManifestProblem[],
): readonly ManifestObject[] {
  const { file } = document
  const report = (path: Path, message: string, level: ManifestProblem['level'] = 'error'): [] => {
    problems.push({ level, file, ...document.locate([...at, ...path]), message })
    return []
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return report([], 'a manifest must be a mapping with apiVersion, kind and metadata')
  }
  const { apiVersion, kind, items, metadata } = asFields(value)
  if (typeof kind !== 'string' || kind === '')
    return report(['kind'], 'kind is missing, such as "kind: Service"')
  if (kind.endsWith('List') && (Array.isArray(items) || kind === 'List')) {
    const list = Array.isArray(items) ? (items as readonly unknown[]) : []
    return list.flatMap((item, i) =>
      readObject(document, withKindOf(kind, apiVersion, item), [...at, 'items', i], problems),
    )
  }
  const found = schemaFor(kind, apiVersion)
  if (found.kind === 'skipped') {
    const name = asFields(metadata)['name']
    return report(
      ['kind'],
      `${kind}${typeof name === 'string' ? ` ${name}` : ''} skipped: kube-relay has no use for this kind`,
      'skipped',
    )
  }
  if (found.kind === 'unknown') return report(found.path, found.message)

  const conformed = conform(found.schema, value)
  for (const problem of conformed.problems) report(problem.path, problem.message)
  const checked = conformed.value as KubeObject
  const given = asFields(metadata)['name']
  if (given === undefined || given === null || given === '') {
    report(['metadata'], `metadata.name is missing: every ${kind} needs a name`)
  }
  if (conformed.problems.length > 0 || !checked.metadata?.name) return []
  const clean = withoutServerMetadata(checked, found.type)
  const objects = kind === 'Endpoints' ? slicesFromEndpoints(clean) : [clean]
  return objects.map(object => ({
    type: found.type,
    object,
    file,
    // A slice made from Endpoints has no fields in the file: its problems stand where the Endpoints do.
    locate: path => document.locate(kind === 'Endpoints' ? at : [...at, ...path]),
  }))
}

type Found =
  | { readonly kind: 'found'; readonly type: ResourceType; readonly schema: Schema }
  | { readonly kind: 'skipped' }
  | { readonly kind: 'unknown'; readonly path: Path; readonly message: string }

function schemaFor(kind: string, apiVersion: unknown): Found {
  if (irrelevantKinds.has(kind)) return { kind: 'skipped' }
  const type =
    kind === 'Endpoints' ? endpointSlices : resourceTypes.find(candidate => candidate.kind === kind)
  if (!type) {
    const kinds = resourceTypes.filter(candidate => candidate.readOnly !== true).map(({ kind: one }) => one)
    const useful = new Set(kinds.filter(one => !irrelevantKinds.has(one)))
    const known = [...useful, 'Endpoints', 'List']
    const guess = closest(kind, [...known, ...irrelevantKinds])
    const hint =
      guess === undefined ? `; kinds used here are ${known.join(', ')}` : `, did you mean ${guess}?`
    return { kind: 'unknown', path: ['kind'], message: `unknown kind ${kind}${hint}` }
  }
  const expected = kind === 'Endpoints' ? 'v1' : apiVersionOf(type)
  if (apiVersion !== expected) {
    const message =
      apiVersion === undefined || apiVersion === null
        ? `apiVersion is missing: ${kind} needs "apiVersion: ${expected}"`
        : `unknown apiVersion ${JSON.stringify(apiVersion)} for ${kind}, did you mean ${expected}?`
    return { kind: 'unknown', path: ['apiVersion'], message }
  }
  return { kind: 'found', type, schema: kind === 'Endpoints' ? endpointsSchema : schemaOf(type) }
}

/** The items of a ServiceList need not say that they are Services. */
function withKindOf(listKind: string, apiVersion: unknown, item: unknown): unknown {
  if (listKind === 'List' || typeof item !== 'object' || item === null || 'kind' in item) return item
  return { apiVersion, kind: listKind.slice(0, -'List'.length), ...item }
}

function withoutServerMetadata(object: KubeObject, type: ResourceType): KubeObject {
  const kept = Object.entries(object.metadata).filter(([field]) => !serverMetadata.has(field))
  const metadata = Object.fromEntries(kept) as KubeObject['metadata']
  const placed = type.namespaced ? { ...metadata, namespace: metadata.namespace ?? 'default' } : metadata
  // A slice that another cluster's controller made is the author's now, or our controller would empty it.
  if (metadata.labels?.[managedByLabel] !== controllerName) return { ...object, metadata: placed }
  const labels = { ...metadata.labels, [managedByLabel]: 'kube-relay-manifests' }
  return { ...object, metadata: { ...placed, labels } }
}
