import { test } from 'tap'
import { EndpointSlices } from '../../lib/control/endpoint-slices.ts'
import { endpoint, endpointSlice } from '../model/objects.ts'

function endpointsOf(slices: EndpointSlices, portName = ''): readonly string[] {
  return slices
    .endpoints('default/web', 'IPv4', portName, 'TCP')
    .map(({ ip, port, terminating }) => `${ip}:${port}${terminating ? ' terminating' : ''}`)
}

const at = (ip: string, terminating = false) =>
  endpoint({ addresses: [ip], conditions: { ready: !terminating, serving: true, terminating } })

void test('endpoints of several slices, sorted, whatever order the slices came in', async t => {
  const slices = new EndpointSlices()
  slices.set(endpointSlice({ endpoints: [at('10.1.0.3'), at('10.1.0.1')] }, { name: 'web-2' }))
  slices.set(endpointSlice({ endpoints: [at('10.1.0.2')] }, { name: 'web-1' }))
  t.strictSame(endpointsOf(slices), ['10.1.0.1:8080', '10.1.0.2:8080', '10.1.0.3:8080'])
})

const duplicates: readonly [string, first: boolean, second: boolean, expected: readonly string[]][] = [
  ['both fine: one endpoint', false, false, ['10.1.0.1:8080']],
  ['the later one is terminating: the earlier one counts', false, true, ['10.1.0.1:8080']],
  ['the earlier one is terminating: the later one counts', true, false, ['10.1.0.1:8080']],
  ['both terminating', true, true, ['10.1.0.1:8080 terminating']],
]

void test('the same address in two slices', async t => {
  for (const [name, first, second, expected] of duplicates) {
    const slices = new EndpointSlices()
    slices.set(endpointSlice({ endpoints: [at('10.1.0.1', second)] }, { name: 'web-2' }))
    slices.set(endpointSlice({ endpoints: [at('10.1.0.1', first)] }, { name: 'web-1' }))
    t.strictSame(endpointsOf(slices), expected, name)
  }
})

void test('ports are found by name and protocol, and may differ from slice to slice', async t => {
  const slices = new EndpointSlices()
  const ports = [
    { name: 'http', port: 8080 },
    { name: 'http', port: 5353, protocol: 'UDP' },
    { name: 'admin', port: 9000 },
  ]
  slices.set(endpointSlice({ ports }))
  slices.set(
    endpointSlice({ ports: [{ name: 'http', port: 8081 }], endpoints: [at('10.1.0.2')] }, { name: 'web-2' }),
  )
  t.strictSame(endpointsOf(slices, 'http'), ['10.1.0.1:8080', '10.1.0.2:8081'])
  t.strictSame(endpointsOf(slices, 'admin'), ['10.1.0.1:9000'])
  t.strictSame(endpointsOf(slices), [], 'no port without a name')
  t.equal(slices.endpoints('default/web', 'IPv4', 'http', 'UDP')[0]?.port, 5353)
  t.strictSame(slices.endpoints('default/web', 'IPv6', 'http', 'TCP'), [])
})

void test('which Services a slice touches', async t => {
  const slices = new EndpointSlices()
  const of = (service: string) => endpointSlice({}, { labels: { 'kubernetes.io/service-name': service } })
  t.strictSame(slices.set(of('web')).services, ['default/web'])
  t.strictSame(slices.set(of('web')).services, ['default/web'])
  t.strictSame(slices.set(of('api')).services, ['default/web', 'default/api'])
  t.strictSame(slices.set(of('')).services, ['default/api'])
  t.strictSame(slices.delete({ namespace: 'default', name: 'web-1' }), [], 'it was out already')
  slices.set(of('web'))
  t.strictSame(slices.delete({ namespace: 'default', name: 'web-1' }), ['default/web'])
  t.strictSame(slices.delete({ namespace: 'default', name: 'web-1' }), [])
})

void test('servicesNear: by address for a frontend on one, by port for one on all', async t => {
  const slices = new EndpointSlices()
  const near = (ip: string, port: number): readonly string[] => [
    ...slices.servicesNear({ protocol: 'TCP', ip, port }),
  ]
  slices.set(endpointSlice())
  t.strictSame(near('10.1.0.1', 1), ['default/web'])
  t.strictSame(near('10.1.0.2', 8080), [])
  t.strictSame(near('0.0.0.0', 8080), ['default/web'])
  t.strictSame(near('::', 8081), [])
  slices.set(endpointSlice({ endpoints: [] }))
  t.strictSame(near('10.1.0.1', 1), [])
  slices.delete({ namespace: 'default', name: 'web-1' })
  t.strictSame(near('0.0.0.0', 8080), [])
})
