// The claim of a volume that lives as long as its Pod.

import { labelSelector, metadataSchema } from './metadata.ts'
import { atomic, core, quantities, string, strings } from './notation.ts'

const volumeResourceRequirements = core('VolumeResourceRequirements', '', {
  limits: quantities(),
  requests: quantities(),
})

const typedLocalObjectReference = atomic(
  core(
    'TypedLocalObjectReference',
    '',
    {
      apiGroup: string(),
      kind: string(),
      name: string(),
    },
    ['kind', 'name'],
  ),
)

const typedObjectReference = core(
  'TypedObjectReference',
  '',
  {
    apiGroup: string(),
    kind: string(),
    name: string(),
    namespace: string(),
  },
  ['kind', 'name'],
)

const persistentVolumeClaimSpec = core('PersistentVolumeClaimSpec', '', {
  accessModes: strings(),
  dataSource: typedLocalObjectReference,
  dataSourceRef: typedObjectReference,
  resources: volumeResourceRequirements,
  selector: labelSelector,
  storageClassName: string(),
  volumeAttributesClassName: string(),
  volumeMode: string(),
  volumeName: string(),
})

export const persistentVolumeClaimTemplate = core(
  'PersistentVolumeClaimTemplate',
  '',
  {
    metadata: metadataSchema,
    spec: persistentVolumeClaimSpec,
  },
  ['spec'],
)
