// Which nodes a Pod may be placed on, and which it prefers.

import { labelSelector } from './metadata.ts'
import { atomic, core, int32, int64, listOf, string, strings, use } from './notation.ts'

const nodeSelectorRequirement = core(
  'NodeSelectorRequirement',
  '',
  {
    key: string(),
    operator: string(),
    values: strings(),
  },
  ['key', 'operator'],
)

const nodeSelectorTerm = atomic(
  core('NodeSelectorTerm', '', {
    matchExpressions: listOf(nodeSelectorRequirement),
    matchFields: listOf(nodeSelectorRequirement),
  }),
)

const preferredSchedulingTerm = core(
  'PreferredSchedulingTerm',
  '',
  {
    preference: nodeSelectorTerm,
    weight: int32(),
  },
  ['preference', 'weight'],
)

const nodeSelector = atomic(
  core(
    'NodeSelector',
    '',
    {
      nodeSelectorTerms: listOf(nodeSelectorTerm),
    },
    ['nodeSelectorTerms'],
  ),
)

const nodeAffinity = core('NodeAffinity', '', {
  preferredDuringSchedulingIgnoredDuringExecution: listOf(preferredSchedulingTerm),
  requiredDuringSchedulingIgnoredDuringExecution: nodeSelector,
})

const podAffinityTerm = core(
  'PodAffinityTerm',
  '',
  {
    labelSelector: labelSelector,
    matchLabelKeys: strings(),
    mismatchLabelKeys: strings(),
    namespaceSelector: labelSelector,
    namespaces: strings(),
    topologyKey: string(),
  },
  ['topologyKey'],
)

const weightedPodAffinityTerm = core(
  'WeightedPodAffinityTerm',
  '',
  {
    podAffinityTerm: podAffinityTerm,
    weight: int32(),
  },
  ['podAffinityTerm', 'weight'],
)

const podAffinity = core('PodAffinity', '', {
  preferredDuringSchedulingIgnoredDuringExecution: listOf(weightedPodAffinityTerm),
  requiredDuringSchedulingIgnoredDuringExecution: listOf(podAffinityTerm),
})

const podAntiAffinity = core('PodAntiAffinity', '', {
  preferredDuringSchedulingIgnoredDuringExecution: listOf(weightedPodAffinityTerm),
  requiredDuringSchedulingIgnoredDuringExecution: listOf(podAffinityTerm),
})

export const affinity = core('Affinity', 'Rules about where a Pod is placed.', {
  nodeAffinity: use(nodeAffinity, "By the node's labels."),
  podAffinity: use(podAffinity, 'Near certain other Pods.'),
  podAntiAffinity: use(podAntiAffinity, 'Away from certain other Pods.'),
})

export const toleration = core('Toleration', 'A taint that a Pod puts up with.', {
  effect: string('NoSchedule, PreferNoSchedule or NoExecute; empty for all.'),
  key: string("The taint's key; empty, with operator Exists, for all."),
  operator: string('Equal (the default), Exists, Lt or Gt.'),
  tolerationSeconds: int64('For NoExecute: how long it puts up with the taint. Absent: for good.'),
  value: string("The taint's value."),
})

export const topologySpreadConstraint = core(
  'TopologySpreadConstraint',
  'How Pods are to be spread over zones or nodes.',
  {
    labelSelector: labelSelector,
    matchLabelKeys: strings(),
    maxSkew: int32(),
    minDomains: int32(),
    nodeAffinityPolicy: string(),
    nodeTaintsPolicy: string(),
    topologyKey: string(),
    whenUnsatisfiable: string(),
  },
  ['maxSkew', 'topologyKey', 'whenUnsatisfiable'],
)
