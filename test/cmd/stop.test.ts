// How an agent ends: nobody new is taken, established connections may end first, impatience is respected, and no
// process is left.

import { test } from 'tap'
import { askOnce, connect, gone, startCluster, startServingAgent, until } from './agent-under-test.ts'

for (const [name, workers, id] of [
  ['two workers', 2, 11],
  ['the agent itself', 0, 12],
] as const) {
  void test(`SIGTERM lets connections end, proxying by ${name}`, async t => {
    const cluster = await startCluster(t, id)
    const agent = await startServingAgent(t, cluster, [`--workers=${workers}`, '--shutdown-timeout=5m'])
    const { workers: all } = await agent.status()
    const open = await connect(t, cluster.clusterIp, cluster.port)
    t.equal(await open.ask('before'), 'before')
    agent.kill('SIGTERM')
    await agent.prints(/stopping/)
    await until('nobody new is taken', async () =>
      (await askOnce(t, cluster.clusterIp, cluster.port)) === 'ECONNREFUSED' ? true : null,
    )
    t.equal(await open.ask('after'), 'after')
    t.equal(agent.child.exitCode, null)
    open.end()
    t.equal(await open.over, 'end')
    t.equal((await agent.exited).code, 0)
    await gone(all.map(({ pid }) => pid))
  })

  void test(`a second signal ends them, proxying by ${name}`, async t => {
    const cluster = await startCluster(t, id + 2)
    const agent = await startServingAgent(t, cluster, [`--workers=${workers}`, '--shutdown-timeout=5m'])
    const { workers: all } = await agent.status()
    const open = await connect(t, cluster.clusterIp, cluster.port)
    t.equal(await open.ask('before'), 'before')
    agent.kill('SIGTERM')
    await agent.prints(/stopping/)
    // Later than what a terminal and npm send for one and the same wish.
    await new Promise(resolve => setTimeout(resolve, 400))
    agent.kill('SIGINT')
    t.equal((await agent.exited).code, 130)
    t.match(await open.over, /^(?:end|ECONNRESET|close)$/)
    await gone(all.map(({ pid }) => pid))
  })

  void test(`after --shutdown-timeout they are ended, proxying by ${name}`, async t => {
    const cluster = await startCluster(t, id + 4)
    const agent = await startServingAgent(t, cluster, [`--workers=${workers}`, '--shutdown-timeout=500ms'])
    const { workers: all } = await agent.status()
    const open = await connect(t, cluster.clusterIp, cluster.port)
    t.equal(await open.ask('before'), 'before')
    agent.kill('SIGINT')
    t.match(await open.over, /^(?:end|ECONNRESET|close)$/)
    t.equal((await agent.exited).code, 0)
    await gone(all.map(({ pid }) => pid))
  })
}

void test('a reload that is under way does not hold up a stop', async t => {
  const cluster = await startCluster(t, 19)
  const agent = await startServingAgent(t, cluster, ['--workers=2'])
  const { workers: first } = await agent.status()
  agent.kill('SIGHUP')
  await agent.prints(/SIGHUP: reloading/)
  agent.kill('SIGTERM')
  t.equal((await agent.exited).code, 0)
  await gone(first.map(({ pid }) => pid))
  t.equal(
    await askOnce(t, cluster.clusterIp, cluster.port),
    'ECONNREFUSED',
    'no worker of the next one is left',
  )
})
