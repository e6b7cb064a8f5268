import { test } from 'tap'
import { noDialTimes } from '../../lib/ops/dial-times.ts'
import { renderExplanation } from '../../lib/ops/explanation.ts'
import { renderServiceDetail } from '../../lib/ops/service-detail.ts'
import {
  noRestarts,
  renderStatus,
  silentWorkersOf,
  type ServiceStatus,
  type StatusDocument,
} from '../../lib/ops/status.ts'
import { explanation, serviceDetail } from './details.ts'
import { worker } from './statuses.ts'

const web: ServiceStatus = {
  namespace: 'default',
  name: 'web',
  portName: 'http',
  protocol: 'TCP',
  type: 'NodePort',
  sessionAffinity: 'None',
  endpoints: { cluster: ['10.1.0.1:80', '10.1.0.2:80'], local: ['10.1.0.1:80'] },
  setAside: ['10.1.0.2:80'],
  frontends: [
    { kind: 'ClusterIP', address: '10.96.0.10:80', state: 'listening' },
    { kind: 'NodePort', address: '0.0.0.0:30008', state: 'bind-failed', reason: 'EADDRINUSE' },
  ],
  connections: {
    active: 3,
    total: 120,
    bytesIn: 1,
    bytesOut: 2,
    dialRetries: 4,
    dialFailures: 5,
    failures: {},
  },
}

const status: StatusDocument = {
  node: 'node-1',
  generation: 42,
  source: 'apiserver',
  synced: true,
  watches: { services: 'watching', endpointslices: 'not connected, trying again: refused' },
  services: [web],
  workers: [],
  workerRestarts: noRestarts,
  dialTimes: noDialTimes,
}

void test('workers that do not answer, or accept nobody, are told of', async t => {
  const workers = [
    worker(),
    worker({ index: 1, pid: 2, responding: false }),
    worker({ index: 2, pid: 3, descriptors: { used: 900, limit: 900, accepting: false } }),
    worker({ index: 2, pid: 4, draining: true, descriptors: { used: 1, limit: 900, accepting: false } }),
  ]
  const lines = renderStatus({ ...status, watches: {}, workers }).split('\n')
  t.strictSame(lines.slice(1, 4), [
    'worker 1 (process 2) does not answer: what it has counted is as last known',
    'worker 2 (process 3) accepts nobody: 900 of 900 descriptors are in use',
    '',
  ])
  t.strictSame(silentWorkersOf(workers), { silentWorkers: 1 })
  t.strictSame(silentWorkersOf([worker()]), {})
  const one = '1 worker does not answer: what endpoints have of it is missing here'
  const two = '2 workers do not answer: what endpoints have of them is missing here'
  t.equal(renderServiceDetail(serviceDetail({ silentWorkers: 1 })).split('\n')[1], one)
  t.match(renderExplanation(explanation({ silentWorkers: 2 })), two)
})

void test('the table has a headline, what is wrong, and a line per frontend', async t => {
  t.equal(
    renderStatus(status),
    [
      'node node-1   generation 42   source apiserver   synced',
      'endpointslices: not connected, trying again: refused',
      '',
      'NAMESPACE  SERVICE  PORT      KIND       ADDRESS        STATE                     ENDPOINTS        ACTIVE  TOTAL  RETRIES  FAILED',
      'default    web      http/TCP  ClusterIP  10.96.0.10:80  listening                 2 (1 set aside)  3       120    4        5',
      '                              NodePort   0.0.0.0:30008  bind-failed (EADDRINUSE)',
      '',
    ].join('\n'),
  )
})

void test('without services and before the first sync it says so', async t => {
  t.match(renderStatus({ ...status, services: [], synced: false }), /NOT SYNCED[^]*no services/)
})

void test('a table of before the start is shown with its age', async t => {
  const asOf = '2026-01-31T12:00:00.000Z'
  const [headline] = renderStatus({ ...status, source: 'snapshot', asOf, synced: false }).split('\n')
  t.equal(headline, `node node-1   generation 42   source snapshot of ${asOf}   NOT SYNCED`)
})
