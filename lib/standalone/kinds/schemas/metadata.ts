// What every kind has: apiVersion, kind and metadata; and the small types that several kinds share.

import type { Schema } from '../../../model/schema.ts'
import {
  atomic,
  boolean,
  core,
  int64,
  listOf,
  metaType,
  string,
  stringMap,
  strings,
  time,
  typesOf,
  use,
  type Fields,
} from './notation.ts'

const ownerReference = atomic(
  metaType(
    'OwnerReference',
    'Names the object that this one belongs to; both are in the same namespace, or the owner is in none.',
    {
      apiVersion: string("The owner's apiVersion."),
      blockOwnerDeletion: boolean(
        'Whether a foreground deletion of the owner waits for this object to go first.',
      ),
      controller: boolean(
        'Whether the owner is the controller that manages this object. At most one owner may be.',
      ),
      kind: string("The owner's kind."),
      name: string("The owner's name."),
      uid: string("The owner's uid."),
    },
    ['apiVersion', 'kind', 'name', 'uid'],
  ),
)

const managedFieldsEntry = metaType('ManagedFieldsEntry', 'Which fields one writer has set, and how.', {
  apiVersion: string('The version of the API in which the fields are named.'),
  fieldsType: string('The notation of fieldsV1. FieldsV1 is the only one there is.'),
  fieldsV1: {
    type: 'any',
    name: 'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1',
    doc: 'The fields, as a tree of "f:name", "k:{key}" and "v:value" steps.',
  },
  manager: string('The name that the writer gave itself (fieldManager).'),
  operation: string('Apply for server-side apply, Update for every other write.'),
  subresource: string('The subresource that was written, such as status; empty for the object itself.'),
  time: time('When this entry last changed.'),
})

export const metadataSchema: Schema = metaType(
  'ObjectMeta',
  'What every object has beside its spec and status.',
  {
    annotations: stringMap('Notes by tools and people, of any content. Nothing can be selected by them.'),
    creationTimestamp: time('When the object was created. Set by the server.'),
    deletionGracePeriodSeconds: int64(
      'How long the object may take to end, once it is being deleted. Set by the server.',
    ),
    deletionTimestamp: time(
      'When the object will be gone: set once its deletion was asked for. Set by the server.',
    ),
    finalizers: strings(
      'Who has to do something before the object may go; it stays until this list is empty.',
      'set',
    ),
    generateName: string(
      'Asks for a unique name that begins with this text. Used only where name is absent.',
    ),
    generation: int64('Grows with each change of what is wanted (the spec). Set by the server.'),
    labels: stringMap('Keys and values by which objects are selected and grouped.'),
    managedFields: listOf(managedFieldsEntry, 'Who has set which fields. Kept for server-side apply.'),
    name: string('The name, unique within a namespace among objects of a kind. It can not be changed.'),
    namespace: string('The namespace the object is in; "default" where it is absent. It can not be changed.'),
    ownerReferences: listOf(ownerReference, 'The objects this one belongs to.', { key: 'uid' }),
    resourceVersion: string(
      'The version of the object in the store. An update that carries an older one is refused. Set by the server.',
    ),
    selfLink: string('A field of old servers. Not set any more.'),
    uid: string('Tells this object from earlier and later ones of the same name. Set by the server.'),
  },
)

/** A kind of its own: apiVersion, kind, metadata and these fields. */
export function kind(
  apiPackage: string,
  kindName: string,
  doc: string,
  fields: Fields,
  required: readonly string[] = [],
): Schema {
  return typesOf(apiPackage)(
    kindName,
    doc,
    {
      apiVersion: string('The group and version of the API that the object is written in.'),
      kind: string('The kind of the object, in CamelCase.'),
      metadata: use(metadataSchema, "The object's name, labels and the rest of what all objects have."),
      ...fields,
    },
    required,
  )
}

export const condition = metaType(
  'Condition',
  'One aspect of the state of an object.',
  {
    lastTransitionTime: time('When the status last changed.'),
    message: string('Details for people.'),
    observedGeneration: int64('The metadata.generation that this condition was found for.'),
    reason: string('One CamelCase word that says why the status is what it is.'),
    status: string('True, False or Unknown.'),
    type: string('Which aspect this is, in CamelCase.'),
  },
  ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
)

const labelSelectorRequirement = metaType(
  'LabelSelectorRequirement',
  'A condition on one label.',
  {
    key: string("The label's key."),
    operator: string('In, NotIn, Exists or DoesNotExist.'),
    values: strings('For In and NotIn: the values in question.'),
  },
  ['key', 'operator'],
)

export const labelSelector = atomic(
  metaType('LabelSelector', 'Selects objects that meet all of its conditions; an empty one selects all.', {
    matchExpressions: listOf(labelSelectorRequirement, 'Conditions on labels.'),
    matchLabels: stringMap('Labels that must have exactly these values.'),
  }),
)

export const objectReference = atomic(
  core('ObjectReference', 'Names another object, or a part of it.', {
    apiVersion: string("The object's apiVersion."),
    fieldPath: string('A part of the object, such as spec.containers{web}.'),
    kind: string("The object's kind."),
    name: string("The object's name."),
    namespace: string("The object's namespace."),
    resourceVersion: string('The version of the object that is meant.'),
    uid: string("The object's uid."),
  }),
)

export const localObjectReference = atomic(
  core('LocalObjectReference', 'Names an object in the same namespace.', {
    name: string("The object's name."),
  }),
)
