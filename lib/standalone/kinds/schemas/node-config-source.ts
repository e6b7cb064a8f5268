// Where a node takes its configuration from. No kubelet does so any more; the fields are still there.

import { core, string } from './notation.ts'

const configMapNodeConfigSource = core(
  'ConfigMapNodeConfigSource',
  '',
  {
    kubeletConfigKey: string(),
    name: string(),
    namespace: string(),
    resourceVersion: string(),
    uid: string(),
  },
  ['kubeletConfigKey', 'name', 'namespace'],
)

export const nodeConfigSource = core('NodeConfigSource', '', {
  configMap: configMapNodeConfigSource,
})
