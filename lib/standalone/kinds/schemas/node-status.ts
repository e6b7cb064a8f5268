// The fields of a Node's status.

import { nodeConfigSource } from './node-config-source.ts'
import { boolean, core, int32, int64, listOf, quantities, string, strings, time, use } from './notation.ts'

const nodeAddress = core(
  'NodeAddress',
  'An address or name of a Node.',
  {
    address: string('The address or name.'),
    type: string('InternalIP, ExternalIP, Hostname, InternalDNS or ExternalDNS.'),
  },
  ['address', 'type'],
)

const nodeCondition = core(
  'NodeCondition',
  'One aspect of the state of a Node.',
  {
    lastHeartbeatTime: time('When it was last reported.'),
    lastTransitionTime: time('When the status last changed.'),
    message: string('Details for people.'),
    reason: string('One CamelCase word that says why the status is what it is.'),
    status: string('True, False or Unknown.'),
    type: string('Which aspect this is.'),
  },
  ['status', 'type'],
)

const nodeConfigStatus = core('NodeConfigStatus', '', {
  active: nodeConfigSource,
  assigned: nodeConfigSource,
  error: string(),
  lastKnownGood: nodeConfigSource,
})

const daemonEndpoint = core(
  'DaemonEndpoint',
  '',
  {
    Port: int32(),
  },
  ['Port'],
)

const nodeDaemonEndpoints = core('NodeDaemonEndpoints', '', {
  kubeletEndpoint: daemonEndpoint,
})

const nodeFeatures = core('NodeFeatures', '', {
  supplementalGroupsPolicy: boolean(),
})

const containerImage = core('ContainerImage', 'A container image that a Node has.', {
  names: strings('The names that it goes by.'),
  sizeBytes: int64('Its size.'),
})

const nodeSwapStatus = core('NodeSwapStatus', '', {
  capacity: int64(),
})

const nodeSystemInfo = core(
  'NodeSystemInfo',
  'What a Node is.',
  {
    architecture: string('Its architecture, such as amd64.'),
    bootID: string('A number of its last start.'),
    containerRuntimeVersion: string("Its container runtime and that one's version."),
    kernelVersion: string('The version of its kernel.'),
    kubeProxyVersion: string('Not used any more.'),
    kubeletVersion: string('The version of its agent.'),
    machineID: string('The number of the machine.'),
    operatingSystem: string('linux or windows.'),
    osImage: string('Its operating system, for people.'),
    swap: use(nodeSwapStatus, 'Its swap space.'),
    systemUUID: string('The number that the firmware reports.'),
  },
  [
    'architecture',
    'bootID',
    'containerRuntimeVersion',
    'kernelVersion',
    'kubeProxyVersion',
    'kubeletVersion',
    'machineID',
    'operatingSystem',
    'osImage',
    'systemUUID',
  ],
)

const nodeRuntimeHandlerFeatures = core('NodeRuntimeHandlerFeatures', '', {
  recursiveReadOnlyMounts: boolean(),
  userNamespaces: boolean(),
})

const nodeRuntimeHandler = core('NodeRuntimeHandler', '', {
  features: nodeRuntimeHandlerFeatures,
  name: string(),
})

const attachedVolume = core(
  'AttachedVolume',
  '',
  {
    devicePath: string(),
    name: string(),
  },
  ['devicePath', 'name'],
)

export const nodeStatus = core('NodeStatus', 'What a Node is now.', {
  addresses: listOf(nodeAddress, 'Its addresses and names.', { key: 'type' }),
  allocatable: quantities('How much of it Pods may use.'),
  capacity: quantities('How much of everything it has.'),
  conditions: listOf(nodeCondition, 'Its conditions: Ready and others.', { key: 'type' }),
  config: nodeConfigStatus,
  daemonEndpoints: nodeDaemonEndpoints,
  declaredFeatures: strings(),
  features: nodeFeatures,
  images: listOf(containerImage, 'The container images that it has.'),
  nodeInfo: use(nodeSystemInfo, 'What it is: its operating system, its agents and their versions.'),
  phase: string('Not used any more.'),
  runtimeHandlers: listOf(nodeRuntimeHandler),
  volumesAttached: listOf(attachedVolume, 'The volumes that are attached to it.'),
  volumesInUse: strings('The volumes that are mounted on it.'),
})
