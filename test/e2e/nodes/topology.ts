// The network: two nodes, pods behind each, and a client outside the cluster, all dual stack and all of network
// namespaces. The sandbox's own namespace has the switch between them and, at its address there, the control plane.

import { nodeAddress as controlAddress } from '../network.ts'
import { run } from '../child.ts'
import { startPlace, type Place } from './place.ts'
import type { Family, Protocol } from './place-protocol.ts'

export type Addresses = Readonly<Record<Family, string>>

export const families: readonly Family[] = ['IPv4', 'IPv6']

/** Where every pod serves, TCP and UDP. */
export const podPort = 8080

export interface Pod {
  readonly name: string
  readonly node: NodeName
  readonly addresses: Addresses
  readonly place: Place
  /** Its port refuses from now on, and its connections are reset. */
  stop(): Promise<void>
  /** Serves again, at the same addresses. */
  start(): Promise<void>
  serving(): boolean
  /** Ends it, its addresses included. May be called twice. */
  remove(): Promise<void>
}

export type NodeName = 'node-1' | 'node-2'

export interface Node {
  readonly name: NodeName
  readonly zone: string
  readonly addresses: Addresses
  readonly podCidrs: Addresses
  /** Its own network, with the view of the file system that its agent has. */
  readonly place: Place
}

export interface Network {
  readonly nodes: readonly [Node, Node]
  readonly client: Place
  readonly clientAddresses: Addresses
  startPod(node: Node): Promise<Pod>
  close(): Promise<void>
}

const control: Addresses = { IPv4: controlAddress, IPv6: 'fd89::1' }
const clientAddresses: Addresses = { IPv4: '10.89.0.100', IPv6: 'fd89::100' }
const switchDevice = 'switch0'
const prefixLength: Readonly<Record<Family, number>> = { IPv4: 24, IPv6: 64 }

const nodeNames: readonly NodeName[] = ['node-1', 'node-2']
const nodeNumbers: Readonly<Record<NodeName, number>> = { 'node-1': 1, 'node-2': 2 }

/** Addresses are usable at once, and links don't ask for any by themselves. */
const quiet = {
  'net.ipv6.conf.all.accept_dad': 0,
  'net.ipv6.conf.default.accept_dad': 0,
  'net.ipv6.conf.default.dad_transmits': 0,
  'net.ipv6.conf.all.accept_ra': 0,
  'net.ipv6.conf.default.accept_ra': 0,
}

const router = {
  'net.ipv4.ip_forward': 1,
  'net.ipv6.conf.all.forwarding': 1,
  // The strictest that a distribution sets.
  'net.ipv4.conf.all.rp_filter': 1,
  'net.ipv4.conf.default.rp_filter': 1,
}

/** Makes all of it but pods. Everything goes with the processes in it. */
export async function startNetwork(): Promise<Network> {
  await removeLinks()
  await batch(
    `link add ${switchDevice} type bridge mcast_snooping 0`,
    ...families.map(family => addAddress(control[family], family, switchDevice)),
    `link set ${switchDevice} up`,
  )
  const [first, second, client] = await Promise.all([
    startNode('node-1', 'zone-a'),
    startNode('node-2', 'zone-b'),
    startPlace('client').then(async place => {
      await place.sysctl(quiet)
      await plugIn(place, 'client', clientAddresses)
      return place
    }),
  ])
  await first.place.ip(...routesTo(second))
  await second.place.ip(...routesTo(first))
  const pods = new Set<Pod>()
  let lastPod = 9
  return {
    nodes: [first, second],
    client,
    clientAddresses,
    startPod: async node => {
      // Never the same address again: the node may still know the MAC address of the one before.
      if (++lastPod > 254)
        throw new Error('no pod address is left: start fewer pods, or make the pod CIDRs larger')
      const pod = await startPod(node, lastPod, () => pods.delete(pod))
      pods.add(pod)
      return pod
    },
    close: async () => {
      await Promise.all([...pods].map(pod => pod.remove()))
      await Promise.all([first.place, second.place, client].map(place => place.close()))
      await removeLinks()
    },
  }
}

/** By name: a namespace lives on, with its cable, while any process in it does. */
async function removeLinks(): Promise<void> {
  for (const name of [...nodeNames, 'client', switchDevice]) {
    await run('ip', ['link', 'delete', name]).catch(() => {})
  }
}

async function startNode(name: NodeName, zone: string): Promise<Node> {
  const number = nodeNumbers[name]
  const addresses = { IPv4: `10.89.0.${10 + number}`, IPv6: `fd89::${10 + number}` }
  const podCidrs = { IPv4: `10.244.${number}.0/24`, IPv6: `fd24:${number}::/64` }
  const place = await startPlace(name, 'machine')
  await place.sysctl({ ...quiet, ...router })
  await plugIn(place, name, addresses)
  await place.ip(
    'link add cni0 type bridge mcast_snooping 0',
    ...families.map(family => addAddress(podAddress(number, 1)[family], family, 'cni0')),
    'link set cni0 up',
  )
  return { name, zone, addresses, podCidrs, place }
}

/** A cable from the switch to the place's eth0. */
async function plugIn(place: Place, port: string, addresses: Addresses): Promise<void> {
  await batch(
    `link add ${port} type veth peer name eth0 netns ${place.pid}`,
    `link set ${port} master ${switchDevice} up`,
  )
  await place.ip(
    'link set lo up',
    ...families.map(family => addAddress(addresses[family], family, 'eth0')),
    'link set eth0 up',
  )
}

function routesTo({ addresses, podCidrs }: Node): readonly string[] {
  return families.map(family => `route add ${podCidrs[family]} via ${addresses[family]}`)
}

function podAddress(node: number, host: number): Addresses {
  return { IPv4: `10.244.${node}.${host}`, IPv6: `fd24:${node}::${host}` }
}

async function startPod(node: Node, host: number, onRemoved: () => void): Promise<Pod> {
  const number = nodeNumbers[node.name]
  const addresses = podAddress(number, host)
  const gateway = podAddress(number, 1)
  const name = `pod-${number}-${host}`
  const place = await startPlace(name)
  await place.sysctl(quiet)
  await node.place.ip(
    `link add ${name} type veth peer name eth0 netns ${place.pid}`,
    `link set ${name} master cni0 up`,
  )
  await place.ip(
    'link set lo up',
    ...families.map(family => addAddress(addresses[family], family, 'eth0')),
    'link set eth0 up',
    `route add default via ${gateway.IPv4}`,
    `route add ::/0 via ${gateway.IPv6}`,
  )
  const protocols: readonly Protocol[] = ['TCP', 'UDP']
  const serve = () =>
    Promise.all(
      protocols.flatMap(protocol =>
        families.map(family => place.serve({ protocol, ip: addresses[family], port: podPort, server: name })),
      ),
    )
  let servings = await serve()
  const stop = async (): Promise<void> => {
    await Promise.all(servings.map(serving => serving.stop()))
    servings = []
  }
  return {
    name,
    node: node.name,
    addresses,
    place,
    stop,
    serving: () => servings.length > 0,
    start: async () => {
      await stop()
      servings = await serve()
    },
    remove: async () => {
      onRemoved()
      // The cable first: the node must not be left with a part of it while the kernel takes the namespace down.
      await node.place.run('ip', 'link', 'delete', name).catch(() => {})
      await place.close()
    },
  }
}

function addAddress(address: string, family: Family, device: string): string {
  return `address add ${address}/${prefixLength[family]} dev ${device}${family === 'IPv6' ? ' nodad' : ''}`
}

async function batch(...lines: readonly string[]): Promise<void> {
  await run('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` })
}
