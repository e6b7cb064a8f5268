// The network of a resilience test, and what can be seen in it. All of 10.0.0.0/8 is local there: VIPs,
// endpoints and clients have addresses as in a cluster.

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { enterOwnNetwork } from '../own-network.ts'

/** Where NodePorts are reached. */
export const nodeIp = '192.168.77.1'

/** Enters a network of its own with these addresses: to set what it needs is the agent's business. */
export function enterClusterNetwork(): void {
  enterOwnNetwork()
  execFileSync('ip', ['address', 'add', `${nodeIp}/32`, 'dev', 'lo'])
  execFileSync('ip', ['route', 'add', 'local', '10.0.0.0/8', 'dev', 'lo'])
}

/** The other processes in this network; the ones that a test has left behind, when it is over. */
export function processesHere(): readonly { readonly pid: number; readonly command: string }[] {
  const here = readlinkSync('/proc/thread-self/ns/net')
  return readdirSync('/proc')
    .map(Number)
    .filter(pid => Number.isInteger(pid) && pid !== process.pid)
    .flatMap(pid => {
      try {
        if (readlinkSync(`/proc/${pid}/ns/net`) !== here) return []
        return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }]
      } catch {
        return [] // it has just gone, or is a zombie, which has no namespaces any more
      }
    })
}

export interface TcpSocket {
  /** "ip:port" */
  readonly local: string
  readonly remote: string
  readonly state: 'ESTABLISHED' | 'LISTEN' | 'CLOSE_WAIT' | 'TIME_WAIT' | 'other'
  readonly inode: number
}

const tcpStates: Readonly<Record<string, TcpSocket['state']>> = {
  '01': 'ESTABLISHED',
  '06': 'TIME_WAIT',
  '08': 'CLOSE_WAIT',
  '0A': 'LISTEN',
}

/** All IPv4 TCP sockets of this network, as /proc/net/tcp has them. */
export function tcpSockets(): readonly TcpSocket[] {
  return readFileSync('/proc/thread-self/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .filter(line => line !== '')
    .map(line => {
      const [, local = '', remote = '', state = '', , , , , , inode = ''] = line.trim().split(/\s+/)
      return {
        local: addressOf(local),
        remote: addressOf(remote),
        state: tcpStates[state] ?? 'other',
        inode: Number(inode),
      }
    })
}

/** "0100007F:1F90" is 127.0.0.1:8080: the address is in the machine's own order, the port is not. */
function addressOf(hex: string): string {
  const [ip = '', port = ''] = hex.split(':')
  return `${Buffer.from(ip, 'hex').toReversed().join('.')}:${Number.parseInt(port, 16)}`
}

/** The inodes of the sockets that a process has open. */
export function socketInodes(pid: number): ReadonlySet<number> {
  const inodes = descriptors(pid).map(target => Number(/^socket:\[(\d+)\]$/.exec(target)?.[1]))
  return new Set(inodes.filter(inode => !Number.isNaN(inode)))
}

/** What each open descriptor of a process leads to. */
export function descriptors(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)]
    } catch {
      return [] // closed since it was listed
    }
  })
}

/** Resident memory of a process, in MiB. */
export function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib ?? Number.NaN) / 1024
}
