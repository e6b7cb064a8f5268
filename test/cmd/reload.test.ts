// A reload: what is on disk now takes new connections, open ones stay, and what can't be used changes nothing. The same
// with the data plane in processes of its own and in the agent.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, symlinkSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { test } from 'tap'
import { pidScope } from '../../lib/ops/pid-scope.ts'
import {
  askOnce,
  connect,
  gone,
  startCluster,
  startServingAgent,
  temporaryFolder,
  until,
} from './agent-under-test.ts'
import { entry, run } from './program.ts'

/** NodePorts on loopback, or on addresses that no machine has. */
const configWith = (nodePorts: 'open' | 'closed'): string => `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
nodePortAddresses: [${nodePorts === 'open' ? '127.0.0.1/32' : '192.0.2.0/24'}]
`

for (const [name, workers, id] of [
  ['two workers', 2, 1],
  ['the agent itself', 0, 2],
] as const) {
  void test(`a reload, proxying by ${name}`, async t => {
    const cluster = await startCluster(t, id)
    const folder = t.testdir({ 'config.conf': configWith('closed') })
    const config = `${folder}/config.conf`
    const agent = await startServingAgent(t, cluster, [`--workers=${workers}`, '--config', config])
    const first = await agent.status()
    t.equal(first.workers.length, Math.max(1, workers))
    t.equal(await askOnce(t, '127.0.0.1', cluster.nodePort), 'ECONNREFUSED')
    const open = await connect(t, cluster.clusterIp, cluster.port)
    t.equal(await open.ask('before'), 'before')

    await t.test('kube-relay reload: the changed file holds, and an open connection stays', async t => {
      writeFileSync(config, configWith('open'))
      const { code, stdout, stderr } = await run(t, ['reload', '--agent', agent.metrics])
      t.equal(code, 0, stderr)
      t.match(stdout, `reloaded: the agent (PID ${agent.pid})`)
      t.equal(await askOnce(t, '127.0.0.1', cluster.nodePort), 'ok')
      t.equal(await open.ask('after'), 'after', 'the connection of before')
      t.match((await agent.status()).agent, { pid: agent.pid, reloads: 1, lastReload: { ok: true } })
    })

    await t.test('a broken file is refused with its reason, and what was before goes on', async t => {
      writeFileSync(config, 'kind: Nonsense\n')
      const { code, stderr } = await run(t, ['reload', '--agent', agent.metrics])
      t.equal(code, 1)
      t.match(stderr, /not reloaded, the agent goes on as before: .*config\.conf:1: /)
      t.equal(await askOnce(t, '127.0.0.1', cluster.nodePort), 'ok')
      t.equal(await open.ask('again'), 'again')
      const { agent: self, workers: all } = await agent.status()
      t.match(self, { reloads: 1, lastReload: { ok: false, reason: /config\.conf:1/ } })
      t.equal(
        all.filter(each => !each.draining).length,
        Math.max(1, workers),
        'nothing is left of the attempt',
      )
    })

    await t.test('several at once: one runs, one more follows', async t => {
      writeFileSync(config, configWith('closed'))
      const both = [1, 2, 3].map(() => run(t, ['reload', '--agent', agent.metrics]))
      for (const { code, stderr } of await Promise.all(both)) t.equal(code, 0, stderr)
      const { agent: self } = await agent.status()
      t.ok(self && self.reloads >= 2 && self.reloads <= 4, `${self?.reloads} reloads`)
      await until('the earlier listeners are closed', async () =>
        (await askOnce(t, '127.0.0.1', cluster.nodePort)) === 'ECONNREFUSED' ? true : null,
      )
      t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')
      t.equal(await open.ask('still'), 'still')
    })

    await t.test('when the connection ends, nothing of the first generation is left', async t => {
      const own = first.workers.map(({ pid }) => pid).filter(pid => pid !== agent.pid)
      open.end()
      t.equal(await open.over, 'end')
      await gone(own)
      await agent.statusWhen('nothing drains', ({ workers: all }) => all.every(each => !each.draining))
    })

    const last = await agent.status()
    agent.kill('SIGTERM')
    t.equal((await agent.exited).code, 0)
    await gone(last.workers.map(({ pid }) => pid))
    t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ECONNREFUSED')
  })
}

void test('workers that can not be started: the reload is given up, with what they said', async t => {
  const cluster = await startCluster(t, 3)
  const program = path.join(temporaryFolder(t), 'kube-relay.ts')
  symlinkSync(entry, program)
  const agent = await startServingAgent(t, cluster, ['--workers=2'], program)
  const before = await agent.status()
  rmSync(program)
  const { code, stderr } = await run(t, ['reload', '--agent', agent.metrics])
  t.equal(code, 1)
  t.match(stderr, /not reloaded, the agent goes on as before: .*worker/)
  t.same(
    (await agent.status()).workers.map(({ pid }) => pid),
    before.workers.map(({ pid }) => pid),
  )
  t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')
})

void test('reload says why it has nobody to tell', async t => {
  const { code, stderr } = await run(t, ['reload', '--agent', '127.0.0.1:1'])
  t.equal(code, 1)
  t.match(stderr, /no agent answers at http:\/\/127\.0\.0\.1:1/)
})

void test('reload sends no signal to a process that is no agent, whatever answers at the address', async t => {
  const bystander = spawn('sleep', ['600'], { stdio: 'ignore' })
  const ended = once(bystander, 'exit')
  t.teardown(async () => {
    bystander.kill('SIGKILL')
    await ended
  })
  const agent = { pidScope: pidScope(), startedAt: '', reloads: 0, reloadRequests: 0, lastReload: null }
  let pid: unknown = bystander.pid
  const server = http.createServer((_, response) =>
    response.end(JSON.stringify({ node: 'node-1', generation: 1, agent: { ...agent, pid } })),
  )
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  // Not 0 and -1: where they are taken, they are everybody.
  for (const each of [bystander.pid, 2 ** 22 + 1, 1.5, `${bystander.pid}`, null]) {
    pid = each
    const { code, stderr } = await run(t, ['reload', '--agent', `127.0.0.1:${port}`])
    t.equal(code, 1)
    t.match(stderr, /says that it is PID .*, which is no kube-relay agent: no signal was sent/)
  }
  t.equal(bystander.signalCode, null, 'it is still there')
})
