// How Pods are written.

import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../model/objects.ts'
import type { Pod } from './api-types.ts'
import { FieldErrors } from './field-errors.ts'
import { pods } from './resources.ts'
import { invalid } from './status.ts'
import type { Strategy } from './strategy.ts'

export const podStrategy: Strategy = { prepare, initialStatus: { phase: 'Pending' } }

/** A Pod stays on its node, and its spec but for the images is settled once it exists. */
function prepare(object: KubeObject, stored?: KubeObject): KubeObject {
  if (!stored) return object
  const before = (stored as Pod).spec
  const given = (object as Pod).spec
  const nodeName = given?.nodeName ?? before?.nodeName
  const spec = { ...given, ...(nodeName === undefined ? {} : { nodeName }) }
  const settled = { ...withoutImages(spec), nodeName: before?.nodeName ?? nodeName }
  if (!isDeepStrictEqual(settled, { ...withoutImages(before), nodeName: before?.nodeName ?? nodeName })) {
    const errors = new FieldErrors()
    errors.forbidden('spec', 'pod updates may not change fields other than `spec.containers[*].image`')
    throw invalid(pods, object.metadata.name ?? '', errors.causes)
  }
  return { ...object, spec }
}

function withoutImages(spec: Pod['spec']): Pod['spec'] {
  return { ...spec, containers: (spec?.containers ?? []).map(container => ({ ...container, image: '' })) }
}
