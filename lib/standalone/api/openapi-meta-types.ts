// The types of requests and answers that belong to no kind: what a deletion asks for, what a list or an error looks
// like.

import type { Schema } from '../../model/schema.ts'
import { boolean, int32, int64, listOf, metaType, string, strings, use } from '../kinds/schemas/notation.ts'

const typeMeta = {
  apiVersion: string('The group and version of the API that the object is written in.'),
  kind: string('The kind of the object, in CamelCase.'),
}

export const listMeta = metaType('ListMeta', 'What every list has beside its items.', {
  continue: string(
    'Asks for the rest of the list, where it was limited. Its content is for the server only.',
  ),
  remainingItemCount: int64('How many items the rest has, where that is known.'),
  resourceVersion: string('The state of the store that the list shows. A watch can begin from it.'),
  selfLink: string('A field of old servers. Not set any more.'),
})

const statusCause = metaType('StatusCause', 'One of the reasons of a failure.', {
  field: string('The field in question, such as spec.ports[0].nodePort.'),
  message: string('What is wrong with it, for people.'),
  reason: string('One CamelCase word that says what is wrong with it.'),
})

const statusDetails = metaType('StatusDetails', 'What a failure is about.', {
  causes: listOf(statusCause, 'The single things that are wrong.'),
  group: string('The API group of the resource.'),
  kind: string('The resource, or the kind of the object.'),
  name: string("The object's name."),
  retryAfterSeconds: int32('How long to wait before the next try, where that can help.'),
  uid: string("The object's uid."),
})

export const statusType = metaType('Status', 'The outcome of a request that is answered with no object.', {
  ...typeMeta,
  code: int32('The HTTP status code.'),
  details: use(statusDetails, 'What it is about.'),
  message: string('What happened, for people.'),
  metadata: use(listMeta, 'The metadata of a list, which is empty here.'),
  reason: string('One CamelCase word that says why, such as NotFound.'),
  status: string('Success or Failure.'),
})

const preconditions = metaType('Preconditions', 'What must be true for a request to be carried out.', {
  resourceVersion: string('The version that the object must have.'),
  uid: string('The uid that the object must have.'),
})

export const deleteOptions = metaType('DeleteOptions', 'How an object is to be deleted.', {
  ...typeMeta,
  dryRun: strings('"All": nothing is deleted, and the answer is what it would be.'),
  gracePeriodSeconds: int64('How long the object may take to end. 0 ends it at once. Default: by its kind.'),
  ignoreStoreReadErrorWithClusterBreakingPotential: boolean(
    'Whether an object that cannot be read is deleted all the same.',
  ),
  orphanDependents: boolean('The old form of propagationPolicy.'),
  preconditions: use(preconditions, 'What must be true for the object to be deleted.'),
  propagationPolicy: string(
    'What becomes of the objects that belong to this one: Orphan, Background or Foreground.',
  ),
})

export const patchType: Schema = {
  type: 'any',
  name: 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch',
  doc: 'A patch in the form that the Content-Type says.',
}
