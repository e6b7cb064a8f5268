// Services, Pods and EndpointSlices as the controller needs them: found by what ties them together, so that neither a
// Pod's change nor a Service's looks through everything. A selector is a set of labels, so one of its labels leads to
// a short list of candidates in both directions.

import { objectKey, type KubeObject } from '../../model/objects.ts'
import type { EndpointSlice, Pod, Service } from '../kinds/api-types.ts'
import type { WrittenMeta } from '../kinds/metadata-validation.ts'
import { matchesLabels } from '../kinds/selectors.ts'
import type { StoreEvent } from '../store/store.ts'
import { serviceNameLabel } from './endpoint-slices.ts'

type Labels = Readonly<Record<string, string>>

export class EndpointsIndex {
  readonly #services = new Map<string, Service>()
  /** By the first label of their selector. */
  readonly #selecting = new Groups<Service>()
  /** By each label. */
  readonly #pods = new Groups<Pod>()
  readonly #podsByNode = new Groups<Pod>()
  /** By each Service that they belong to, see servicesOf. */
  readonly #slices = new Groups<EndpointSlice>()

  service({ type, object, previous }: StoreEvent): void {
    const [before, after] = [previous, object] as (Service | undefined)[]
    if (before) this.#selecting.delete(firstLabel(before), before)
    if (type === 'DELETED' || !after) this.#services.delete(objectKey(object))
    else {
      this.#services.set(objectKey(object), after)
      this.#selecting.add(firstLabel(after), after)
    }
  }

  pod({ type, object, previous }: StoreEvent): void {
    const [before, after] = [previous, object] as (Pod | undefined)[]
    if (before) {
      this.#pods.delete(labelsOf(before), before)
      this.#podsByNode.delete(nodeOf(before), before)
    }
    if (type === 'DELETED' || !after) return
    this.#pods.add(labelsOf(after), after)
    this.#podsByNode.add(nodeOf(after), after)
  }

  slice({ type, object, previous }: StoreEvent): void {
    const [before, after] = [previous, object] as (EndpointSlice | undefined)[]
    if (before) this.#slices.delete(servicesOf(before), before)
    if (type !== 'DELETED' && after) this.#slices.add(servicesOf(after), after)
  }

  /** By "namespace/name". */
  getService(key: string): Service | undefined {
    return this.#services.get(key)
  }

  /** The slices that carry a Service's name, and those that it owns. */
  slicesOf(serviceKey: string): readonly EndpointSlice[] {
    return this.#slices.get(serviceKey)
  }

  /** None for a Service without a selector. */
  podsOf({ metadata, spec }: Service): readonly Pod[] {
    const selector = spec.selector ?? {}
    const [first, ...others] = labelKeys(metadata.namespace, selector)
    if (first === undefined) return []
    const size = (key: string): number => this.#pods.size(key)
    const rarest = others.reduce((best, key) => (size(key) < size(best) ? key : best), first)
    return this.#pods.get(rarest).filter(pod => matchesLabels(selector, pod.metadata.labels))
  }

  podsOnNode(nodeName: string): readonly Pod[] {
    return this.#podsByNode.get(nodeName)
  }

  /** The keys of the Services that a Pod's change can matter to: those that select it now, or did before. */
  *servicesSelecting(...pods: readonly (KubeObject | undefined)[]): Iterable<string> {
    for (const pod of pods) {
      for (const key of pod ? labelsOf(pod) : []) {
        for (const service of this.#selecting.get(key)) {
          if (matchesLabels(service.spec.selector ?? {}, pod?.metadata.labels)) yield objectKey(service)
        }
      }
    }
  }
}

/** The keys of the Services that a slice belongs to: the one that it names, and those that own it. */
export function servicesOf({ metadata }: KubeObject): readonly string[] {
  const { labels, namespace = '', ownerReferences = [] } = metadata as WrittenMeta
  const owners = ownerReferences.filter(({ apiVersion, kind }) => apiVersion === 'v1' && kind === 'Service')
  const names = new Set([labels?.[serviceNameLabel], ...owners.map(({ name }) => name)])
  return [...names].flatMap(name => (name ? [`${namespace}/${name}`] : []))
}

/** Objects in groups, each of which they leave as what they were when they entered. */
class Groups<T extends KubeObject> {
  readonly #groups = new Map<string, Map<string, T>>()

  get(group: string): readonly T[] {
    return [...(this.#groups.get(group)?.values() ?? [])]
  }

  size(group: string): number {
    return this.#groups.get(group)?.size ?? 0
  }

  add(groups: readonly string[], object: T): void {
    for (const group of groups) {
      const members = this.#groups.get(group) ?? new Map<string, T>()
      members.set(objectKey(object), object)
      this.#groups.set(group, members)
    }
  }

  delete(groups: readonly string[], object: T): void {
    for (const group of groups) {
      const members = this.#groups.get(group)
      members?.delete(objectKey(object))
      if (members?.size === 0) this.#groups.delete(group)
    }
  }
}

function labelsOf({ metadata }: KubeObject): readonly string[] {
  return labelKeys(metadata.namespace, metadata.labels ?? {})
}

function nodeOf({ spec }: Pod): readonly string[] {
  return spec?.nodeName ? [spec.nodeName] : []
}

function firstLabel({ metadata, spec }: Service): readonly string[] {
  return labelKeys(metadata.namespace, spec.selector ?? {}).slice(0, 1)
}

/** One key for each label; none of the parts can hold a space. */
function labelKeys(namespace = '', labels: Labels): readonly string[] {
  return Object.entries(labels).map(([key, value]) => `${namespace} ${key} ${value}`)
}
