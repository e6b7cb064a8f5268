// The access log of the whole program: a line for each connection, whoever had it, through rotation, reload and stop;
// and what can't be written is said at once.

import { readFileSync, readdirSync, readlinkSync, renameSync, statSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test } from 'tap'
import {
  askOnce,
  connect,
  isAlive,
  startCluster,
  startServingAgent,
  temporaryFolder,
  until,
  type Cluster,
} from './agent-under-test.ts'
import { parseShare } from '../../cmd/access-log-flags.ts'
import { run } from './program.ts'

interface Line {
  readonly client: string
  readonly end: string
  readonly reason: string | null
  readonly pid: number
  readonly bytesIn: number
}

/** Those of all files, in no particular order. */
function linesIn(...files: readonly string[]): readonly Line[] {
  return files.flatMap(file =>
    textOf(file)
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as Line),
  )
}

function textOf(file: string): string {
  return statSync(file, { throwIfNoEntry: false }) === undefined ? '' : readFileSync(file, 'utf8')
}

/** Connects, asks and ends again and again; tells who it was ("ip:port") for each connection. */
async function ask({ clusterIp, port }: Cluster, until: () => boolean): Promise<readonly string[]> {
  const clients: string[] = []
  while (!until()) {
    await new Promise<void>((resolve, reject) => {
      const socket = net.connect({ host: clusterIp, port })
      socket.on('connect', () => {
        clients.push(`${socket.localAddress}:${socket.localPort}`)
        socket.end('hello\n')
      })
      socket.resume()
      socket.on('error', reject)
      socket.on('close', () => resolve())
    })
  }
  return clients
}

function openFiles(pid: number): readonly string[] {
  try {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).map(descriptor => readlinkSync(`${folder}/${descriptor}`))
  } catch {
    // Closed since, or the process has ended: it is looked at again.
    return isAlive(pid) ? ['unknown'] : []
  }
}

for (const [name, workers, id] of [
  ['two workers', 2, 61],
  ['the agent itself', 0, 62],
] as const) {
  void test(`rotation, reload and stop under traffic, proxying by ${name}`, async t => {
    const cluster = await startCluster(t, id)
    const folder = temporaryFolder(t)
    const file = path.join(folder, 'access.log')
    const flags = [`--workers=${workers}`, `--access-log=${file}`, '--shutdown-timeout=0']
    const agent = await startServingAgent(t, cluster, flags)
    const files = [file]
    const rotate = async (signal: NodeJS.Signals): Promise<void> => {
      const old = `${file}.${files.length}`
      files.push(old)
      const size = statSync(file).size
      await until('the file grows', async () => (statSync(file).size > size ? true : null))
      renameSync(file, old)
      agent.kill(signal)
      await until('lines go to the new file', async () => (textOf(file) === '' ? null : true))
    }
    let stop = false
    const asking = Promise.all([1, 2, 3, 4].map(() => ask(cluster, () => stop)))
    await rotate('SIGUSR2')
    await rotate('SIGUSR2')
    const earlier = await connect(t, cluster.clusterIp, cluster.port)
    t.equal(await earlier.ask('earlier'), 'earlier')
    await rotate('SIGHUP')
    await agent.prints(/reloaded/)
    await rotate('SIGUSR2')
    await t.test('a connection of before the reload has its line in the newest file', async t => {
      const holders = new Set((await agent.status()).workers.map(({ pid }) => pid))
      t.ok(workers === 0 || holders.size > workers, 'a worker of before still has it')
      await until('all have left the old files', async () =>
        [...holders].flatMap(openFiles).some(name => name === 'unknown' || files.slice(1).includes(name))
          ? null
          : true,
      )
      earlier.end()
      await until('its line', async () => linesIn(file).find(({ bytesIn }) => bytesIn === 8) ?? null)
    })
    stop = true
    const clients = (await asking).flat()
    const open = await Promise.all([1, 2, 3].map(() => connect(t, cluster.clusterIp, cluster.port)))
    for (const each of open) t.equal(await each.ask('here'), 'here')
    const { accessLog } = await agent.status()
    t.ok(accessLog !== undefined && accessLog.dropped === 0)
    agent.kill('SIGTERM')
    await Promise.all(open.map(({ over }) => over))
    t.equal((await agent.exited).code, 0, agent.stderr())
    const lines = linesIn(...files)
    const closed = lines.filter(({ end, bytesIn }) => end === 'closed' && bytesIn !== 8)
    t.equal(closed.length, clients.length)
    t.strictSame(new Set(closed.map(({ client }) => client)), new Set(clients))
    t.ok(closed.every(({ bytesIn, reason }) => bytesIn === 6 && reason === null))
    const cut = lines.filter(({ end }) => end === 'aborted')
    t.equal(cut.length, open.length, 'those that the stop has ended have their lines')
    t.ok(cut.every(({ reason }) => reason === 'shutdown'))
    t.equal(lines.length, closed.length + cut.length + 1)
    t.ok(new Set(lines.map(({ pid }) => pid)).size > (workers === 0 ? 0 : 1))
  })
}

void test('standard output, as text, whoever writes; and the metrics', async t => {
  const cluster = await startCluster(t, 63)
  const flags = ['--workers=2', '--access-log=-', '--access-log-format=text', '--metrics-per-service=off']
  const agent = await startServingAgent(t, cluster, flags)
  for (let asked = 0; asked < 5; asked++) t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')
  await until('five lines', async () => (agent.stdout().split('\n').length > 5 ? true : null))
  for (const line of agent.stdout().split('\n').slice(0, 5)) {
    t.match(
      line,
      new RegExp(
        `^\\S+Z TCP 127\\.0\\.0\\.1:\\d+ ${cluster.clusterIp}:8000 default/echo 127\\.0\\.0\\.1:\\d+ closed - 1 6 6 [\\d.]+ [\\d.]+$`,
      ),
    )
  }
  // One that gets it though it isn't the agent doesn't end by it.
  for (const { pid } of (await agent.status()).workers) process.kill(pid, 'SIGUSR2')
  agent.kill('SIGUSR2')
  await agent.prints(/SIGUSR2/)
  t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')
  t.match((await agent.status()).workerRestarts, { crashed: 0, stopped: 0 })
  const page = await until('six lines are counted', async () => {
    const text = await (await fetch(`http://${agent.metrics}/metrics`)).text()
    return text.includes('kube_relay_access_log_lines_total{result="written"} 6') ? text : null
  })
  t.match(page, 'kube_relay_access_log_lines_total{result="dropped"} 0')
  t.match(page, 'kube_relay_connections_total{protocol="TCP"} 6')
  t.notMatch(page, 'kube_relay_service_connections_total', '--metrics-per-service=off')
})

void test('a file that can not be written is told of in one line', async t => {
  const folder = t.testdir({})
  const file = path.join(folder, 'none', 'access.log')
  const { code, stderr } = await run(t, ['run', '--manifests', folder, '--access-log', file])
  t.equal(code, 2)
  t.match(stderr.split('\n').slice(0, -1), [
    `kube-relay: --access-log: ${file} can't be written (ENOENT: no such file or directory, open '${file}'): name a file in a directory that is there`,
  ])
  const checked = await run(t, ['check', '--no-api', '--access-log', file])
  t.equal(checked.code, 1)
  t.match(checked.stdout, /fail {2}access log +.*none\/access\.log: ENOENT/)
  const good = await run(t, ['check', '--no-api', '--access-log', path.join(folder, 'access.log')])
  t.match(good.stdout, /ok {4}access log +.*access\.log can be written/)
  t.equal(statSync(path.join(folder, 'access.log'), { throwIfNoEntry: false }), undefined, 'nothing is made')
})

void test('what a sample may be', async t => {
  t.equal(parseShare('1/8'), 0.125)
  t.equal(parseShare('0.25'), 0.25)
  for (const [value, ok] of [
    ['1/10', true],
    ['0.25', true],
    ['1', true],
    ['.5', true],
    ['1/0', false],
    ['0', false],
    ['2', false],
    ['1/2/3', false],
    ['ten', false],
    ['', false],
  ] as const) {
    if (ok) t.ok(parseShare(value) > 0, value)
    else t.throws(() => parseShare(value), /1\/N such as 1\/100/, value)
  }
})
