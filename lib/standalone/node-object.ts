// The Node that a control plane without a cluster has: this machine, in the fields that a kubelet fills in when it
// registers.

import { readFileSync } from 'node:fs'
import { arch, availableParallelism, machine, platform, release, totalmem } from 'node:os'
import type { KubeObject } from '../model/objects.ts'

/** As many as a kubelet runs unless told otherwise. */
const maxPods = '110'

export interface NodeOptions {
  readonly name: string
  readonly addresses: readonly string[]
  /** Of this program: it stands where the kubelet's stands elsewhere. */
  readonly programVersion: string
  readonly now: Date
}

export function nodeObject({ name, addresses, programVersion, now }: NodeOptions): KubeObject {
  const time = now.toISOString().replace(/\.\d+Z$/, 'Z')
  const architecture = goArchitecture()
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': platform(),
        'kubernetes.io/arch': architecture,
      },
    },
    status: {
      addresses: [
        ...addresses.map(address => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: name },
      ],
      capacity: {
        cpu: String(availableParallelism()),
        memory: `${Math.floor(totalmem() / 1024)}Ki`,
        pods: maxPods,
      },
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'KubeRelayStandalone',
          message: 'kube-relay runs here without a cluster',
          lastHeartbeatTime: time,
          lastTransitionTime: time,
        },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: 0 } },
      nodeInfo: {
        architecture,
        bootID: '',
        containerRuntimeVersion: `node://${process.versions.node}`,
        kernelVersion: release(),
        kubeProxyVersion: '',
        kubeletVersion: `kube-relay ${programVersion}`.trimEnd(),
        machineID: '',
        operatingSystem: platform(),
        osImage: osName(),
        systemUUID: '',
      },
    },
  }
}

/** Processor names are Go's all over Kubernetes. */
function goArchitecture(): string {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }
  return names[arch()] ?? arch()
}

/** "Debian GNU/Linux 12 (bookworm)": what os-release(5) calls this system, else what the kernel does. */
function osName(): string {
  for (const file of ['/etc/os-release', '/usr/lib/os-release']) {
    try {
      const [, name] = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync(file, 'utf8')) ?? []
      if (name) return name
    } catch {
      // Not every system has it.
    }
  }
  return `${platform()} ${machine()}`
}
