// A network namespace with one lasting process in it: a pod, a node's own network, or a client. The process is what
// keeps the namespace, so the namespace, its links and its mounts go with it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { run } from '../child.ts'
import { until } from '../until.ts'
import type {
  Command,
  CommandResults,
  HttpResult,
  ProbeOptions,
  ProbeResult,
  ProbeTarget,
  ReplyMessage,
  RequestMessage,
  ServeOptions,
  TrafficOptions,
  TrafficReport,
} from './place-protocol.ts'

export interface Place {
  readonly name: string
  /** Of its process: names its namespaces. */
  readonly pid: number
  probe(target: ProbeTarget, options?: ProbeOptions): Promise<ProbeResult>
  /** So many, one after the other. */
  probes(target: ProbeTarget, times: number, options?: ProbeOptions): Promise<readonly ProbeResult[]>
  /** A TCP connection or a UDP socket that stays open. Rejects if the connection can't be made. */
  open(target: ProbeTarget, options?: ProbeOptions): Promise<LastingProbe>
  /** Steady requests from now on, one at a time, every one counted. */
  traffic(target: ProbeTarget, options?: TrafficOptions): Promise<Traffic>
  /** One GET; rejects if nobody answers. */
  http(url: string, options?: { readonly timeoutMs?: number }): Promise<HttpResult>
  /** Starts a server here; resolves once it listens, rejects if it can't. */
  serve(options: ServeOptions): Promise<Serving>
  /** Runs a program here, to its end. */
  run(command: string, ...args: readonly string[]): Promise<string>
  /** `ip -batch -` with these lines. */
  ip(...lines: readonly string[]): Promise<void>
  /** Writes kernel parameters: "net.ipv4.ip_forward". */
  sysctl(values: Readonly<Record<string, string | number>>): Promise<void>
  /** How to start a program here that becomes the child itself: to be put before its command line. */
  readonly enter: readonly string[]
  /** Ends the process, and with it the namespace. May be called twice. */
  close(): Promise<void>
}

export interface LastingProbe {
  ask(options?: { readonly timeoutMs?: number }): Promise<ProbeResult>
  close(): Promise<void>
}

export interface Traffic {
  /** Resolves once there are so many more answers, or a request has failed. */
  more(answers: number): Promise<void>
  /** Ends it; resolves when the request under way is done. */
  stop(): Promise<TrafficReport>
}

export interface Serving {
  stop(): Promise<void>
}

/** A network of its own, and for a machine a view of the file system, too: `ip netns` and state are per node. */
export type PlaceKind = 'network' | 'machine'

const machineMounts = [
  'mount -t tmpfs tmpfs /run',
  'mkdir /run/netns',
  'mount -t tmpfs tmpfs /var/lib',
  'mount -t sysfs sysfs /sys',
  'exec "$@"',
].join(' && ')

/** Makes the namespaces and resolves once the process in them answers. Only the loopback device is there, and up. */
export async function startPlace(name: string, kind: PlaceKind = 'network'): Promise<Place> {
  const program = [process.execPath, `${import.meta.dirname}/place-process.ts`]
  const inside =
    kind === 'network'
      ? ['unshare', '--net', ...program]
      : ['unshare', '--net', '--mount', 'sh', '-c', machineMounts, 'sh', ...program]
  // Each execs the next, so the pid is the program's own.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...inside], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const exited = once(child, 'exit').then(([status, signal]) => {
    const error = new Error(`${name}: its process has ended (${String(signal ?? status)})`)
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
    return error
  })
  const ready = once(child, 'message')
  const early = await Promise.race([ready.then(() => null), exited])
  if (early !== null) throw early
  const { pid } = child
  if (pid === undefined) throw new Error(`${name}: has no pid`)

  child.on('message', (message: ReplyMessage) => {
    const resolvers = waiting.get(message.id)
    waiting.delete(message.id)
    if ('error' in message) resolvers?.reject(new Error(`${name}: ${message.error}`))
    else resolvers?.resolve(message.value)
  })
  let lastId = 0
  const ask = async <C extends Command>(command: C): Promise<CommandResults[C['op']]> => {
    if (!child.connected) throw new Error(`${name}: is closed, can't ${command.op}`)
    const id = ++lastId
    const resolvers = Promise.withResolvers<unknown>()
    waiting.set(id, resolvers)
    child.send({ id, command } satisfies RequestMessage, error => {
      if (error !== null) resolvers.reject(error)
    })
    return (await resolvers.promise) as CommandResults[C['op']]
  }

  const enter = ['nsenter', `--net=/proc/${pid}/ns/net`, `--mount=/proc/${pid}/ns/mnt`, '--']
  const probe: Place['probe'] = (target, options = {}) => ask({ op: 'probe', target, options })
  return {
    name,
    pid,
    enter,
    probe,
    probes: async (target, times, options) => {
      const results: ProbeResult[] = []
      for (let i = 0; i < times; i++) results.push(await probe(target, options))
      return results
    },
    open: async (target, options = {}) => {
      const opened = await ask({ op: 'open', target, options })
      if ('outcome' in opened) throw new Error(`${name} to ${targetName(target)}: ${opened.outcome}`)
      return {
        ask: ({ timeoutMs = 10_000 } = {}) => ask({ op: 'ask', probe: opened.probe, timeoutMs }),
        close: async () => {
          await ask({ op: 'close', probe: opened.probe })
        },
      }
    },
    traffic: async (target, options = {}) => {
      const { traffic } = await ask({ op: 'traffic', target, options })
      const report = () => ask({ op: 'report', traffic, stop: false })
      return {
        more: async answers => {
          const { answered } = await report()
          await until(`${name} → ${targetName(target)}: ${answers} more answers`, async () => {
            const now = await report()
            return now.answered >= answered + answers || now.failures.length > 0 || undefined
          })
        },
        stop: () => ask({ op: 'report', traffic, stop: true }),
      }
    },
    http: (url, { timeoutMs = 10_000 } = {}) => ask({ op: 'http', url, timeoutMs }),
    serve: async options => {
      const { serving } = await ask({ op: 'serve', ...options })
      return {
        stop: async () => {
          await ask({ op: 'unserve', serving })
        },
      }
    },
    run: (command, ...args) => run('nsenter', [...enter.slice(1), command, ...args]),
    ip: async (...lines) => {
      await run('nsenter', [...enter.slice(1), 'ip', '-batch', '-'], { input: `${lines.join('\n')}\n` })
    },
    sysctl: async values => {
      const writes = Object.entries(values).map(
        ([key, value]) => `echo ${value} > /proc/sys/${key.replaceAll('.', '/')}`,
      )
      await run('nsenter', [...enter.slice(1), 'sh', '-c', writes.join(' && ')])
    },
    close: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** "TCP 10.96.0.1:80", "UDP [fd00:96::1]:53" */
export function targetName({ protocol, ip, port }: ProbeTarget): string {
  return `${protocol} ${ip.includes(':') ? `[${ip}]` : ip}:${port}`
}
