// Where the endpoints of slices are, by IP and by port.

import { test } from 'tap'
import { EndpointIndex } from '../../lib/control/endpoint-index.ts'
import type { EndpointSlice } from '../../lib/model/endpoint-slice.ts'

function slice(ips: readonly string[], ports: readonly number[]): EndpointSlice {
  const endpoint = { nodeName: '', zone: '', ready: true, serving: true, terminating: false }
  return {
    namespace: 'default',
    name: 'web-1',
    serviceName: 'web',
    family: 'IPv4',
    ports: ports.map(port => ({ name: '', protocol: 'TCP', port })),
    endpoints: ips.map(ip => ({ ip, ...endpoint, zoneHints: [], nodeHints: [] })),
  }
}

void test('slices are found where they are, each once, until they are gone', async t => {
  const index = new EndpointIndex()
  const [a, b, c] = [
    slice(['10.0.0.1', '10.0.0.2', '10.0.0.1'], [80, 80]),
    slice(['10.0.0.1'], [80, 443]),
    slice(['10.0.0.1'], []),
  ]
  const at = (ip: string) => [...index.atIp(ip)].sort()
  const on = (port: number) => [...index.atPort('TCP', port)].sort()
  index.add('a', a)
  t.strictSame([at('10.0.0.1'), at('10.0.0.2'), on(80), on(443)], [['a'], ['a'], ['a'], []])
  index.add('b', b)
  index.add('c', c)
  t.strictSame([at('10.0.0.1'), on(80), on(443)], [['a', 'b', 'c'], ['a', 'b'], ['b']])
  t.strictSame([...index.atPort('UDP', 80)], [], 'of another protocol')
  index.remove('a', a)
  t.strictSame([at('10.0.0.1'), at('10.0.0.2'), on(80)], [['b', 'c'], [], ['b']])
  index.remove('c', c)
  index.remove('b', b)
  t.strictSame([at('10.0.0.1'), on(80), on(443)], [[], [], []])
  index.add('b', b)
  index.remove('a', b)
  t.strictSame(at('10.0.0.1'), ['b'], 'removing one that is not there')
})
