// The fields of a Node and its spec.

import { kind } from './metadata.ts'
import { nodeConfigSource } from './node-config-source.ts'
import { nodeStatus } from './node-status.ts'
import { boolean, core, listOf, string, strings, time, use } from './notation.ts'

const taint = core(
  'Taint',
  'A mark of a Node that keeps Pods away.',
  {
    effect: string('NoSchedule, PreferNoSchedule or NoExecute.'),
    key: string('Its key.'),
    timeAdded: time('When it was added.'),
    value: string('Its value.'),
  },
  ['effect', 'key'],
)

const nodeSpec = core('NodeSpec', 'What a Node is to be.', {
  configSource: use(nodeConfigSource, 'Not used any more.'),
  externalID: string('Not used any more.'),
  podCIDR: string("The range that its Pods' addresses are from."),
  podCIDRs: strings("The ranges that its Pods' addresses are from, one of each IP family.", 'set'),
  providerID: string("The cloud's name for it."),
  taints: listOf(taint, "Its taints, which keep Pods away that don't put up with them."),
  unschedulable: boolean('Whether no new Pods are placed on it.'),
})

export const nodeSchema = kind('io.k8s.api.core.v1', 'Node', 'A machine on which Pods run.', {
  spec: use(nodeSpec, 'What the Node is to be.'),
  status: use(nodeStatus, 'What the Node is now. Written by its agent.'),
})
