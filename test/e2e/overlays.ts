// The overlays of deploy/, as the objects that kubectl makes of them, and whether the Kubernetes API has all of their fields.

import { resolve } from 'node:path'
import * as models from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { run } from './child.ts'

export const overlays = [
  'vip-none',
  'vip-local',
  'vip-netns',
  'kubeadm',
  'kubeadm-canary',
  'monitoring',
] as const
export type Overlay = (typeof overlays)[number]

export interface ApiObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** What `kubectl kustomize` makes of the overlay, sorted: versions of kubectl differ in the order. */
export async function buildOverlay(overlay: Overlay, kubectl: string): Promise<readonly ApiObject[]> {
  const folder = resolve(import.meta.dirname, '../../deploy/overlays', overlay)
  const text = await run(kubectl, ['kustomize', folder])
  const objects = parseAllDocuments(text).map(each => each.toJS() as ApiObject)
  const nameOf = ({ kind, metadata }: ApiObject): string => `${kind}/${metadata.name}`
  return objects.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

export function daemonSetIn(objects: readonly ApiObject[]): models.V1DaemonSet & ApiObject {
  const found = objects.find(({ kind }) => kind === 'DaemonSet')
  if (found === undefined) throw new Error('the overlay has no DaemonSet')
  return found
}

/**
 * Fields that the newest API of the client library doesn't have, or has with another type: the test's own server is older
 * than some of them. Kinds that are none of Kubernetes' own are not looked at.
 */
export function unknownFields({ kind, ...fields }: ApiObject): readonly string[] {
  const group = fields.apiVersion.includes('/') ? fields.apiVersion.split('/')[0] : ''
  return group?.includes('.') && !group.endsWith('.k8s.io')
    ? []
    : wrongIn(fields, `V1${kind}`, kind, ['kind'])
}

interface Attribute {
  readonly baseName: string
  readonly type: string
}

function attributesOf(type: string): readonly Attribute[] | null {
  const model = (models as unknown as Readonly<Record<string, unknown>>)[type] as
    { getAttributeTypeMap?: () => readonly Attribute[] } | undefined
  return model?.getAttributeTypeMap?.() ?? null
}

function wrongIn(
  value: unknown,
  type: string,
  path: string,
  besides: readonly string[] = [],
): readonly string[] {
  const list = /^Array<(.+)>$/.exec(type)?.[1]
  if (list !== undefined) {
    if (!Array.isArray(value)) return [`${path} is no list`]
    return value.flatMap((each, index) => wrongIn(each, list, `${path}[${index}]`))
  }
  const map = /^\{ \[key: string\]: (.+); \}$/.exec(type)?.[1]
  if (map !== undefined) {
    return Object.entries(value as object).flatMap(([key, each]) => wrongIn(each, map, `${path}.${key}`))
  }
  if (type === 'IntOrString')
    return ['string', 'number'].includes(typeof value) ? [] : [`${path} is no ${type}`]
  const attributes = attributesOf(type)
  if (attributes === null) {
    // eslint-disable-next-line valid-typeof -- the models name the types as typeof does
    return typeof value === type ? [] : [`${path} is no ${type}`]
  }
  return Object.entries(value as object).flatMap(([key, each]) => {
    const attribute = attributes.find(({ baseName }) => baseName === key)
    if (attribute !== undefined) return wrongIn(each, attribute.type, `${path}.${key}`)
    return besides.includes(key) ? [] : [`${path}.${key} is unknown`]
  })
}
