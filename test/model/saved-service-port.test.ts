// What is taken from disk is what the data plane can use, and nothing else.

import { test } from 'tap'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { healthCheckedProblem, servicePortProblem } from '../../lib/model/saved-service-port.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { servicePort } from './table.ts'

const frontend = { kind: 'ClusterIP', ip: '10.96.0.10', port: 80, list: 'cluster' } as const

const sound: readonly [string, Partial<ServicePort>][] = [
  ['a plain one', {}],
  ['without endpoints', { cluster: [], serving: [] }],
  ['without frontends', { frontends: [], cluster: null }],
  [
    'two lists',
    { local: ['10.1.0.1:8080'], frontends: [frontend, { ...frontend, port: 81, list: 'local' }] },
  ],
  ['on a wildcard', { frontends: [{ ...frontend, kind: 'NodePort', ip: '0.0.0.0', port: 30_080 }] }],
  ['a conflict', { frontends: [{ ...frontend, conflict: 'default/other' }] }],
  ['source ranges', { frontends: [{ ...frontend, sourceRanges: ['10.0.0.0/8'] }] }],
  [
    'settings',
    { settings: { ...defaultProxySettings, balance: 'p2c', drainTimeoutMs: 1.5, maxConnections: 5 } },
  ],
]

void test('service ports as the control plane makes them', async t => {
  for (const [name, fields] of sound) t.equal(servicePortProblem(servicePort('web', fields)), null, name)
})

const unsound: readonly [string, Readonly<Record<string, unknown>>, RegExp][] = [
  ['another key', { key: 'default/other:/TCP/IPv4' }, /^key names another$/],
  ['no key', { key: undefined }, /^key is undefined/],
  ['SCTP', { protocol: 'SCTP' }, /^protocol is "SCTP"/],
  ['an unknown field', { weight: 3 }, /^unknown field "weight"/],
  ['an endpoint without a port', { cluster: ['10.1.0.1'] }, /^cluster is a list/],
  ['an endpoint at port 0', { serving: ['10.1.0.1:0'] }, /^serving is/],
  ['an endpoint that is a name', { serving: ['example.org:80'] }, /^serving is/],
  ['an endpoint of the other family', { serving: ['[fd00::1]:80'] }, /^endpoints aren't IPv4/],
  [
    'a frontend of the other family',
    { frontends: [{ ...frontend, ip: 'fd00::1' }] },
    /^frontends aren't IPv4/,
  ],
  ['an address in another spelling', { frontends: [{ ...frontend, ip: '010.96.0.10' }] }, /^frontends is/],
  ['a port that is text', { frontends: [{ ...frontend, port: '80' }] }, /^frontends is/],
  ['a frontend with something new', { frontends: [{ ...frontend, tls: true }] }, /^frontends is/],
  ['a range that is none', { frontends: [{ ...frontend, sourceRanges: ['10.0.0.0'] }] }, /^frontends is/],
  ['a list that nobody made', { frontends: [{ ...frontend, list: 'local' }] }, /^local is null, but/],
  [
    'a short circuit to nowhere',
    { cluster: null, local: [], frontends: [{ ...frontend, list: 'local', shortCircuit: true }] },
    /^cluster is null, but/,
  ],
  ['an unknown balance', { settings: { ...defaultProxySettings, balance: 'fastest' } }, /^settings is/],
  ['a missing setting', { settings: { balance: 'p2c' } }, /^settings is/],
  ['an affinity of no time', { affinityTimeoutSeconds: 0 }, /^affinityTimeoutSeconds is 0/],
]

void test('everything else is refused with what is wrong', async t => {
  for (const [name, fields, expected] of unsound) {
    t.match(servicePortProblem({ ...servicePort('web'), ...fields }), expected, name)
  }
  for (const value of [null, [], 'x', 1]) t.type(servicePortProblem(value), 'string')
  for (const key of Object.keys(servicePort('web'))) {
    const rest = Object.entries(servicePort('web')).filter(([name]) => name !== key)
    t.match(servicePortProblem(Object.fromEntries(rest)), new RegExp(`^${key} is undefined`))
  }
})

void test('health check node ports', async t => {
  const checked = { namespace: 'default', name: 'web', uid: 'u', port: 32_000, localEndpoints: 0 }
  t.equal(healthCheckedProblem(checked), null)
  t.match(healthCheckedProblem({ ...checked, port: 0 }), /^port is 0/)
  t.match(healthCheckedProblem({ ...checked, localEndpoints: -1 }), /^localEndpoints is -1/)
})
