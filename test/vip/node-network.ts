// The network of a node, for tests of mode netns: this process's own, with the node's addresses, a pod behind a veth
// pair, and another machine that routes through the node. Clients anywhere are sockets of this process.

import { execFileSync } from 'node:child_process'
import dgram from 'node:dgram'
import { existsSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import type { Test } from 'tap'
import { inNamespace } from '../../lib/dataplane/engines/net/namespace.ts'
import { familyOf, parseAddress } from '../../lib/model/address.ts'
import { netnsPlace } from '../../lib/vip/netns-place.ts'
import type { VipPlace } from '../../lib/vip/vip-place.ts'
import { enterOwnNetwork } from '../own-network.ts'

/** Where clients are: the path of their network namespace, and their addresses. */
export interface Site {
  readonly name: 'node' | 'pod' | 'remote'
  readonly namespace: string | null
  readonly ip: { readonly IPv4: string; readonly IPv6: string }
}

/** Names are of the machine, and other tests have theirs. */
export const vipNamespaceName = `kr-${process.pid}`

const node: Site = { name: 'node', namespace: null, ip: { IPv4: '192.168.77.1', IPv6: 'fd77::1' } }

/** Enters it; what it has made outside of itself goes when the test is over. */
export function openNodeNetwork(t: Test): readonly Site[] {
  enterOwnNetwork()
  run('ip address add 192.168.77.1/32 dev lo')
  run('ip -6 address add fd77::1/128 dev lo nodad')
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
  writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1')
  return [node, addSite(t, 'pod', 244), addSite(t, 'remote', 88)]
}

function addSite(t: Test, name: 'pod' | 'remote', number: number): Site {
  const namespace = `kr-${process.pid}-${name}`
  run(`ip netns add ${namespace}`)
  t.teardown(() => run(`ip netns del ${namespace}`))
  run(`ip link add ${name} type veth peer name eth0 netns ${namespace}`)
  run(`ip address add 10.${number}.0.1/24 dev ${name}`)
  run(`ip -6 address add fd00:${number}::1/64 dev ${name} nodad`)
  run(`ip link set ${name} up`)
  for (const command of [
    'link set lo up',
    `address add 10.${number}.0.2/24 dev eth0`,
    `-6 address add fd00:${number}::2/64 dev eth0 nodad`,
    'link set eth0 up',
    `route add default via 10.${number}.0.1`,
    `-6 route add default via fd00:${number}::1`,
  ]) {
    run(`ip -n ${namespace} ${command}`)
  }
  const ip = { IPv4: `10.${number}.0.2`, IPv6: `fd00:${number}::2` }
  return { name, namespace: `/run/netns/${namespace}`, ip }
}

/** A place of this test process's own; nothing of it stays. */
export function testPlace(t: Test): VipPlace {
  const place = netnsPlace({ name: vipNamespaceName })
  t.teardown(() => place.clear())
  return place
}

/** Makes these VIPs local, seen by the node's own processes from the node's addresses. */
export async function placeVips(place: VipPlace, ...ips: readonly string[]): Promise<void> {
  await place.open()
  const failures = await place.add(ips.map(ip => ({ ip, source: node.ip[familyOf(ip)] })))
  for (const [ip, reason] of failures) throw new Error(`${ip}: ${reason}`)
}

/** A TCP client, connecting. Errors are for the test to look at. */
export function connectFrom(t: Test, { namespace, name, ip }: Site, address: string): net.Socket {
  const to = parseAddress(address)
  const family = familyOf(to.ip)
  // A client on the node has whatever source the kernel gives it.
  const host = name === 'node' ? (family === 'IPv4' ? '0.0.0.0' : '::') : ip[family]
  const handle = inNamespace(namespace, () => new net.BoundSocket({ host, port: 0 }))
  const socket = new net.Socket({ handle, allowHalfOpen: true })
  socket.on('error', () => {})
  socket.connect({ host: to.ip, port: to.port })
  t.teardown(() => socket.destroy())
  return socket
}

/** A UDP client, connected. */
export function udpFrom(t: Test, { namespace, name, ip }: Site, address: string): dgram.Socket {
  const to = parseAddress(address)
  const family = familyOf(to.ip)
  const socket = inNamespace(namespace, () => {
    const made = dgram.createSocket({
      type: family === 'IPv4' ? 'udp4' : 'udp6',
      lookup: (host, _options, callback) => callback(null, host, family === 'IPv4' ? 4 : 6),
    })
    const host = name === 'node' ? (family === 'IPv4' ? '0.0.0.0' : '::') : ip[family]
    made.bind({ address: host, port: 0, exclusive: true })
    return made
  })
  socket.connect(to.port, to.ip)
  t.teardown(() => socket.close())
  return socket
}

/** Why a datagram isn't taken, as the kernel tells it to the next receive or send. */
export function udpRefusal(client: dgram.Socket): Promise<string> {
  return new Promise(resolve => {
    const onError = (error: NodeJS.ErrnoException | null): void => {
      if (error === null) return
      clearInterval(timer)
      resolve(error.code ?? error.message)
    }
    const timer = setInterval(() => client.send('anybody?', onError), 20)
    client.on('error', onError)
  })
}

export function run(command: string): string {
  const [program = '', ...args] = command.split(' ')
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** What of the place is to be seen on the node; empty after `clear`. */
export function traces(): readonly string[] {
  const routes = ['-4', '-6'].flatMap(each => run(`ip ${each} route show table all proto 143`).split('\n'))
  const links = run('ip -br link').split('\n')
  return [
    ...routes.filter(line => line !== ''),
    ...links.filter(line => line.startsWith('krelay')),
    ...(existsSync(`/run/netns/${vipNamespaceName}`) ? [vipNamespaceName] : []),
  ]
}
