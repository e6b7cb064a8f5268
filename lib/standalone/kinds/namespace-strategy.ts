// How Namespaces are written: each carries its own name as a label, so that selectors can name it, and the finalizer
// that the real server's namespace controller removes last.

import { asFields, asList, asString } from '../../model/fields.ts'
import type { KubeObject } from '../../model/objects.ts'
import { FieldErrors } from './field-errors.ts'
import { qualifiedName } from './name-formats.ts'
import { namespaces } from './resources.ts'
import { invalid } from './status.ts'
import type { Strategy } from './strategy.ts'

const nameLabel = 'kubernetes.io/metadata.name'
const ownFinalizer = 'kubernetes'

export const namespaceStrategy: Strategy = { prepare, initialStatus: { phase: 'Active' } }

function prepare(object: KubeObject, stored?: KubeObject): KubeObject {
  const { name = '' } = object.metadata
  const finalizers = asList(asFields((stored ?? object)['spec'])['finalizers']).map(text => asString(text))
  const errors = new FieldErrors()
  finalizers.forEach((finalizer, i) => {
    errors.invalidBy(qualifiedName(finalizer), `spec.finalizers[${i}]`, finalizer)
  })
  if (errors.causes.length > 0) throw invalid(namespaces, name, errors.causes)
  return {
    ...object,
    metadata: { ...object.metadata, labels: { ...object.metadata.labels, [nameLabel]: name } },
    spec: { finalizers: finalizers.includes(ownFinalizer) ? finalizers : [...finalizers, ownFinalizer] },
    status: { phase: 'Active', ...asFields(object['status']) },
  }
}
