// `kube-relay ready`: only the agent of this PID namespace counts, whoever else answers at the same address.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import type { Readiness } from '../../lib/ops/observability-routes.ts'
import { pidScope } from '../../lib/ops/pid-scope.ts'
import { startAgent, startCluster, startServingAgent, until } from './agent-under-test.ts'
import { run } from './program.ts'

const startedAt = '2026-01-01T00:00:00.000Z'
const own = (ready: boolean): Readiness => ({ ready, agent: { pid: 1, pidScope: pidScope(), startedAt } })
const foreign: Readiness = { ready: true, agent: { pid: 1, pidScope: 'another container', startedAt } }

/** Answers one after the other, as the kernel gives connections to agents that share a port. */
async function startAgents(t: Test, answers: readonly Readiness[]): Promise<string> {
  let asked = 0
  const server = http.createServer((request, response) => {
    const answer = request.url === '/readyz' ? answers[asked++ % answers.length] : undefined
    response.writeHead(answer === undefined ? 404 : answer.ready ? 200 : 503)
    response.end(JSON.stringify(answer))
  })
  server.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const cases: readonly {
  readonly name: string
  readonly answers: readonly Readiness[]
  readonly code: number
  readonly says: RegExp
}[] = [
  { name: 'it serves', answers: [own(true)], code: 0, says: /^ready: the agent \(PID 1\) serves$/m },
  {
    name: "it doesn't serve yet",
    answers: [own(false)],
    code: 1,
    says: /\(PID 1\) at http.* doesn't serve yet/,
  },
  { name: 'the other one answers first', answers: [foreign, foreign, own(true)], code: 0, says: /^ready/m },
  {
    name: "the other one serves, this one doesn't",
    answers: [foreign, own(false)],
    code: 1,
    says: /serve yet/,
  },
  { name: 'during a reload', answers: [own(false), own(true)], code: 0, says: /^ready/m },
  { name: 'only the other one is there', answers: [foreign], code: 1, says: /in another container/ },
]

for (const { name, answers, code, says } of cases) {
  void test(name, async t => {
    const finished = await run(t, ['ready', '--agent', await startAgents(t, answers)])
    t.equal(finished.code, code)
    t.match(finished.stdout + finished.stderr, says)
  })
}

void test('who answers otherwise, or not at all', async t => {
  const server = http.createServer((_, response) => response.writeHead(404).end()).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const other = await run(t, ['ready', '--agent', `127.0.0.1:${port}`])
  t.equal(other.code, 1)
  t.match(other.stderr, /answered 404, is that a kube-relay agent/)
  const nobody = await run(t, ['ready', '--agent', '127.0.0.1:1'])
  t.equal(nobody.code, 1)
  t.match(nobody.stderr, /no agent answers \(.*ECONNREFUSED.*\): is kube-relay running here/)
  t.equal((await run(t, ['ready', '--agent', 'http://:1:2'])).code, 2)
})

void test('a real agent: not before it has a table, and then', async t => {
  const flags = ['--workers=0', '--nodeport-addresses=localhost', '--state-dir=off', '--vip-mode=none']
  const cluster = await startCluster(t, 243)
  const waiting = await startAgent(t, cluster, [...flags, '--master', 'http://127.0.0.1:1'])
  await until('it answers', async () => (await waiting.status().catch(() => null)) ?? null)
  const early = await run(t, ['ready', '--agent', waiting.metrics])
  t.equal(early.code, 1)
  t.match(early.stderr, `the agent (PID ${waiting.pid}) at http://${waiting.metrics} doesn't serve yet`)
  const serving = await startServingAgent(t, cluster, flags)
  const late = await run(t, ['ready', '--agent', serving.metrics])
  t.equal(late.code, 0, late.stderr)
  t.equal(late.stdout, `ready: the agent (PID ${serving.pid}) serves\n`)
})
