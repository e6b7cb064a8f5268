// Whether an object is the one that its request's path names.

import type { KubeObject } from '../../model/objects.ts'
import { badRequest } from '../kinds/status.ts'
import type { ObjectRoute } from './routes.ts'

/** Throws a 400 unless the object is the one that the path names. */
export function checkPlace({ type, namespace, name }: ObjectRoute, { metadata }: KubeObject): void {
  if (!metadata.name) {
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    )
  }
  if (metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`)
  }
  if (type.namespaced && metadata.namespace !== namespace) {
    throw badRequest(
      `the namespace of the object (${metadata.namespace}) does not match the namespace on the request (${namespace})`,
    )
  }
}
