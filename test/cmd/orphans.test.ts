// An agent is killed: its workers serve on, the next agent takes over from them, and they end when their clients have.
// Without a place to be found, they end by themselves.

import { test } from 'tap'
import {
  askOnce,
  connect,
  gone,
  isAlive,
  socketsOfOrphans,
  startAgent,
  startCluster,
  startServingAgent,
  temporaryFolder,
  until,
} from './agent-under-test.ts'

void test('kill -9: the workers serve on, a new agent takes over, and the orphans end', async t => {
  const cluster = await startCluster(t, 21)
  const stateDir = temporaryFolder(t)
  const flags = ['--workers=2', '--state-dir', stateDir]
  const killed = await startServingAgent(t, cluster, flags)
  const { workers: orphans } = await killed.status()
  const open = await connect(t, cluster.clusterIp, cluster.port)
  t.equal(await open.ask('before'), 'before')

  killed.kill('SIGKILL')
  await killed.died
  for (let i = 0; i < 20; i++) t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')
  t.ok(orphans.every(({ pid }) => isAlive(pid)))
  await until('both can be found', async () => (socketsOfOrphans(stateDir).length === 2 ? true : null))
  t.same(new Set(socketsOfOrphans(stateDir)), new Set(orphans.map(({ pid }) => `${pid}.sock`)))

  const next = await startServingAgent(t, cluster, flags)
  const isFree = (pid: number): boolean => !isAlive(pid)
  await until('the orphan without a connection has ended', async () =>
    orphans.some(({ pid }) => isFree(pid)) ? true : null,
  )
  await until('no socket is left', async () => (socketsOfOrphans(stateDir).length === 0 ? true : null))
  for (let i = 0; i < 20; i++) t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')
  t.equal(await open.ask('after'), 'after', 'a connection of before is still proxied')
  open.end()
  await gone(orphans.map(({ pid }) => pid))
  t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')

  const { workers } = await next.status()
  next.kill('SIGTERM')
  t.equal((await next.exited).code, 0)
  await gone(workers.map(({ pid }) => pid))
  t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ECONNREFUSED')
})

void test('a living agent on the same node and directory keeps its workers', async t => {
  const cluster = await startCluster(t, 22)
  const stateDir = temporaryFolder(t)
  const flags = ['--workers=2', '--state-dir', stateDir]
  const first = await startServingAgent(t, cluster, flags)
  const second = await startServingAgent(t, cluster, flags)
  const { workers } = await first.status()
  first.kill('SIGKILL')
  await first.died
  // The second one finds the orphans although it was there before them.
  await gone(workers.map(({ pid }) => pid))
  t.ok((await second.status()).workers.every(({ pid, draining }) => isAlive(pid) && !draining))
  t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')
})

void test('without a state directory, orphans end after their grace', async t => {
  const cluster = await startCluster(t, 23)
  const agent = await startServingAgent(t, cluster, ['--workers=2', '--state-dir=off', '--orphan-grace=3s'])
  const { workers } = await agent.status()
  agent.kill('SIGKILL')
  await agent.died
  t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')
  await gone(workers.map(({ pid }) => pid))
  t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ECONNREFUSED')
})

void test('no API server: an agent serves the table of the run before, and says so', async t => {
  const cluster = await startCluster(t, 24)
  const stateDir = temporaryFolder(t)
  const first = await startServingAgent(t, cluster, ['--workers=1', '--state-dir', stateDir])
  first.kill('SIGTERM')
  t.equal((await first.exited).code, 0)
  t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ECONNREFUSED')

  const unreachable = ['--master', 'http://127.0.0.1:1']
  const next = await startAgent(t, cluster, ['--workers=1', '--state-dir', stateDir, ...unreachable])
  await next.prints(/serving the table of an earlier run/)
  const status = await next.statusWhen('it listens', ({ services }) =>
    services.some(({ frontends }) => frontends.some(({ state }) => state === 'listening')),
  )
  t.match(status, { source: 'snapshot', synced: false, services: [{ name: 'echo' }] })
  t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')
})
