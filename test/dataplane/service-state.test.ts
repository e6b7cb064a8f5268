import t from 'tap'
import { ServiceState } from '../../lib/dataplane/service-state.ts'
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
