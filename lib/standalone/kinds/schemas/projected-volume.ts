// Volumes whose files come from objects: ConfigMaps, Secrets, tokens, the Pod itself.

import { objectFieldSelector, resourceFieldSelector } from './container.ts'
import { labelSelector } from './metadata.ts'
import { boolean, core, int32, int64, listOf, string, stringMap } from './notation.ts'

export const keyToPath = core(
  'KeyToPath',
  '',
  {
    key: string(),
    mode: int32(),
    path: string(),
  },
  ['key', 'path'],
)

const configMapProjection = core('ConfigMapProjection', '', {
  items: listOf(keyToPath),
  name: string(),
  optional: boolean(),
})

const clusterTrustBundleProjection = core(
  'ClusterTrustBundleProjection',
  '',
  {
    labelSelector: labelSelector,
    name: string(),
    optional: boolean(),
    path: string(),
    signerName: string(),
  },
  ['path'],
)

export const downwardAPIVolumeFile = core(
  'DownwardAPIVolumeFile',
  '',
  {
    fieldRef: objectFieldSelector,
    mode: int32(),
    path: string(),
    resourceFieldRef: resourceFieldSelector,
  },
  ['path'],
)

const downwardAPIProjection = core('DownwardAPIProjection', '', {
  items: listOf(downwardAPIVolumeFile),
})

const podCertificateProjection = core(
  'PodCertificateProjection',
  '',
  {
    certificateChainPath: string(),
    credentialBundlePath: string(),
    keyPath: string(),
    keyType: string(),
    maxExpirationSeconds: int32(),
    signerName: string(),
    userAnnotations: stringMap(),
  },
  ['keyType', 'signerName'],
)

const secretProjection = core('SecretProjection', '', {
  items: listOf(keyToPath),
  name: string(),
  optional: boolean(),
})

const serviceAccountTokenProjection = core(
  'ServiceAccountTokenProjection',
  '',
  {
    audience: string(),
    expirationSeconds: int64(),
    path: string(),
  },
  ['path'],
)

const volumeProjection = core('VolumeProjection', '', {
  clusterTrustBundle: clusterTrustBundleProjection,
  configMap: configMapProjection,
  downwardAPI: downwardAPIProjection,
  podCertificate: podCertificateProjection,
  secret: secretProjection,
  serviceAccountToken: serviceAccountTokenProjection,
})

export const projectedVolumeSource = core('ProjectedVolumeSource', '', {
  defaultMode: int32(),
  sources: listOf(volumeProjection),
})
