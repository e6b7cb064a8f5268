// A cluster of one Service for the tests of the agent's life: a control plane and an endpoint in the test's process, the
// agent as a process of its own, which may be told to reload, stopped and killed.

import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'
import { silentLog } from '../../lib/ops/log.ts'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { startControlPlane, type ControlPlane } from '../../lib/standalone/control-plane.ts'
import { start, type Program } from './program.ts'

export interface Cluster {
  readonly controlPlane: ControlPlane
  /** Where clients connect to. */
  readonly clusterIp: string
  readonly port: number
  readonly nodePort: number
}

/** `id` tells the addresses of tests that run at the same time apart, from 1 to 250. */
export async function startCluster(t: Test, id: number): Promise<Cluster> {
  const controlPlane = await startControlPlane({
    host: '127.0.0.1',
    port: 0,
    serviceCidrs: ['127.97.0.0/16'],
    nodeName: 'node-1',
    log: silentLog,
  })
  t.teardown(() => controlPlane.close())
  const cluster = { controlPlane, clusterIp: `127.97.${id}.1`, port: 8000, nodePort: 31_000 + id }
  controlPlane.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'echo', namespace: 'default' },
    spec: {
      type: 'NodePort',
      clusterIP: cluster.clusterIp,
      ports: [{ port: cluster.port, nodePort: cluster.nodePort }],
    },
  })
  controlPlane.apply(endpointSlice(await startEndpoint(t)))
  return cluster
}

/** Answers each line with itself; returns its port. */
async function startEndpoint(t: Test): Promise<number> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

function endpointSlice(port: number): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'echo-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'echo' } },
    addressType: 'IPv4',
    ports: [{ name: '', port, protocol: 'TCP' }],
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
  }
}

export interface AgentProcess extends Program {
  readonly pid: number
  /** Where it answers for itself, "127.0.0.1:PORT". */
  readonly metrics: string
  status(): Promise<StatusDocument>
  /** Resolves with the first status that the condition holds for. */
  statusWhen(what: string, condition: (status: StatusDocument) => boolean): Promise<StatusDocument>
  kill(signal: NodeJS.Signals): void
  /** Resolves when the agent itself is gone; its workers may still have its output open, for which `exited` waits. */
  readonly died: Promise<void>
}

/** Starts an agent for the cluster. All of its processes, also those that it leaves behind, end with the test. */
export async function startAgent(
  t: Test,
  cluster: Pick<Cluster, 'controlPlane'>,
  flags: readonly string[],
  file?: string,
): Promise<AgentProcess> {
  const metrics = `127.0.0.1:${await freePort()}`
  const server = flags.includes('--master') ? [] : ['--master', cluster.controlPlane.url]
  const always = [
    '--hostname-override=node-1',
    '--allow-loopback-endpoints',
    '--healthz-bind-address=off',
    `--metrics-bind-address=${metrics}`,
    '--log-format=text',
  ]
  const program = start(t, ['run', ...server, ...always, ...flags], {}, file)
  const pid = program.child.pid ?? 0
  const known = new Set<number>()
  t.teardown(() => {
    for (const each of known) if (isAlive(each)) process.kill(each, 'SIGKILL')
  })
  const status = async (): Promise<StatusDocument> => {
    const response = await fetch(`http://${metrics}/status`, { headers: { connection: 'close' } })
    const document = (await response.json()) as StatusDocument
    for (const worker of document.workers) if (worker.pid !== pid) known.add(worker.pid)
    return document
  }
  return {
    ...program,
    pid,
    metrics,
    status,
    statusWhen: (what, condition) =>
      until(what, async () => {
        const document = await status().catch(() => null)
        return document !== null && condition(document) ? document : null
      }),
    kill: signal => void program.child.kill(signal),
    died: once(program.child, 'exit').then(() => {}),
  }
}

/** An agent that has synced; `file`: its program, if not the usual one. */
export async function startServingAgent(
  t: Test,
  cluster: Cluster,
  flags: readonly string[],
  file?: string,
): Promise<AgentProcess> {
  const agent = await startAgent(t, cluster, flags, file)
  await agent.prints(/synced/)
  // Its processes are known from here on.
  await agent.status()
  return agent
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export interface Connection {
  /** Sends a line and resolves with the answer; rejects when the connection ends instead. */
  ask(line: string): Promise<string>
  /** Resolves when it is over: "end" or an error's code. */
  readonly over: Promise<string>
  end(): void
}

/** Opens a connection; rejects with the error where it is refused. */
export async function connect(t: Test, host: string, port: number): Promise<Connection> {
  const socket = net.connect({ host, port })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  socket.setEncoding('utf8')
  const over = new Promise<string>(resolve => {
    socket.on('end', () => resolve('end'))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('close', () => resolve('close'))
  })
  return {
    over,
    end: () => void socket.end(),
    async ask(line) {
      const answer = new Promise<string>(resolve => {
        let text = ''
        const take = (chunk: string): void => {
          text += chunk
          if (!text.endsWith('\n')) return
          socket.off('data', take)
          resolve(text.trimEnd())
        }
        socket.on('data', take)
      })
      socket.write(`${line}\n`)
      return await Promise.race([
        answer,
        over.then(how => Promise.reject(new Error(`the connection is over: ${how}`))),
      ])
    },
  }
}

/** A request on a connection of its own; "ok", or the code of the error. */
export async function askOnce(t: Test, host: string, port: number): Promise<string> {
  try {
    const connection = await connect(t, host, port)
    const answer = await connection.ask('hello')
    connection.end()
    return answer === 'hello' ? 'ok' : answer
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  // A zombie is only waiting for its parent to look, which a killed agent's children's new one may do late.
  return !/^State:\s+Z/m.test(textOf(`/proc/${pid}/status`))
}

/** Resolves when none of the processes is there any more. */
export async function gone(pids: readonly number[]): Promise<void> {
  await until(`processes ${pids.join(', ')} are gone`, async () => (pids.some(isAlive) ? null : true))
}

/** With a short path, unlike a fixture's: it has to hold unix sockets. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'kube-relay-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}

export function socketsOfOrphans(stateDir: string): readonly string[] {
  try {
    return readdirSync(`${stateDir}/workers`)
  } catch {
    return []
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Looks again and again until there is something; the limit is only for a machine that hangs. */
export async function until<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + 60_000
  for (;;) {
    const found = await look()
    if (found !== null) return found
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
