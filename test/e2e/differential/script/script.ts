// The whole script, in the order in which it is played.

import { post, type Chapter } from '../step.ts'
import { kubectlChapters } from './kubectl.ts'
import { listChapters } from './lists.ts'
import { namespace } from './objects.ts'
import { otherChapters } from './other-kinds.ts'
import { protocolChapters } from './protocol.ts'
import { serviceUpdateChapters } from './service-updates.ts'
import { serviceChapters } from './services.ts'

const preparation: Chapter = {
  title: 'preparation',
  differs: [],
  differsIn: { 'the namespace of the script': ['namespace-label'] },
  steps: [
    post('the namespace of the script', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace },
    }),
  ],
}

export const script: readonly Chapter[] = [
  preparation,
  ...serviceChapters,
  ...serviceUpdateChapters,
  ...otherChapters,
  ...listChapters,
  ...protocolChapters,
  ...kubectlChapters,
]
