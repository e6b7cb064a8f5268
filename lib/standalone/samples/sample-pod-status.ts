// What a kubelet writes into a Pod's status, from what a sample pod's process does: phase, conditions and the states
// of the containers, all of which are the one process.

import { asFields, asList, asString } from '../../model/fields.ts'
import type { ListeningPort, Pod } from '../kinds/api-types.ts'
import type { ProcessEnd } from './sample-process.ts'

/** What a sample pod's containers are doing. Times are as objects have them. */
export type ContainerState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly startedAt: string; readonly elsewhere: readonly ListeningPort[] }
  | { readonly kind: 'backing-off'; readonly restartInMs: number }
  | { readonly kind: 'ended'; readonly termination: Termination }

export interface Termination extends ProcessEnd {
  readonly startedAt: string | null
  readonly finishedAt: string
}

export interface SampleState {
  readonly ip: string
  readonly hostIp: string
  readonly startTime: string
  readonly container: ContainerState
  readonly lastTermination: Termination | null
  readonly restarts: number
}

/** Container ids with this scheme are of processes that sample pods are, in this life of the program or another. */
const idScheme = 'kube-relay://'

/** Whether a status is one that was made here. */
export function isSampleStatus(status: Pod['status']): boolean {
  const [first] = asList(asFields(status)['containerStatuses'])
  return asString(asFields(first)['containerID']).startsWith(idScheme)
}

/** The status of a Pod whose process is in a state, `now`. */
export function statusOfSample(pod: Pod, state: SampleState, now: string): NonNullable<Pod['status']> {
  const { container, ip, hostIp } = state
  const listening = container.kind === 'running' ? container.elsewhere : (pod.status?.listening ?? [])
  return {
    phase: phaseOf(state),
    conditions: conditionsOf(pod, state, now),
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    podIP: ip,
    podIPs: [{ ip }],
    startTime: state.startTime,
    containerStatuses: (pod.spec?.containers ?? []).map(({ name, image }) => ({
      name,
      image,
      imageID: '',
      containerID: `${idScheme}${pod.metadata.uid}/${state.restarts}`,
      ready: container.kind === 'running',
      started: container.kind === 'running',
      restartCount: state.restarts,
      state: shownState(pod, container),
      lastState: state.lastTermination ? { terminated: terminated(state.lastTermination) } : {},
    })),
    ...(listening.length > 0 ? { listening } : {}),
  } as NonNullable<Pod['status']>
}

function phaseOf({ container, lastTermination }: SampleState): string {
  switch (container.kind) {
    case 'ended':
      return container.termination.exitCode === 0 ? 'Succeeded' : 'Failed'
    case 'starting':
      return lastTermination === null ? 'Pending' : 'Running'
    default:
      return 'Running'
  }
}

function conditionsOf(pod: Pod, { container, lastTermination }: SampleState, now: string): readonly object[] {
  const ready = container.kind === 'running'
  const names = (pod.spec?.containers ?? []).map(({ name }) => name).join(' ')
  const why = lastTermination === null ? '' : `: ${lastTermination.reason}`
  const unready =
    container.kind === 'ended'
      ? { reason: container.termination.exitCode === 0 ? 'PodCompleted' : 'PodFailed' }
      : { reason: 'ContainersNotReady', message: `containers with unready status: [${names}]${why}` }
  const given = pod.status?.conditions ?? []
  return (['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'] as const).map(type => {
    const settled = type === 'Initialized' || type === 'PodScheduled'
    const status = settled || ready ? 'True' : 'False'
    const before = given.find(condition => condition.type === type)
    return {
      type,
      status,
      lastProbeTime: null,
      lastTransitionTime: (before?.status === status && before.lastTransitionTime) || now,
      ...(settled || ready ? {} : unready),
    }
  })
}

function shownState(pod: Pod, container: ContainerState): object {
  switch (container.kind) {
    case 'starting':
      return { waiting: { reason: 'ContainerCreating' } }
    case 'running':
      return { running: { startedAt: container.startedAt } }
    case 'backing-off': {
      const { name = '', namespace = '' } = pod.metadata
      const seconds = container.restartInMs / 1000
      const message = `back-off ${seconds}s restarting failed container of pod ${name}_${namespace}`
      return { waiting: { reason: 'CrashLoopBackOff', message } }
    }
    default:
      return { terminated: terminated(container.termination) }
  }
}

function terminated({ exitCode, reason, startedAt, finishedAt }: Termination): object {
  return {
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    message: reason,
    startedAt,
    finishedAt,
  }
}
