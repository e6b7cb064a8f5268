// The state of one container of a Pod.

import { boolean, core, int32, int64, listOf, quantities, string, time, use } from './notation.ts'
import { resourceRequirements } from './resource-requirements.ts'

const resourceHealth = core(
  'ResourceHealth',
  '',
  {
    health: string(),
    message: string(),
    resourceID: string(),
  },
  ['resourceID'],
)

const resourceStatus = core(
  'ResourceStatus',
  '',
  {
    name: string(),
    resources: listOf(resourceHealth),
  },
  ['name'],
)

const containerStateRunning = core('ContainerStateRunning', 'A container that runs.', {
  startedAt: time('Since when.'),
})

const containerStateTerminated = core(
  'ContainerStateTerminated',
  'A container that has ended.',
  {
    containerID: string(),
    exitCode: int32('Its exit code.'),
    finishedAt: time('When it ended.'),
    message: string('Its last message.'),
    reason: string('One CamelCase word about why.'),
    signal: int32('The signal that ended it.'),
    startedAt: time('When it had started.'),
  },
  ['exitCode'],
)

const containerStateWaiting = core('ContainerStateWaiting', 'A container that has not started yet.', {
  message: string('Details for people.'),
  reason: string('One CamelCase word about why.'),
})

const containerState = core('ContainerState', 'One of waiting, running and terminated.', {
  running: use(containerStateRunning, 'It runs.'),
  terminated: use(containerStateTerminated, 'It has ended.'),
  waiting: use(containerStateWaiting, 'It has not started yet.'),
})

const linuxContainerUser = core(
  'LinuxContainerUser',
  '',
  {
    gid: int64(),
    supplementalGroups: listOf(int64()),
    uid: int64(),
  },
  ['gid', 'uid'],
)

const containerUser = core('ContainerUser', '', {
  linux: linuxContainerUser,
})

const imageVolumeStatus = core(
  'ImageVolumeStatus',
  '',
  {
    imageRef: string(),
  },
  ['imageRef'],
)

const volumeStatus = core('VolumeStatus', '', {
  image: imageVolumeStatus,
})

const volumeMountStatus = core(
  'VolumeMountStatus',
  '',
  {
    mountPath: string(),
    name: string(),
    readOnly: boolean(),
    recursiveReadOnly: string(),
    volumeStatus: volumeStatus,
  },
  ['mountPath', 'name'],
)

export const containerStatus = core(
  'ContainerStatus',
  'The state of one container.',
  {
    allocatedResources: quantities(),
    allocatedResourcesStatus: listOf(resourceStatus, undefined, { key: 'name' }),
    containerID: string("The runtime's name for it."),
    image: string('The image it runs.'),
    imageID: string("The image's digest."),
    lastState: use(containerState, 'How it was before its last restart.'),
    name: string('Its name.'),
    ready: boolean('Whether its readiness probe passes.'),
    resources: resourceRequirements,
    restartCount: int32('How often it was started again.'),
    started: boolean('Whether it has started.'),
    state: use(containerState, 'How it is now.'),
    stopSignal: string(),
    user: containerUser,
    volumeMounts: listOf(volumeMountStatus, undefined, { key: 'mountPath' }),
  },
  ['image', 'imageID', 'name', 'ready', 'restartCount'],
)
