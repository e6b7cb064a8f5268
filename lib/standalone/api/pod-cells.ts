// What a pod's row says: how many containers are ready, what it is doing or why it isn't, and how often it was
// restarted. One status stands for all containers, and which of them it is taken from is the real server's rule
// (kubernetes pkg/printers/internalversion, printPod): the first init container that isn't done, else the first
// container with something to say.

import { asFields, asList, asNumber, asString, type Fields } from '../../model/fields.ts'
import type { KubeObject } from '../../model/objects.ts'
import { humanDuration } from './age.ts'

interface Summary {
  readonly total: number
  readonly ready: number
  readonly status: string
  readonly restarts: number
  /** When a container was last restarted, in milliseconds since 1970; 0 if never. */
  readonly restartedAt: number
}

/** "1/2": the containers that are ready, of all that stay running. */
export function podReadiness(pod: KubeObject): string {
  const { ready, total } = summaryOf(pod)
  return `${ready}/${total}`
}

/** "Running", "Completed", "CrashLoopBackOff", "Init:0/2", "Terminating" and the like. */
export function podStatus(pod: KubeObject): string {
  return summaryOf(pod).status
}

/** "0", or "3 (5m ago)". */
export function podRestarts(pod: KubeObject, now: number): string {
  const { restarts, restartedAt } = summaryOf(pod)
  return restarts === 0 || restartedAt === 0
    ? String(restarts)
    : `${restarts} (${humanDuration(now - restartedAt)} ago)`
}

/** The pod's first address, or "". */
export function podAddress(pod: KubeObject): string {
  const { podIPs, podIP } = asFields(pod['status'])
  return asString(asFields(asList(podIPs)[0])['ip']) || asString(podIP)
}

/** "1/2": the gates whose condition is true; "<none>" for a pod without gates. */
export function podReadinessGates(pod: KubeObject): string {
  const gates = fieldsOf(asFields(pod['spec'])['readinessGates'])
  const passed = gates.filter(gate => conditionOf(pod, asString(gate['conditionType'])) === 'True')
  return gates.length === 0 ? '<none>' : `${passed.length}/${gates.length}`
}

/** The row's conditions: whether the pod has come to its end, and how. */
export function podConditions(pod: KubeObject): readonly object[] {
  const completed = { type: 'Completed', status: 'True' }
  switch (asFields(pod['status'])['phase']) {
    case 'Succeeded':
      return [{ ...completed, reason: 'Succeeded', message: 'The pod has completed successfully.' }]
    case 'Failed':
      return [{ ...completed, reason: 'Failed', message: 'The pod failed.' }]
    default:
      return []
  }
}

function summaryOf(pod: KubeObject): Summary {
  const spec = asFields(pod['spec'])
  const status = asFields(pod['status'])
  const initContainers = fieldsOf(spec['initContainers'])
  const sidecars = new Set(
    initContainers.filter(each => each['restartPolicy'] === 'Always').map(each => each['name']),
  )
  const total = asList(spec['containers']).length + sidecars.size
  const init = initSummary(fieldsOf(status['initContainerStatuses']), sidecars, initContainers.length)
  const phase = asString(status['reason']) || asString(status['phase'])
  const gated = fieldsOf(status['conditions']).some(
    condition => condition['type'] === 'PodScheduled' && condition['reason'] === 'SchedulingGated',
  )
  const before = gated ? 'SchedulingGated' : phase
  const initializing = init.status !== undefined && conditionOf(pod, 'Initialized') !== 'True'
  const summary: Summary = initializing
    ? { total, ...init, status: init.status ?? before }
    : mainSummary(pod, { total, ...init.sidecars, ready: init.ready, status: init.status ?? before })
  return { ...summary, status: terminating(pod) ?? summary.status }
}

interface Restarts {
  readonly restarts: number
  readonly restartedAt: number
}

/** What the init containers say; no status once all of them are done, or run beside the others. */
function initSummary(
  statuses: readonly Fields[],
  sidecars: ReadonlySet<unknown>,
  count: number,
): Restarts & { readonly ready: number; readonly status: string | undefined; readonly sidecars: Restarts } {
  let all: Restarts = { restarts: 0, restartedAt: 0 }
  let ofSidecars = all
  let ready = 0
  for (const [index, container] of statuses.entries()) {
    const isSidecar = sidecars.has(container['name'])
    all = withRestarts(all, container)
    if (isSidecar) ofSidecars = withRestarts(ofSidecars, container)
    const { terminated, waiting } = stateOf(container)
    if (terminated && exitCodeOf(terminated) === 0) continue
    if (isSidecar && container['started'] === true) {
      if (container['ready'] === true) ready += 1
      continue
    }
    const waitingReason = asString(waiting?.['reason'])
    let status = `Init:${index}/${count}`
    if (terminated) status = `Init:${terminationOf(terminated)}`
    else if (waitingReason !== '' && waitingReason !== 'PodInitializing') status = `Init:${waitingReason}`
    return { ...all, ready, status, sidecars: ofSidecars }
  }
  return { ...all, ready, status: undefined, sidecars: ofSidecars }
}

function mainSummary(pod: KubeObject, from: Summary): Summary {
  let { status, ready } = from
  let failure = ''
  let running = false
  let restarts: Restarts = from
  // From the last to the first: what the first one says stands.
  for (const container of fieldsOf(asFields(pod['status'])['containerStatuses']).toReversed()) {
    restarts = withRestarts(restarts, container)
    const { waiting, terminated, running: isRunning } = stateOf(container)
    const waitingReason = asString(waiting?.['reason'])
    if (waitingReason !== '') status = waitingReason
    else if (terminated) {
      status = terminationOf(terminated)
      if (exitCodeOf(terminated) !== 0) failure = status
    } else if (container['ready'] === true && isRunning) {
      running = true
      ready += 1
    }
  }
  if (status === 'Completed') {
    if (running && conditionOf(pod, 'Ready') === 'True') status = 'Running'
    else if (failure !== '') status = failure
    else if (running) status = 'NotReady'
  }
  return { ...from, ...restarts, total: from.total, ready, status }
}

/** What a deletion makes of the status; undefined if the pod isn't being deleted, or has come to its end before. */
function terminating(pod: KubeObject): string | undefined {
  if (asString(asFields(pod.metadata)['deletionTimestamp']) === '') return undefined
  const { reason, phase } = asFields(pod['status'])
  if (reason === 'NodeLost') return 'Unknown'
  return phase === 'Succeeded' || phase === 'Failed' ? undefined : 'Terminating'
}

function terminationOf(terminated: Fields): string {
  const { reason, signal } = terminated
  if (asString(reason) !== '') return asString(reason)
  return asNumber(signal) === 0 ? `ExitCode:${exitCodeOf(terminated)}` : `Signal:${asNumber(signal)}`
}

function exitCodeOf({ exitCode }: Fields): number {
  return asNumber(exitCode)
}

function withRestarts({ restarts, restartedAt }: Restarts, container: Fields): Restarts {
  const { finishedAt } = asFields(asFields(container['lastState'])['terminated'])
  const finished = Date.parse(asString(finishedAt))
  return {
    restarts: restarts + asNumber(container['restartCount']),
    restartedAt: Number.isNaN(finished) ? restartedAt : Math.max(restartedAt, finished),
  }
}

/** A container's state: one of the three is there, or none. */
function stateOf(
  container: Fields,
): Readonly<Record<'waiting' | 'running' | 'terminated', Fields | undefined>> {
  const { waiting, running, terminated } = asFields(container['state'])
  const present = (state: unknown): Fields | undefined => (state ? asFields(state) : undefined)
  return { waiting: present(waiting), running: present(running), terminated: present(terminated) }
}

function conditionOf(pod: KubeObject, type: string): unknown {
  const conditions = fieldsOf(asFields(pod['status'])['conditions'])
  return conditions.find(condition => condition['type'] === type)?.['status']
}

function fieldsOf(list: unknown): readonly Fields[] {
  return asList(list).map(each => asFields(each))
}
