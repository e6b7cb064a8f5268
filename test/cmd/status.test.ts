// What a person asks an agent about: the whole, one Service, an address. A real agent with workers, and real connections.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { fetchDocument, fetchStatus } from '../../cmd/fetch-status.ts'
import type { Explanation } from '../../lib/ops/explanation.ts'
import type { ServiceDetail } from '../../lib/ops/service-detail.ts'
import { connect, isAlive } from './agent-under-test.ts'
import { nodeName, startAgent, startEndpoint } from './asked-agent.ts'
import { run } from './program.ts'

void test('one Service, and an address', async t => {
  const place = { port: 20_261, id: 61 }
  const agent = `127.0.0.1:${place.port}`
  await startEndpoint(t, place)
  await startAgent(t, place)
  const inspect = async (name: string): Promise<ServiceDetail> =>
    (await fetchDocument(agent, '/status/service', { name })) as ServiceDetail
  const explain = async (query: Readonly<Record<string, string>>): Promise<Explanation> =>
    (await fetchDocument(agent, '/explain', query)) as Explanation
  const said = async (...args: readonly string[]) => await run(t, [...args, '--agent', agent])
  const clusterIp = `127.96.${place.id}.1`
  const [ready, unready, typo] = [1, 2, 3].map(last => `127.77.${place.id}.${last}`)

  await t.test('its endpoints, with what each has had', async t => {
    const connection = await connect(t, clusterIp, 8080)
    t.equal(await connection.ask('12345'), '12345')
    const detail = await inspect('web')
    t.match(detail, {
      node: nodeName,
      namespace: 'default',
      name: 'web',
      type: 'NodePort',
      synced: true,
      settings: {
        balance: 'p2c',
        internalTrafficPolicy: 'Cluster',
        externalTrafficPolicy: 'Local',
        affinityTimeoutSeconds: 10_800,
      },
      annotations: { 'kube-relay/balance': 'p2c' },
    })
    const [http] = detail.ports
    t.match(http, { portName: 'http', endpoints: { cluster: [`${ready}:8080`], local: [] } })
    t.match(http?.frontends, [{ kind: 'ClusterIP', state: 'listening' }, { kind: 'NodePort' }])
    t.match(http?.endpointDetails, [
      {
        address: `${ready}:8080`,
        node: 'node-2',
        zone: 'zone-b',
        conditions: { ready: true, serving: true, terminating: false },
        cluster: 'eligible',
        local: 'other-node',
        // Those that are open count: whichever worker has it.
        connections: { active: 1, total: 1, bytesIn: 6, bytesOut: 6 },
        setAsideUntil: null,
      },
      { address: `${unready}:8080`, cluster: 'not-ready', local: 'not-ready', connections: { total: 0 } },
      { address: typo, cluster: 'no-port' },
    ])
    connection.end()
  })

  await t.test('by name and port, in all spellings', async t => {
    for (const name of ['web', 'default/web', 'default/web:http', 'web:http', 'web:8080']) {
      t.equal((await inspect(name)).name, 'web', name)
    }
    for (const [name, message] of [
      ['wbe', /^no Service "wbe" is served here: did you mean web\?$/],
      ['defualt/web', /did you mean default\/web\?/],
      ['nonsense', /^no Service "nonsense" is served here \(kube-relay status lists/],
      ['web:htpp', /^Service default\/web has no port "htpp", only http$/],
      ['a/b/c', /^"a\/b\/c" is not a Service: expected NAME/],
    ] as const) {
      await t.rejects(inspect(name), { code: 'INVALID_CONFIG', message })
    }
    t.match(await said('status', 'wbe'), {
      code: 2,
      stderr: /^kube-relay: no Service "wbe" .*did you mean web/m,
    })
    const { code, stdout } = await said('status', 'web:http', '-o', 'json')
    t.equal(code, 0)
    t.match(JSON.parse(stdout), { name: 'web', ports: [{ portName: 'http' }] })
  })

  await t.test('failures, and an endpoint that is set aside', async t => {
    // With nobody else to ask, it is never set aside; the failures are counted all the same.
    for (let attempt = 0; attempt < 3; attempt++) {
      // The reset may be there before the client knows that it is connected.
      await connect(t, `127.96.${place.id}.2`, 8080).then(
        ({ over }) => over,
        () => {},
      )
    }
    const { ports } = await inspect('dead')
    t.match(ports[0]?.endpointDetails, [
      { cluster: 'eligible', connections: { active: 0, total: 0, failures: { refused: 3, timeout: 0 } } },
    ])
    const { stdout } = await said('status', 'dead')
    t.match(stdout, /refused 3 +eligible/)
  })

  await t.test('an address', async t => {
    const address = `${clusterIp}:8080`
    const nodePort = `127.0.0.1:${30_950 + place.id}`
    const affinity = { endpoint: `${ready}:8080`, remembered: false }
    t.match(await explain({ address, client: '192.0.2.1' }), {
      outcome: 'proxied',
      frontend: { service: 'default/web', portName: 'http', kind: 'ClusterIP', state: 'listening' },
      list: { name: 'cluster' },
      affinity,
    })
    await (await connect(t, clusterIp, 8080)).ask('hello')
    t.match(await explain({ address, client: '127.0.0.1' }), { affinity: { ...affinity, remembered: true } })
    t.match(await explain({ address: nodePort, client: '127.0.0.1' }), {
      outcome: 'proxied',
      list: { name: 'cluster' },
    })
    t.match(await explain({ address: nodePort, client: '192.0.2.1' }), {
      outcome: 'reset',
      list: { name: 'local' },
    })
    t.match(await explain({ address: `${clusterIp}:81` }), { nearest: [{ near: 'same-ip', address }] })
    const { stdout } = await said('explain', address)
    t.match(stdout, /from a client elsewhere: goes to default\/web:http, 1 eligible endpoint/)
    t.match(stdout, /no +0 +0 +not ready/)
    const json = await said('explain', address, '--protocol', 'UDP', '--client', '192.0.2.1', '-o', 'json')
    t.match(JSON.parse(json.stdout), {
      protocol: 'UDP',
      client: '192.0.2.1',
      nearest: [{ near: 'other-protocol' }],
    })
    for (const [query, message] of [
      [{ address: 'nonsense' }, /^"nonsense" is not an address: expected IP:PORT/],
      [{ address: `${clusterIp}:0` }, /is not an address/],
      [{ address: '' }, /is not an address/],
      [{ address, protocol: 'sctp' }, /^protocol "sctp" is neither tcp nor udp$/],
      [{ address, client: 'me' }, /^client "me" is not an IP address$/],
      [{ address, client: '::1' }, /two IP families/],
    ] as const) {
      await t.rejects(explain(query), { code: 'INVALID_CONFIG', message })
    }
  })

  await t.test('the whole is as it was: without endpoint details', async t => {
    const status = await fetchStatus(agent)
    t.strictSame(
      status.services.map(({ name }) => name),
      ['dead', 'web'],
    )
    t.notMatch(JSON.stringify(status), /endpointDetails/)
  })

  await t.test('a worker that does not answer is told of, instead of zeros for what it has had', async t => {
    t.notOk('silentWorkers' in (await inspect('web')))
    const [worker] = (await fetchStatus(agent)).workers
    if (worker === undefined) throw new Error('there are no workers')
    const { pid } = worker
    process.kill(pid, 'SIGSTOP')
    try {
      const [detail, explanation] = await Promise.all([
        inspect('web'),
        explain({ address: `${clusterIp}:8080` }),
      ])
      t.equal(detail.silentWorkers, 1)
      t.equal(explanation.silentWorkers, 1)
    } finally {
      if (isAlive(pid)) process.kill(pid, 'SIGCONT')
    }
  })
})

void test('one that is no agent, and an older one', async t => {
  const server = http
    .createServer((_, response) => response.writeHead(404).end('no such path'))
    .listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  for (const args of [
    ['explain', '10.0.0.1:80'],
    ['status', 'web'],
  ]) {
    const { code, stderr } = await run(t, [...args, '--agent', `127.0.0.1:${port}`])
    t.equal(code, 1)
    t.match(stderr, /answered 404: is that a kube-relay agent, and one of this version\?/)
  }
})

void test('one that answers with something else', async t => {
  let answer = ''
  let length = 0
  const server = http
    .createServer((_, response) => {
      response.writeHead(200, { 'content-length': length })
      if (length > answer.length) response.write(answer, () => response.destroy())
      else response.end(answer)
    })
    .listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const asked = fetchStatus.bind(null, `127.0.0.1:${port}`)
  for (const [text, more, code, message] of [
    ['{"status":"ok"}', 0, 'API', /is not what an agent answers: is that a kube-relay agent\?/],
    ['null', 0, 'API', /is not what an agent answers/],
    ['[]', 0, 'API', /is not what an agent answers/],
    ['<html>', 0, 'API', /did not answer with JSON/],
    ['{"node":', 100, 'UNREACHABLE', /was not received whole/],
  ] as const) {
    answer = text
    length = text.length + more
    await t.rejects(asked(), { code, message }, text)
  }
})
