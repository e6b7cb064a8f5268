// The fields of a Namespace.

import { kind } from './metadata.ts'
import { core, listOf, string, strings, time, use } from './notation.ts'

const namespaceSpec = core('NamespaceSpec', 'What a Namespace is to be.', {
  finalizers: strings('Who has to do something before the Namespace may go.'),
})

const namespaceCondition = core(
  'NamespaceCondition',
  'One aspect of the state of a Namespace.',
  {
    lastTransitionTime: time('When the status last changed.'),
    message: string('Details for people.'),
    reason: string('One CamelCase word that says why the status is what it is.'),
    status: string('True, False or Unknown.'),
    type: string('Which aspect this is.'),
  },
  ['type', 'status'],
)

const namespaceStatus = core('NamespaceStatus', 'What a Namespace is now.', {
  conditions: listOf(namespaceCondition, 'What keeps it from going, while it is being deleted.', {
    key: 'type',
  }),
  phase: string('Active, or Terminating while it is being deleted.'),
})

export const namespaceSchema = kind(
  'io.k8s.api.core.v1',
  'Namespace',
  'A part of the cluster in which names are unique.',
  {
    spec: use(namespaceSpec, 'What the Namespace is to be.'),
    status: use(namespaceStatus, 'What the Namespace is now. Written by the system.'),
  },
)
