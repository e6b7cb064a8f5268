// What decides on this node which VIP modes work: read from /proc and /sys, and tried where nothing tells in advance.
// Nothing lasting is changed: a trial is undone by the end of the process that made it.

import { accessSync, constants, existsSync, readFileSync, readdirSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import net from 'node:net'
import path from 'node:path'
import { reasonOf } from '../model/error.ts'
import { readForwardDrops, type ForwardDrop, type ReadOutput } from './forward-policy.ts'
import { runProgram } from './run-program.ts'
import { vipLink } from './vip-namespace.ts'

export interface NodeReadings {
  readonly nodeVersion: string
  /** The effective capabilities, a bit for each number of capabilities(7). */
  readonly capabilities: bigint
  /** Whether this Node.js can call setns(2) and bind a socket at once. */
  readonly canBindInNamespace: boolean
  /** The program `ip`. `basic`: one that can't read a batch, as BusyBox's. */
  readonly ip: 'works' | 'basic' | 'missing'
  readonly hasSs: boolean
  /** Why no network namespace can be named in /run/netns; null: one can. */
  readonly netnsFolderProblem: string | null
  /** Why namespaces can't be made, named and entered, or no veth pair in them; null: all can, or it wasn't tried. */
  readonly namespaceProblem: string | null
  /** null: the kernel has none of that name. */
  readonly sysctl: (name: string) => string | null
  /** Whether this process may change it. In most containers it is read-only. */
  readonly maySet: (name: string) => boolean
  /** Besides loopback and link-local addresses. */
  readonly hasIpv6: boolean
  /** Network interfaces that are hardware, or pretend to be. */
  readonly uplinks: readonly string[]
  /** Chains that are known to drop what is forwarded to and from the VIPs' namespace. */
  readonly forwardDrops: readonly ForwardDrop[]
}

export const capNetBindService = 10
export const capNetAdmin = 12
export const capSysAdmin = 21

export function isCapable({ capabilities }: Pick<NodeReadings, 'capabilities'>, capability: number): boolean {
  return (capabilities >> BigInt(capability)) % 2n === 1n
}

/** Where to look, and how to run a program; a test has others. */
export interface NodeSources {
  readonly proc: string
  readonly sys: string
  readonly run: string
  /** Resolves with null, or with why the program didn't end well. */
  readonly execute: (program: string, args: readonly string[]) => Promise<ExecuteProblem | null>
  readonly output: ReadOutput
}

export interface ExecuteProblem {
  readonly kind: 'missing' | 'failed'
  /** The last line that the program wrote. */
  readonly reason: string
}

const thisNode: NodeSources = { proc: '/proc', sys: '/sys', run: '/run', execute, output }

/**
 * A new namespace, bound to a file as `ip netns add` does (a security profile may forbid mounts alone) and entered by it,
 * with a veth pair in it. The mount is in a namespace of its own, so that any file will do. It all ends with the process. By
 * programs, not by node:ffi, which prints a warning where it is loaded.
 */
const namespaceTrial = [
  '--net',
  '--mount',
  'sh',
  '-c',
  'mount --bind /proc/self/ns/net "$0" && exec nsenter --net="$0" ip link add type veth',
  process.execPath,
]

export async function readNode(sources: Partial<NodeSources> = {}): Promise<NodeReadings> {
  const { proc, sys, run, execute, output } = { ...thisNode, ...sources }
  const fileOf = (sysctl: string): string => path.join(proc, 'sys', ...sysctl.split('.'))
  const status = textOf(path.join(proc, 'self/status')) ?? ''
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  const mayMake = [capNetAdmin, capSysAdmin].every(each => isCapable({ capabilities }, each))
  // Address, interface, prefix length, scope (00 is global), flags, name: proc_net(5).
  const hasIpv6 = /^[\da-f]{32} [\da-f]+ [\da-f]+ 00 /m.test(textOf(path.join(proc, 'net/if_inet6')) ?? '')
  const [ip, ss, namespace, forwardDrops] = await Promise.all([
    execute('ip', ['-force', '-batch', '-']),
    execute('ss', ['-V']),
    mayMake ? execute('unshare', namespaceTrial) : null,
    mayMake ? readForwardDrops(output, vipLink, hasIpv6) : [],
  ])
  return {
    nodeVersion: process.versions.node,
    capabilities,
    canBindInNamespace: net.BoundSocket !== undefined && isBuiltin('node:ffi'),
    ip: ip === null ? 'works' : ip.kind === 'missing' ? 'missing' : 'basic',
    hasSs: ss === null,
    netnsFolderProblem: folderProblem(path.join(run, 'netns'), run),
    namespaceProblem: namespace?.kind === 'failed' ? namespace.reason : null,
    sysctl: name => textOf(fileOf(name))?.trim() ?? null,
    maySet: name => accessProblem(fileOf(name), constants.W_OK) === null,
    hasIpv6,
    uplinks: uplinksIn(path.join(sys, 'class/net')),
    forwardDrops,
  }
}

function folderProblem(folder: string, parent: string): string | null {
  return accessProblem(existsSync(folder) ? folder : parent, constants.W_OK | constants.X_OK)
}

function accessProblem(file: string, mode: number): string | null {
  try {
    accessSync(file, mode)
    return null
  } catch (error) {
    return reasonOf(error)
  }
}

function uplinksIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter(name => existsSync(path.join(folder, name, 'device')))
  } catch {
    return []
  }
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

const timeoutMs = 10_000

async function execute(program: string, args: readonly string[]): Promise<ExecuteProblem | null> {
  try {
    const { status, stderr } = await runProgram(program, args, { timeoutMs }, 'install it')
    if (status === 0) return null
    // 127: of `unshare` or of the shell.
    if (status === 127 || /failed to execute|can't execute/.test(stderr))
      return { kind: 'missing', reason: stderr.trim() }
    return { kind: 'failed', reason: stderr.trim().split('\n').at(-1) || `status ${status}` }
  } catch (error) {
    const { cause } = error as { cause?: { code?: unknown } }
    return { kind: cause?.code === 'ENOENT' ? 'missing' : 'failed', reason: reasonOf(error) }
  }
}

async function output(program: string, args: readonly string[]): Promise<string | null> {
  try {
    const { stdout, status } = await runProgram(program, args, { timeoutMs }, 'install it')
    return status === 0 ? stdout : null
  } catch {
    return null
  }
}
