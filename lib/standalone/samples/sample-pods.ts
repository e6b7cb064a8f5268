// A kubelet in small: every Pod of the control plane with the image `kube-relay/sample-pod` is run as a process on an
// address inside 127.0.0.0/8, and its status says at once what that process does. A Pod that is deleted stays,
// terminating, until its process has ended or its grace period is over. Pods with another image, on another node, or
// with an address that their author gave them, are left alone. No process outlives this one.

import { AddressAllocator } from '../services/address-allocator.ts'
import type { Pod } from '../kinds/api-types.ts'
import type { Registry } from '../store/registry.ts'
import { asFields, asList, asString } from '../../model/fields.ts'
import { reasonOf } from '../../model/error.ts'
import { objectKey, objectName, type KubeObject } from '../../model/objects.ts'
import { systemClock, type Clock } from '../../ops/clock.ts'
import type { Log } from '../../ops/log.ts'
import { nodes, pods } from '../kinds/resources.ts'
import { StatusError } from '../kinds/status.ts'
import { isSampleStatus, statusOfSample, type SampleState } from './sample-pod-status.ts'
import { SampleProcess, type ProcessEnd, type ProcessEvent } from './sample-process.ts'
import type { StoreEvent } from '../store/store.ts'

/** The image that makes a Pod a sample pod; a tag may follow. */
export const samplePodImage = 'kube-relay/sample-pod'

/** How long a process has to end by itself when all of this ends. */
const closeGraceMs = 1000
/** When the control plane couldn't remove a Pod, as with a full disk. */
const finishRetryMs = 1000
const finalPhases = ['Succeeded', 'Failed']

export interface SamplePodsOptions {
  readonly controlPlane: { readonly registry: Registry; readonly runningPods: Set<string> }
  /**
   * The program that runs one pod, to which `--name NAME --address IP`, and `--tcp PORT` and `--udp PORT` for each
   * port, are added. It must call runSamplePod.
   */
  readonly command: readonly string[]
  readonly nodeName: string
  /** Where the pods' addresses come from; 127.244.0.0/16 unless given. */
  readonly podCidr?: string
  readonly log: Log
  readonly clock?: Clock
  /** Wall-clock time for the times in a status. */
  readonly wallTime?: () => Date
}

export interface SamplePods {
  /** Process ids by "namespace/name", of the pods that have a process now that isn't ending. */
  pids(): ReadonlyMap<string, number>
  /** Resolves once every pod that there is now is ready, or gone. */
  allReady(): Promise<void>
  /** Ends all processes. May be called twice. */
  close(): Promise<void>
}

interface RunningPod {
  readonly uid: string
  readonly process: SampleProcess
  state: SampleState
  terminating: boolean
}

/** Runs the sample pods that there are, and those that come. */
export function startSamplePods(options: SamplePodsOptions): SamplePods {
  const { controlPlane, command, nodeName, podCidr = '127.244.0.0/16', log, clock = systemClock } = options
  const { registry, runningPods } = controlPlane
  const { store } = registry
  const { wallTime = () => new Date() } = options
  const now = (): string =>
    wallTime()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z')
  const addresses = new AddressAllocator(podCidr)
  const running = new Map<string, RunningPod>()
  const stopping = new Set<Promise<void>>()
  const waiting = new Set<{ readonly keys: Set<string>; readonly resolve: () => void }>()
  let closing: Promise<void> | undefined

  const settle = (key: string): void => {
    for (const entry of waiting) {
      entry.keys.delete(key)
      if (entry.keys.size > 0) continue
      waiting.delete(entry)
      entry.resolve()
    }
  }
  /** Writes what a process does into its Pod, if that is still there. */
  const report = (key: string, { uid, state }: RunningPod): void => {
    const pod: Pod | undefined = store.get(pods, key)
    if (pod?.metadata.uid !== uid) return
    try {
      registry.updateStatus(pods, { ...pod, status: statusOfSample(pod, state, now()) })
    } catch (error) {
      log.error(`sample pod ${key}: its status can't be written: ${reasonOf(error)}`)
    }
  }
  const run = (key: string, { uid = '' }: KubeObject['metadata']): void => {
    // What is stored may be newer than the event.
    const pod: Pod | undefined = store.get(pods, key)
    if (pod?.metadata.uid !== uid) return
    const allocation = addresses.allocateNext()
    if (!allocation.ok) {
      log.error(`sample pod ${key} has no address: ${podCidr} is full`)
      return
    }
    const ip = allocation.value
    const sample: RunningPod = {
      uid,
      terminating: false,
      state: {
        ip,
        hostIp: hostIp(store.get(nodes, nodeName)),
        startTime: now(),
        container: { kind: 'starting' },
        lastTermination: null,
        restarts: 0,
      },
      process: new SampleProcess({
        command: [...command, ...argumentsOf(pod, ip)],
        clock,
        restarts: exitCode => isRestarted(pod, exitCode),
        onEvent: event => {
          sample.state = afterEvent(sample.state, event, now())
          report(key, sample)
          if (event.type === 'listening') settle(key)
          else {
            const { end, restartInMs } = event
            if (restartInMs === null) release(key, sample)
            log.warn({ pod: key, restartInMs }, `sample pod ended: ${end.reason}`)
          }
        },
      }),
    }
    running.set(key, sample)
    runningPods.add(uid)
    try {
      registry.update(pods, { ...pod, spec: { ...pod.spec, nodeName } })
      report(key, sample)
    } catch (error) {
      log.error(`sample pod ${key} can't be run: ${reasonOf(error)}`)
      release(key, sample)
      return
    }
    // Somebody who saw it being scheduled may have deleted it by now.
    if (running.get(key) === sample) sample.process.start()
  }
  /** Its process is gone, and what it had is free again. */
  const release = (key: string, sample: RunningPod): void => {
    if (running.get(key) === sample) running.delete(key)
    runningPods.delete(sample.uid)
    addresses.release(sample.state.ip)
    settle(key)
  }
  const stop = (sample: RunningPod, graceMs: number, then: (end: ProcessEnd | null) => void): void => {
    const stopped = sample.process.stop(graceMs).then(end => {
      stopping.delete(stopped)
      then(end)
    })
    stopping.add(stopped)
  }
  const terminate = (key: string, sample: RunningPod, { metadata }: KubeObject): void => {
    const { deletionGracePeriodSeconds: seconds } = metadata as { deletionGracePeriodSeconds?: number }
    const graceMs = (seconds ?? 0) * 1000
    if (sample.terminating) {
      void sample.process.stop(graceMs) // a second deletion, in less time
      return
    }
    sample.terminating = true
    settle(key)
    stop(sample, graceMs, end => {
      const isThere = running.get(key) === sample
      sample.state = afterStop(sample.state, end, now())
      if (isThere && !closing) report(key, sample)
      release(key, sample)
      if (isThere && !closing) finish(sample.uid, objectName({ metadata }))
    })
  }
  /** Removes a terminating Pod whose process is gone. */
  const finish = (uid: string, name: ReturnType<typeof objectName>): void => {
    try {
      registry.delete(pods, name, { uid, gracePeriodSeconds: 0 })
    } catch (error) {
      // Somebody else has deleted it in this moment.
      if (error instanceof StatusError && [404, 409].includes(error.status.code ?? 0)) return
      log.error(`sample pod ${name.namespace}/${name.name} can't be removed: ${reasonOf(error)}`)
      clock.after(finishRetryMs, () => {
        if (!closing) finish(uid, name)
      })
    }
  }
  const onEvent = ({ type, object }: Pick<StoreEvent, 'type' | 'object'>): void => {
    const key = objectKey(object)
    const { uid = '', deletionTimestamp } = object.metadata
    const sample = running.get(key)
    if (type === 'DELETED') {
      if (sample?.uid !== uid) return
      // Gone without a grace period: nobody waits for the process, nor may it answer any longer.
      running.delete(key)
      settle(key)
      if (sample.terminating) void sample.process.stop(0)
      else stop(sample, 0, () => release(key, sample))
    } else if (sample) {
      if (sample.uid === uid && deletionTimestamp !== undefined) terminate(key, sample, object)
    } else if (isSamplePod(object, nodeName)) {
      // One that is terminating already was run by an earlier life of this program.
      if (deletionTimestamp === undefined) run(key, object.metadata)
      else finish(uid, objectName(object))
    }
  }

  const { items, resourceVersion } = store.list(pods)
  for (const object of items) onEvent({ type: 'ADDED', object })
  const stopWatching = store.watch(pods, resourceVersion, onEvent)
  return {
    pids() {
      const entries = [...running].map(([key, sample]) => [key, sample.process.pid] as const)
      return new Map(entries.filter((entry): entry is [string, number] => entry[1] !== undefined))
    },
    allReady() {
      const unready = [...running].filter(([, { state, terminating }]) => {
        return state.container.kind !== 'running' && !terminating
      })
      const keys = new Set(unready.map(([key]) => key))
      if (keys.size === 0) return Promise.resolve()
      return new Promise(resolve => waiting.add({ keys, resolve }))
    },
    close() {
      closing ??= (async () => {
        stopWatching()
        for (const [key, sample] of running) stop(sample, closeGraceMs, () => release(key, sample))
        await Promise.all(stopping)
      })()
      return closing
    },
  }
}

/** Whether the image of one of its containers makes it a sample pod. */
export function hasSampleImage({ spec }: Pod): boolean {
  return (spec?.containers ?? []).some(
    ({ image = '' }) => image === samplePodImage || image.startsWith(`${samplePodImage}:`),
  )
}

function isSamplePod(object: KubeObject, nodeName: string): boolean {
  const { spec, status } = object as Pod
  const isHere = spec?.nodeName === undefined || spec.nodeName === nodeName
  const isOver = finalPhases.includes(status?.phase ?? '')
  const isOurs = status?.podIP === undefined || isSampleStatus(status)
  const isGated = asList(asFields(spec)['schedulingGates']).length > 0
  return isHere && isOurs && !isOver && !isGated && hasSampleImage(object)
}

function isRestarted(pod: Pod, exitCode: number): boolean {
  const policy = asString(asFields(pod.spec)['restartPolicy'], 'Always')
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
}

function afterEvent(state: SampleState, event: ProcessEvent, now: string): SampleState {
  if (event.type === 'listening') {
    return { ...state, container: { kind: 'running', startedAt: now, elsewhere: event.elsewhere } }
  }
  const { end, restartInMs, restarts } = event
  const { container } = state
  const termination = {
    ...end,
    startedAt: container.kind === 'running' ? container.startedAt : null,
    finishedAt: now,
  }
  if (restartInMs === null) return { ...state, restarts, container: { kind: 'ended', termination } }
  return {
    ...state,
    restarts,
    container: { kind: 'backing-off', restartInMs },
    lastTermination: termination,
  }
}

/** A process that was told to end has done so, or there was none. */
function afterStop(state: SampleState, end: ProcessEnd | null, now: string): SampleState {
  const { container } = state
  const startedAt = container.kind === 'running' ? container.startedAt : null
  const termination = { ...(end ?? { exitCode: 0, reason: 'not running' }), startedAt, finishedAt: now }
  return { ...state, container: { kind: 'ended', termination } }
}

/** The node's first address: where its kubelet is. */
function hostIp(node: KubeObject | undefined): string {
  const [first] = asList(asFields(node?.['status'])['addresses'])
  return asString(asFields(first)['address'], '127.0.0.1')
}

function argumentsOf(pod: Pod, ip: string): readonly string[] {
  const ports = (pod.spec?.containers ?? []).flatMap(container => container.ports ?? [])
  return [
    '--name',
    pod.metadata.name ?? '',
    '--address',
    ip,
    ...ports.flatMap(({ protocol = 'TCP', containerPort }) =>
      containerPort === undefined ? [] : [protocol === 'UDP' ? '--udp' : '--tcp', String(containerPort)],
    ),
  ]
}
