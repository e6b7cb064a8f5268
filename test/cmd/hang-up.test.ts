// What a hang-up means: an agent whose terminal is gone stops, as at SIGTERM, and leaves nothing behind; where
// there is no terminal, or it is still there, SIGHUP is a reload. The terminals are real, made by script(1).

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { parseAddress } from '../../lib/model/address.ts'
import { startEcho } from '../dataplane/tcp.ts'
import { askOnce, connect, gone, isAlive, temporaryFolder, until } from './agent-under-test.ts'
import { programOf } from './program.ts'

const port = 8000
/** `id` tells the addresses of tests that run at the same time apart. */
const clusterIp = (id: number): string => `127.96.94.${id}`

const script = spawnSync('script', ['--version'], { encoding: 'utf8' })
/** Others than util-linux's have no -c. */
const skip = script.stdout?.includes('util-linux') ? false : 'there is no script(1) of util-linux'

interface TerminalAgent {
  readonly pid: number
  readonly workers: readonly number[]
  /** Resolves once the output matches, on the terminal or in the file. */
  prints(pattern: RegExp): Promise<void>
  /** The terminal goes away, as with a window that is closed or a line that drops. */
  hangUp(): Promise<void>
  /** Resolves with the exit code once the agent is gone. */
  exitCode(): Promise<number>
}

interface Start {
  readonly flags?: readonly string[]
  /** The program that starts it, such as nohup. */
  readonly by?: string
  /** Its output goes to a file. */
  readonly toFile?: boolean
}

/**
 * An agent that serves one Service, started on a terminal of its own by a shell that passes a hang-up on to it,
 * as those do that people type into.
 */
async function startOnTerminal(t: Test, id: number, options: Start = {}): Promise<TerminalAgent> {
  const { flags = ['--workers=0'], by = '', toFile = false } = options
  const folder = temporaryFolder(t)
  const [manifests, starter, log, exit] = [
    path.join(folder, 'echo.yaml'),
    path.join(folder, 'start.sh'),
    path.join(folder, 'log'),
    path.join(folder, 'exit'),
  ]
  writeFileSync(manifests, manifest(id, await startEcho(t)))
  const args = [
    'run',
    `--manifests=${manifests}`,
    '--hostname-override=node-1',
    '--allow-loopback-endpoints',
    '--healthz-bind-address=off',
    '--metrics-bind-address=off',
    ...flags,
  ]
  writeFileSync(
    starter,
    `trap 'kill -HUP $!' HUP
${by} '${programOf().join("' '")}' ${args.join(' ')} ${toFile ? `>'${log}' 2>&1 </dev/null` : ''} &
echo "PID $!"
wait
wait $!
echo "exit code $?" >'${exit}'
`,
  )
  const terminal = spawn('script', ['-qec', `sh ${starter}`, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SHELL: '/bin/sh', NODE_OPTIONS: '', KUBECONFIG: '', STATE_DIRECTORY: '' },
  })
  const ended = once(terminal, 'exit')
  const known: number[] = []
  let output = ''
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const hangUp = async (): Promise<void> => {
    // Whoever has the other end is gone, and the kernel hangs up.
    terminal.kill('SIGKILL')
    await ended
  }
  t.teardown(async () => {
    await hangUp()
    for (const pid of known) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    await gone(known)
  })
  const printed = (pattern: RegExp): Promise<RegExpExecArray> =>
    until(`there is ${pattern} in the output`, async () => {
      const all = output + textOf(log)
      if (textOf(exit) !== '') throw new Error(`ended before it printed ${pattern}: ${all}`)
      return pattern.exec(all)
    })
  const [, pid] = (await printed(/PID (\d+)\r?\n/)).map(Number) as [number, number]
  known.push(pid)
  await printed(/synced: serving the whole table/)
  const workers = workersOf(pid)
  known.push(...workers)
  return {
    pid,
    workers,
    prints: pattern => printed(pattern).then(() => {}),
    hangUp,
    async exitCode() {
      const [, code] = await until('the agent has ended', async () => /code (\d+)\n/.exec(textOf(exit)))
      return Number(code)
    },
  }
}

function manifest(id: number, endpoint: string): string {
  const { ip, port: targetPort } = parseAddress(endpoint)
  return `
apiVersion: v1
kind: Service
metadata: { name: echo, namespace: default }
spec: { clusterIP: ${clusterIp(id)}, ports: [{ port: ${port}, targetPort: ${targetPort} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: echo-1, namespace: default, labels: { kubernetes.io/service-name: echo } }
addressType: IPv4
ports: [{ name: '', port: ${targetPort}, protocol: TCP }]
endpoints: [{ addresses: ['${ip}'], conditions: { ready: true } }]
`
}

/** Its children may be others, too: programs that it asks something. */
function workersOf(pid: number): readonly number[] {
  const children = textOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean)
  return children.filter(child => textOf(`/proc/${child}/cmdline`).endsWith('\0worker\0')).map(Number)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

for (const [name, flags, id, processes] of [
  ['two workers, log as text', ['--workers=2', '--log-format=text'], 1, 2],
  ['the agent itself, log as text', ['--workers=0', '--log-format=text'], 2, 0],
  ['two workers, log as JSON', ['--workers=2', '--log-format=json'], 3, 2],
] as const) {
  void test(`the terminal goes away: a stop, proxying by ${name}`, { skip }, async t => {
    const agent = await startOnTerminal(t, id, { flags: [...flags, '--shutdown-timeout=5m'] })
    t.equal(agent.workers.length, processes)
    const open = await connect(t, clusterIp(id), port)
    t.equal(await open.ask('before'), 'before')
    await agent.hangUp()
    await until('nobody new is taken', async () =>
      (await askOnce(t, clusterIp(id), port)) === 'ECONNREFUSED' ? true : null,
    )
    t.equal(await open.ask('after'), 'after', 'an open connection may end first')
    t.ok(isAlive(agent.pid), 'and is waited for')
    open.end()
    t.equal(await open.over, 'end')
    t.equal(await agent.exitCode(), 0)
    await gone([agent.pid, ...agent.workers])
  })
}

for (const [name, options, id] of [
  ['the terminal is still there', {}, 4],
  ["output to a terminal that isn't the session's", { by: 'setsid' }, 5],
  ['no terminal at all', { by: 'setsid', toFile: true }, 6],
] as const) {
  void test(`SIGHUP is a reload: ${name}`, { skip }, async t => {
    const agent = await startOnTerminal(t, id, options)
    process.kill(agent.pid, 'SIGHUP')
    await agent.prints(/reloaded: new connections are taken/)
    t.equal(await askOnce(t, clusterIp(id), port), 'ok')
  })
}

void test('nohup: the terminal goes away, and the agent goes on', { skip }, async t => {
  const agent = await startOnTerminal(t, 7, { by: 'nohup', toFile: true })
  await agent.hangUp()
  await agent.prints(/reloaded: new connections are taken/)
  t.equal(await askOnce(t, clusterIp(7), port), 'ok')
})
