// A kubelet in small: every Pod of the control plane with the image `kube-relay/sample-pod` is run as a process on an
// address inside 127.0.0.0/8, and its status says at once whether that process answers. Pods with another image, or
// with an address that their author gave them, are left alone. No process outlives this one.

import { AddressAllocator } from '../services/address-allocator.ts'
import type { Container, ListeningPort, Pod } from '../kinds/api-types.ts'
import type { Registry } from '../store/registry.ts'
import { objectKey, type KubeObject } from '../../model/objects.ts'
import { systemClock, type Clock } from '../../ops/clock.ts'
import type { Log } from '../../ops/log.ts'
import { pods } from '../kinds/resources.ts'
import { SampleProcess, type ProcessEvent } from './sample-process.ts'
import type { StoreEvent } from '../store/store.ts'

/** The image that makes a Pod a sample pod; a tag may follow. */
export const samplePodImage = 'kube-relay/sample-pod'

export interface SamplePodsOptions {
  readonly controlPlane: { readonly registry: Registry }
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
}

export interface SamplePods {
  /** Process ids by "namespace/name", of the pods that have a process now. */
  pids(): ReadonlyMap<string, number>
  /** Resolves once every pod that there is now is ready, or gone. */
  allReady(): Promise<void>
  /** Ends all processes. May be called twice. */
  close(): Promise<void>
}

interface RunningPod {
  readonly process: SampleProcess
  readonly ip: string
  ready: boolean
}

/** Runs the sample pods that there are, and those that come. */
export function startSamplePods(options: SamplePodsOptions): SamplePods {
  const { controlPlane, command, nodeName, podCidr = '127.244.0.0/16', log, clock = systemClock } = options
  const { registry } = controlPlane
  const { store } = registry
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
  const run = (key: string, pod: Pod): void => {
    const allocation = addresses.allocateNext()
    if (!allocation.ok) {
      log.error(`sample pod ${key} has no address: ${podCidr} is full`)
      return
    }
    const ip = allocation.value
    const sample: RunningPod = {
      ip,
      ready: false,
      process: new SampleProcess({
        command: [...command, ...argumentsOf(pod, ip)],
        clock,
        onEvent: event => {
          sample.ready = event.type === 'listening'
          report(registry, key, nodeName, ip, event)
          if (event.type === 'listening') settle(key)
          else log.warn({ pod: key, restartInMs: event.restartInMs }, `sample pod ended: ${event.reason}`)
        },
      }),
    }
    running.set(key, sample)
    registry.update(pods, { ...pod, spec: { ...pod.spec, nodeName } })
    report(registry, key, nodeName, ip, { type: 'starting' })
    sample.process.start()
  }
  const end = (key: string): void => {
    const sample = running.get(key)
    if (!sample) return
    running.delete(key)
    settle(key)
    const stopped = sample.process.stop().then(() => {
      addresses.release(sample.ip)
      stopping.delete(stopped)
    })
    stopping.add(stopped)
  }
  const onEvent = ({ type, object }: Pick<StoreEvent, 'type' | 'object'>): void => {
    const key = objectKey(object)
    if (type === 'DELETED') end(key)
    else if (!running.has(key) && isSamplePod(object)) run(key, object)
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
      const keys = new Set([...running].filter(([, sample]) => !sample.ready).map(([key]) => key))
      if (keys.size === 0) return Promise.resolve()
      return new Promise(resolve => waiting.add({ keys, resolve }))
    },
    close() {
      closing ??= (async () => {
        stopWatching()
        for (const key of running.keys()) end(key)
        await Promise.all(stopping)
      })()
      return closing
    },
  }
}

function isSamplePod(object: KubeObject): boolean {
  const pod = object as Pod
  const isSample = ({ image = '' }: Container): boolean =>
    image === samplePodImage || image.startsWith(`${samplePodImage}:`)
  return pod.status?.podIP === undefined && (pod.spec?.containers ?? []).some(isSample)
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

/** Writes a Pod's status from what its process does. */
function report(
  registry: Registry,
  key: string,
  nodeName: string,
  ip: string,
  event: ProcessEvent | { readonly type: 'starting' },
): void {
  const stored: Pod | undefined = registry.store.get(pods, key)
  if (!stored) return // deleted in this moment
  const ready = event.type === 'listening'
  const listening: readonly ListeningPort[] = ready ? event.elsewhere : (stored.status?.listening ?? [])
  const status = ready ? 'True' : 'False'
  registry.updateStatus(pods, {
    ...stored,
    status: {
      phase: ready || event.type === 'exited' ? 'Running' : 'Pending',
      hostIP: '127.0.0.1',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type, i) => ({
        type,
        status: i < 2 ? 'True' : status,
        ...(event.type === 'exited' && i >= 2
          ? { reason: 'Exited', message: `${nodeName}: ${event.reason}` }
          : {}),
      })),
      ...(listening.length > 0 ? { listening } : {}),
      containerStatuses: (stored.spec?.containers ?? []).map(({ name, image }) => ({
        name,
        image,
        ready,
        restartCount: event.type === 'exited' ? event.restarts : restartsOf(stored),
      })),
    },
  })
}

function restartsOf(pod: Pod): number {
  const statuses = (
    pod.status as { readonly containerStatuses?: readonly { readonly restartCount?: number }[] } | undefined
  )?.containerStatuses
  return statuses?.[0]?.restartCount ?? 0
}
