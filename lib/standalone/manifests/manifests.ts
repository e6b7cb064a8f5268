// Makes a control plane's objects be what a folder of manifests says. It can be called again after every edit: what
// changed is applied, what vanished is deleted, and what can't be used keeps its last good state. Which file an
// object came from is written in an annotation of it, so that nothing else needs to be remembered.

import { reasonOf } from '../../model/error.ts'
import { asFields } from '../../model/fields.ts'
import { objectKey, type KubeObject } from '../../model/objects.ts'
import type { Service } from '../kinds/api-types.ts'
import { formatManifestProblem, readManifests, type ManifestProblem } from './manifest-files.ts'
import { readObjects, type ManifestObject } from './manifest-objects.ts'
import type { Registry } from '../store/registry.ts'
import {
  endpointSlices,
  namespaces,
  nodes,
  pods,
  resourceTypes,
  services,
  type ResourceType,
} from '../kinds/resources.ts'
import { parsePath, type Path } from '../../model/schema.ts'
import { StatusError, type StatusCause } from '../kinds/status.ts'

export { formatManifestProblem, type ManifestProblem }

/** The file that an object comes from. */
export const manifestAnnotation = 'kube-relay/manifest'

/** What is applied before what. Services come before Pods, so that no Pod is announced without its Services. */
const applyOrder = [namespaces, nodes, services, endpointSlices, pods]

/**
 * Applies a folder of manifests (or one file) and returns what is wrong with them. Objects that an earlier call
 * applied and whose document is gone are deleted, unless their file has errors. Namespaces that no manifest
 * declares are created, because a folder has no order in which to create them first.
 */
export async function applyManifests(
  { registry }: { readonly registry: Registry },
  path: string,
): Promise<readonly ManifestProblem[]> {
  const { documents, problems: unreadable } = await readManifests(path)
  const problems = [...unreadable]
  const objects = withoutDuplicates(readObjects(documents, problems), problems)
  // From here on nothing waits, so nobody sees a folder half applied.
  deleteVanished(registry, path, objects, problems)
  // An object may need what another one still holds, such as a nodePort that moved: try again while that helps.
  let waiting = inOrder(objects)
  for (let before = Infinity; waiting.length > 0 && waiting.length < before;) {
    before = waiting.length
    waiting = waiting.filter(manifest => applyOne(registry, manifest) !== undefined)
  }
  for (const manifest of waiting) {
    const error = applyOne(registry, manifest)
    if (error !== undefined) problems.push(...problemsOf(registry, manifest, error))
  }
  return problems.sort(byPlace)
}

function withoutDuplicates(
  objects: readonly ManifestObject[],
  problems: ManifestProblem[],
): readonly ManifestObject[] {
  const seen = new Map<string, ManifestObject>()
  for (const manifest of objects) {
    const key = identity(manifest.type, manifest.object)
    const first = seen.get(key)
    if (!first) {
      seen.set(key, manifest)
      continue
    }
    const message = `${key} is already declared in ${first.file}:${first.locate([]).line}`
    problems.push({ level: 'error', file: manifest.file, ...manifest.locate(['metadata', 'name']), message })
  }
  return [...seen.values()]
}

function deleteVanished(
  registry: Registry,
  path: string,
  objects: readonly ManifestObject[],
  problems: readonly ManifestProblem[],
): void {
  const declared = new Set(objects.map(({ type, object }) => identity(type, object)))
  const broken = new Set(problems.filter(problem => problem.level === 'error').map(problem => problem.file))
  if (broken.has(path)) return // the folder itself can't be read
  for (const type of resourceTypes) {
    for (const object of registry.store.list(type).items) {
      const file = object.metadata.annotations?.[manifestAnnotation]
      if (file === undefined || broken.has(file) || declared.has(identity(type, object))) continue
      // Gone already, if it was in a namespace that has just been deleted.
      if (registry.store.get(type, objectKey(object))) registry.delete(type, placeOf(object))
    }
  }
}

/** By kind, and those that ask for a certain address or port before those that take any. */
function inOrder(objects: readonly ManifestObject[]): readonly ManifestObject[] {
  const rank = ({ type, object }: ManifestObject): number => {
    const spec = (object as Partial<Service>).spec
    const asks = type === services && (spec?.clusterIP || spec?.ports?.some(port => port.nodePort))
    return applyOrder.indexOf(type) * 2 + (asks ? 0 : 1)
  }
  return [...objects].sort((a, b) => rank(a) - rank(b))
}

/** Applies one object; the error, if it can't be. */
function applyOne(registry: Registry, { type, object, file }: ManifestObject): unknown {
  const annotations = { ...object.metadata.annotations, [manifestAnnotation]: file }
  const annotated = { ...object, metadata: { ...object.metadata, annotations } }
  try {
    const { namespace } = object.metadata
    if (type.namespaced && namespace && !registry.store.get(namespaces, namespace)) {
      registry.create(namespaces, { metadata: { name: namespace } })
    }
    // A Pod that was deleted, and whose document is back before its process has ended, is a new one.
    const before = registry.store.get(type, objectKey(object))
    if (type === pods && before?.metadata.deletionTimestamp !== undefined)
      deleteAtOnce(registry, type, object)
    try {
      registry.apply(annotated)
    } catch (error) {
      if (!needsReplacing(type, error)) throw error
      deleteAtOnce(registry, type, object)
      registry.apply(annotated)
    }
    return undefined
  } catch (error) {
    return error
  }
}

/** Nobody sees a folder half applied, so what is replaced isn't waited for. */
function deleteAtOnce(registry: Registry, type: ResourceType, object: KubeObject): void {
  registry.delete(type, placeOf(object), { gracePeriodSeconds: 0 })
}

/** What can't be changed in place is made anew: Pods' specs, and the family of a slice's addresses. */
function needsReplacing(type: ResourceType, error: unknown): boolean {
  if (!(error instanceof StatusError)) return false
  const causes = error.status.details?.causes ?? []
  return (
    (type === pods && causes.length > 0 && causes.every(isSettledField)) ||
    (type === endpointSlices && error.message.includes('field is immutable'))
  )
}

/** Whether an error says that something is right, and only can't change in a Pod that is there. */
function isSettledField({ field, reason }: StatusCause): boolean {
  const settled = ['spec', 'spec.containers', 'spec.initContainers', 'spec.tolerations']
  return reason === 'FieldValueForbidden' && settled.includes(field)
}

function problemsOf(
  registry: Registry,
  manifest: ManifestObject,
  error: unknown,
): readonly ManifestProblem[] {
  const { file, locate, object } = manifest
  const causes = error instanceof StatusError ? (error.status.details?.causes ?? []) : []
  if (causes.length === 0) return [{ level: 'error', file, ...locate([]), message: reasonOf(error) }]
  return causes.map(cause => ({
    level: 'error',
    file,
    ...locate(writtenPath(object, parsePath(cause.field))),
    message: `${cause.field}: ${cause.message}${holderOf(registry, cause)}`,
  }))
}

/** Where the author wrote a field: clusterIP is the short form of clusterIPs, by which the server calls it. */
function writtenPath(object: KubeObject, path: Path): Path {
  const short = path[1] === 'clusterIPs' && asFields(object['spec'])['clusterIPs'] === undefined
  return short ? ['spec', 'clusterIP'] : path
}

/** Who holds the node port that was asked for. */
function holderOf(registry: Registry, { field, message }: StatusCause): string {
  const [, text] = /^Invalid value: (\d+): provided port is already allocated$/.exec(message) ?? []
  if (text === undefined || !/nodePort$/i.test(field)) return ''
  const port = Number(text)
  const holder = registry.store.list(services).items.find(object => {
    const { spec } = object as Service
    return spec.healthCheckNodePort === port || spec.ports?.some(candidate => candidate.nodePort === port)
  })
  if (!holder) return ''
  const file = holder.metadata.annotations?.[manifestAnnotation]
  return ` by Service ${objectKey(holder)}${file === undefined ? '' : ` (${file})`}`
}

function identity(type: ResourceType, object: KubeObject): string {
  return `${type.kind} ${objectKey(object)}`
}

function placeOf({ metadata }: KubeObject): { readonly namespace: string; readonly name: string } {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '' }
}

function byPlace(a: ManifestProblem, b: ManifestProblem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1
  return (a.line ?? 0) - (b.line ?? 0)
}
