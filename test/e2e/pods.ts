// Test pods: one process each, in the pods' namespace, on an address of its own, serving TCP and UDP on 8080.

import { startChild } from './child.ts'
import { addPodAddress, podNamespace, removePodAddress } from './network.ts'
import { until } from './until.ts'

export const podPort = 8080

export interface Pod {
  readonly name: string
  readonly address: string
  /** Ends the pod's process with SIGKILL: its port refuses from then on. */
  kill(): Promise<void>
  /** Ends it and takes its address away. */
  close(): Promise<void>
}

let nextHost = 10

/** Starts a pod and resolves once it serves. No two pods of a test file ever have the same address. */
export async function startPod(name: string): Promise<Pod> {
  const address = `10.244.1.${nextHost++}`
  await addPodAddress(address)
  const child = await startChild({
    name: `pod ${name}`,
    command: process.execPath,
    args: [`${import.meta.dirname}/pod-server.ts`, name, address, String(podPort)],
    namespace: podNamespace,
  })
  await until(`pod ${name} serves`, () => child.output().includes('ready') || undefined, {
    hopeless: () => child.ended(),
    detail: () => child.tail(),
  })
  const kill = async (): Promise<void> => {
    await child.kill('SIGKILL')
  }
  return {
    name,
    address,
    kill,
    close: async () => {
      await kill()
      await removePodAddress(address)
    },
  }
}
