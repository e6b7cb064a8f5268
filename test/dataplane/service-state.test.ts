import t from 'tap'
import { ServiceState } from '../../lib/dataplane/service-state.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { defaultPassiveHealth } from '../../lib/policy/passive-health.ts'
import { ManualClock } from '../manual-clock.ts'
import { defaultOptions } from './plane-options.ts'
import { tcpService } from './table.ts'

const client = '10.2.0.1'
const frontend = '10.0.0.1:80'
const [a, b, c] = ['10.1.0.1:8080', '10.1.0.2:8080', '[fd00::3]:8080'] as const

function state(endpoints: readonly string[], local: readonly string[] | null = null): ServiceState {
  return new ServiceState(tcpService(frontend, endpoints, { local }), defaultOptions)
}

void t.test('an endpoint keeps its identity and its count while it is listed', async t => {
  const service = state([a, b])
  const first = service.pick('cluster', client)
  t.strictSame(first?.address, { ip: '10.1.0.1', port: 8080 })
  if (first) first.active = 3
  service.update(tcpService(frontend, [a]))
  t.equal(service.pick('cluster', client), first)
  service.update(tcpService(frontend, [b]))
  service.update(tcpService(frontend, [a]))
  t.equal(service.pick('cluster', client)?.active, 0, 'gone and come back: a new one')
})

void t.test('the two lists share endpoints and take turns on their own', async t => {
  const service = state([a, b], [b, c])
  const keys = (list: 'cluster' | 'local'): (string | undefined)[] =>
    [1, 2].map(() => service.pick(list, client)?.key)
  t.strictSame(keys('cluster'), [a, b])
  t.strictSame(keys('local'), [b, c])
  const [, shared] = [service.pick('cluster', client), service.pick('cluster', client)]
  t.equal(service.pick('local', client), shared)
})

void t.test('a list that is not used is an empty one to connections', async t => {
  const service = state([a])
  t.equal(service.hasEndpoints('cluster'), true)
  t.equal(service.hasEndpoints('local'), false)
  t.equal(service.pick('local', client), null)
})

void t.test('serving is more than eligible', async t => {
  const service = new ServiceState(tcpService(frontend, [a, b], { serving: [a, b, c] }), defaultOptions)
  const first = service.pick('cluster', client)
  if (first === null) throw new Error('no endpoint')
  service.update(tcpService(frontend, [b], { serving: [a, b] }))
  t.equal(service.serves(first), true)
  service.update(tcpService(frontend, [b]))
  t.equal(service.serves(first), false)
})

void t.test('tried endpoints are passed by', async t => {
  const service = state([a, b])
  const first = service.pick('cluster', client)
  if (first === null) throw new Error('no endpoint')
  t.equal(service.pick('cluster', client, [first])?.key, b)
  t.equal(service.pick('cluster', client, [first])?.key, b)
})

/** A service port whose endpoint `a` has just been set aside; each other dial would get `b`. */
function setAsideA(overrides: Parameters<typeof tcpService>[2] = {}) {
  const clock = new ManualClock()
  const options = { ...defaultOptions, clock, passiveHealth: defaultPassiveHealth }
  const service = new ServiceState(tcpService(frontend, [a, b], overrides), options)
  const first = service.pick('cluster', client)
  if (first?.key !== a) throw new Error('not the first')
  for (let count = 0; count < defaultPassiveHealth.failures; count++) service.failed(first)
  const keys = (): readonly (string | undefined)[] =>
    [1, 2, 3, 4].map(() => service.pick('cluster', client)?.key)
  return { clock, service, first, keys }
}

void t.test('an endpoint that was set aside is tried by one connection at a time', async t => {
  const { clock, service, first, keys } = setAsideA()
  const connection = { end() {}, bytesIn: 5, bytesOut: 7 }
  t.strictSame(keys(), [b, b, b, b])
  clock.advance(defaultPassiveHealth.firstMs)
  t.ok(keys().includes(a), 'it is time for a try')
  service.enter(first, connection)
  t.strictSame(keys(), [b, b, b, b], 'the others need not wait for what comes of it')
  service.dialed(first)
  service.succeeded(first)
  t.ok(keys().includes(a))
  service.enter(first, { end() {}, bytesIn: 0, bytesOut: 0 })
  t.ok(keys().includes(a), 'one that is trusted may be dialed by many')
})

void t.test('what is set aside comes last, but comes', async t => {
  const { service, first } = setAsideA()
  const other = service.pick('cluster', client)
  t.equal(other?.key, b)
  if (other) t.equal(service.pick('cluster', client, [other]), first)
  service.update(tcpService(frontend, [a]))
  t.equal(service.pick('cluster', client), first, 'a list of nothing else')
})

void t.test('half of the endpoints that may get connections: others do not count', async t => {
  const clock = new ManualClock()
  const options = { ...defaultOptions, clock, passiveHealth: defaultPassiveHealth }
  const unserving = Array.from({ length: 8 }, (_, index) => `10.1.9.${index + 1}:8080`)
  const service = new ServiceState(tcpService(frontend, [a, b], { unserving }), options)
  const both = [service.pick('cluster', client), service.pick('cluster', client)]
  for (const endpoint of both) {
    if (endpoint === null) throw new Error('no endpoint')
    for (let count = 0; count < 5; count++) service.failed(endpoint)
  }
  t.strictSame(service.setAside(), [a])
})

void t.test('a dial that fails after its endpoint has gone changes nothing', async t => {
  const { service, first } = setAsideA({ settings: defaultProxySettings })
  service.update(tcpService(frontend, [b]))
  t.equal(service.failed(first), false)
  service.update(tcpService(frontend, [a, b]))
  t.strictSame(service.setAside(), [], 'come back: another one, and trusted')
})

void t.test('a client whose endpoint is dead to it gets another from then on', async t => {
  const service = new ServiceState(
    tcpService(frontend, [a, b], { affinityTimeoutSeconds: 60 }),
    defaultOptions,
  )
  const first = service.pick('cluster', client)
  t.equal(service.pick('cluster', client), first)
  if (first) service.moveAway('cluster', client, first)
  t.equal(service.pick('cluster', client)?.key, b)
  t.equal(service.pick('local', client), null)
})

void t.test('a closer look: what each endpoint has had, those included that are gone', async t => {
  const clock = new ManualClock()
  const options = { ...defaultOptions, clock, passiveHealth: defaultPassiveHealth }
  const service = new ServiceState(tcpService(frontend, [a, b]), options)
  const first = service.pick('cluster', client)
  const second = service.pick('cluster', client)
  if (first === null || second === null) throw new Error('no endpoint')
  const connection = { end() {}, bytesIn: 5, bytesOut: 7 }
  const place = service.enter(first, connection)
  first.total++
  first.bytesIn += 100
  for (let count = 0; count < defaultPassiveHealth.failures; count++) service.failed(second, 'timeout')
  service.failed(second)
  clock.advance(1000)
  const idle = { active: 0, total: 0, bytesIn: 0, bytesOut: 0, failures: { refused: 0, timeout: 0 } }
  t.strictSame(service.inspect(null), {
    key: service.port.key,
    endpoints: [
      {
        ...idle,
        address: a,
        active: 1,
        total: 1,
        bytesIn: 105,
        bytesOut: 7,
        setAsideForMs: null,
        gone: false,
      },
      {
        ...idle,
        address: b,
        failures: { refused: 1, timeout: 3 },
        setAsideForMs: defaultPassiveHealth.firstMs - 1000,
        gone: false,
      },
    ],
    affinity: null,
  })
  service.update(tcpService(frontend, [b]))
  t.match(service.inspect(null).endpoints, [{ address: b }, { address: a, active: 1, gone: true }])
  service.leave(first, place)
  t.match(service.inspect(null).endpoints, [{ address: b }], 'and then it is forgotten')
  t.equal(service.inspect(null).endpoints.length, 1)
})

void t.test('a closer look says where affinity sends a client, and changes nothing', async t => {
  const affine = { affinityTimeoutSeconds: 60, local: [a] }
  const service = new ServiceState(tcpService(frontend, [a, b, c], affine), defaultOptions)
  const clients = Array.from({ length: 20 }, (_, index) => `10.2.0.${index + 1}`)
  for (const each of clients) {
    const before = service.inspect(each).affinity
    t.match(before, { cluster: { remembered: false }, local: { endpoint: a, remembered: false } })
    t.strictSame(service.inspect(each).affinity, before, 'looking is not remembered')
    t.equal(service.pick('cluster', each)?.key, before?.cluster?.endpoint)
    t.strictSame(service.inspect(each).affinity?.cluster, { ...before?.cluster, remembered: true })
  }
  service.update(tcpService(frontend, [], affine))
  t.equal(service.inspect(client).affinity?.cluster, null)
  t.equal(new ServiceState(tcpService(frontend, [a]), defaultOptions).inspect(client).affinity, null)
})
