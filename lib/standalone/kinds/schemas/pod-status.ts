// The fields of a Pod's status.

import type { Schema } from '../../../model/schema.ts'
import { containerStatus } from './container-status.ts'
import { core, int32, int64, listOf, quantities, string, strings, time } from './notation.ts'
import { resourceRequirements } from './resource-requirements.ts'

const podCondition = core(
  'PodCondition',
  'One aspect of the state of a Pod.',
  {
    lastProbeTime: time('When it was last looked at.'),
    lastTransitionTime: time('When the status last changed.'),
    message: string('Details for people.'),
    observedGeneration: int64('The metadata.generation that this condition was found for.'),
    reason: string('One CamelCase word that says why the status is what it is.'),
    status: string('True, False or Unknown.'),
    type: string('Which aspect this is.'),
  },
  ['status', 'type'],
)

const containerExtendedResourceRequest = core(
  'ContainerExtendedResourceRequest',
  '',
  {
    containerName: string(),
    requestName: string(),
    resourceName: string(),
  },
  ['containerName', 'requestName', 'resourceName'],
)

const podExtendedResourceClaimStatus = core(
  'PodExtendedResourceClaimStatus',
  '',
  {
    requestMappings: listOf(containerExtendedResourceRequest),
    resourceClaimName: string(),
  },
  ['requestMappings', 'resourceClaimName'],
)

const hostIP = core(
  'HostIP',
  "An address of a Pod's node.",
  {
    ip: string('The address.'),
  },
  ['ip'],
)

const nodeAllocatableResourceClaimStatus = core(
  'NodeAllocatableResourceClaimStatus',
  '',
  {
    containers: strings(),
    resourceClaimName: string(),
    resources: quantities(),
  },
  ['resourceClaimName', 'resources'],
)

const podIP = core(
  'PodIP',
  'An address of a Pod.',
  {
    ip: string('The address.'),
  },
  ['ip'],
)

const podResourceClaimStatus = core(
  'PodResourceClaimStatus',
  '',
  {
    name: string(),
    resourceClaimName: string(),
  },
  ['name'],
)

/** A field of ours: see endpoints/pod-ports.ts. */
const listening: Schema = {
  type: 'object',
  fields: {
    protocol: string('TCP or UDP.'),
    containerPort: int32('The port that the Pod says it has.'),
    port: int32('The port that its process has.'),
  },
}

export const podStatus = core('PodStatus', 'What a Pod is now.', {
  allocatedResources: quantities(),
  conditions: listOf(
    podCondition,
    'Its conditions: PodScheduled, Initialized, ContainersReady, Ready and others.',
    { key: 'type' },
  ),
  containerStatuses: listOf(containerStatus, 'The state of each of its containers.'),
  ephemeralContainerStatuses: listOf(
    containerStatus,
    'The state of the containers that were added for debugging.',
  ),
  extendedResourceClaimStatus: podExtendedResourceClaimStatus,
  hostIP: string('The address of its node.'),
  hostIPs: listOf(hostIP, 'All addresses of its node.', { key: 'ip' }),
  initContainerStatuses: listOf(containerStatus, 'The state of the containers that run before the others.'),
  message: string('Details for people about why it is in this phase.'),
  nodeAllocatableResourceClaimStatuses: listOf(nodeAllocatableResourceClaimStatus),
  nominatedNodeName: string('The node on which other Pods are made to go for it.'),
  observedGeneration: int64('The metadata.generation that this status was written for.'),
  phase: string('Pending, Running, Succeeded, Failed or Unknown.'),
  podIP: string('Its address.'),
  podIPs: listOf(podIP, 'Its addresses, one of each IP family.', { key: 'ip' }),
  qosClass: string('Guaranteed, Burstable or BestEffort, from what its containers ask for.'),
  reason: string('One CamelCase word about why it is in this phase.'),
  resize: string('How far a change of its resources has come.'),
  resourceClaimStatuses: listOf(podResourceClaimStatus, undefined, { key: 'name', retainKeys: true }),
  resources: resourceRequirements,
  startTime: time('When its node took it on.'),
  listening: listOf(
    listening,
    "A field of kube-relay: where its processes listen in place of the containers' ports.",
  ),
})
