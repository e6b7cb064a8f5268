import { test } from 'tap'
import { renderServiceDetail } from '../../lib/ops/service-detail.ts'
import { serviceRates, statusRates } from '../../lib/ops/status-rates.ts'
import { rateKey, renderStatus } from '../../lib/ops/status.ts'
import { endpointDetail, serviceDetail } from './details.ts'
import { connections, servicePort, statusDocument } from './statuses.ts'

const busy = { active: 2, total: 30, bytesIn: 2048, bytesOut: 5 * 1024 ** 2, dialRetries: 1 }

void test('one Service: its settings, its frontends, its endpoints', async t => {
  const { settings } = serviceDetail()
  const detail = serviceDetail({
    type: 'NodePort',
    settings: {
      ...settings,
      balance: 'p2c',
      maxConnections: 100,
      maxConnectionsPerClient: 5,
      drainTimeoutMs: 30_000,
      externalTrafficPolicy: 'Local',
      affinityTimeoutSeconds: 60,
      sourceRanges: ['198.51.100.0/24'],
    },
    annotations: { 'kube-relay/balance': 'p2c' },
    problems: ['port 9 is SCTP, which kube-relay can’t proxy'],
    ports: [
      {
        ...servicePort(
          {
            portName: 'http',
            frontends: [
              { kind: 'ClusterIP', address: '10.96.0.10:80', state: 'listening' },
              { kind: 'NodePort', address: '0.0.0.0:30008', state: 'bind-failed', reason: 'EADDRINUSE' },
            ],
          },
          { ...busy, dialFailures: 3, failures: { refused: 2, timeout: 1, local: 0 } },
        ),
        endpointDetails: [
          endpointDetail({
            local: 'eligible',
            connections: { ...busy, failures: { refused: 2, timeout: 1 } },
            setAsideUntil: '2026-01-01T00:00:05.000Z',
          }),
          endpointDetail({
            address: '10.1.0.2:8080',
            node: 'node-2',
            zone: '',
            conditions: { ready: false, serving: true, terminating: true },
            cluster: 'last-resort',
            local: 'other-node',
          }),
          endpointDetail({
            address: '10.1.0.3:8080',
            node: '',
            zone: '',
            conditions: null,
            cluster: 'gone',
            local: 'gone',
          }),
        ],
      },
    ],
  })
  t.equal(
    renderServiceDetail(detail),
    [
      'default/web (NodePort)   node node-1   generation 7   synced',
      '',
      'traffic policy  internal Cluster, external Local',
      'affinity        ClientIP, 60 s',
      'balance         p2c',
      'PROXY protocol  off',
      'connections     at most 100, 5 a client',
      'drain timeout   30s',
      'greatest age    none',
      'source ranges   198.51.100.0/24',
      'annotations     kube-relay/balance=p2c',
      'problem         port 9 is SCTP, which kube-relay can’t proxy',
      '',
      'port http/TCP',
      '  ClusterIP  10.96.0.10:80  listening',
      '  NodePort   0.0.0.0:30008  bind-failed (EADDRINUSE)',
      '  connections: 2 active, 30 total, 2.0 KiB in, 5.0 MiB out, 1 retries, 3 failed (refused 2, timeout 1)',
      '',
      '  ENDPOINT       NODE    ZONE    CONDITIONS                     ACTIVE  TOTAL  IN       OUT      FAILED                STATE',
      '  10.1.0.1:8080  node-1  zone-a  ready,serving                  2       30     2.0 KiB  5.0 MiB  refused 2, timeout 1  eligible; set aside until 2026-01-01T00:00:05.000Z',
      '  10.1.0.2:8080  node-2  -       not ready,serving,terminating  0       0      0 B      0 B      0                     cluster: terminating: it still serves, but others are ready; local: on node node-2, and the policy is Local',
      '  10.1.0.3:8080  -       -       unknown                        0       0      0 B      0 B      0                     no endpoint any more, but some of its connections are left',
      '',
    ].join('\n'),
  )
})

void test('a Service without endpoints says so', async t => {
  const detail = serviceDetail({ synced: false, ports: [{ ...servicePort(), endpointDetails: [] }] })
  t.match(renderServiceDetail(detail), /NOT SYNCED[^]*no endpoints/)
})

void test('rates of the whole', async t => {
  const at = (total: number, bytesIn: number) =>
    statusDocument({ services: [servicePort({}, connections({ total, bytesIn }))] })
  const key = rateKey(servicePort())
  t.strictSame(
    [...statusRates(at(10, 1000), at(15, 5000), 2)],
    [[key, { connections: 2.5, bytesIn: 2000, bytesOut: 0 }]],
  )
  t.equal(statusRates(at(10, 0), at(5, 0), 2).size, 0, 'counters that have gone down are others')
  t.equal(statusRates(at(10, 0), at(15, 0), 0).size, 0)
  t.equal(statusRates(statusDocument({ services: [] }), at(15, 0), 2).size, 0, 'a new one')
  const rates = statusRates(at(10, 1000), at(15, 5000), 2)
  t.match(
    renderStatus(at(15, 5000), rates),
    /TOTAL +CONN\/S +IN\/S +OUT\/S +RETRIES[^]* 15 +2\.5 +2\.0 KiB +0 B +0 +0/,
  )
  t.match(renderStatus(at(15, 5000), new Map()), / 15 +- +- +- +0 +0/, 'not known yet')
  t.notMatch(renderStatus(at(15, 5000)), /CONN\/S/)
})

void test('rates of one Service, port by port and endpoint by endpoint', async t => {
  const at = (total: number) =>
    serviceDetail({
      ports: [
        {
          ...servicePort({}, connections({ total })),
          endpointDetails: [
            endpointDetail({
              connections: { ...connections({ total }), failures: { refused: 0, timeout: 0 } },
            }),
          ],
        },
      ],
    })
  const rates = serviceRates(at(1), at(7), 3)
  const rate = { connections: 2, bytesIn: 0, bytesOut: 0 }
  t.strictSame([[...rates.ports], [...rates.endpoints]], [[['TCP', rate]], [['TCP 10.1.0.1:8080', rate]]])
  t.match(
    renderServiceDetail(at(7), rates),
    /per second: 2\.0 connections, 0 B in, 0 B out[^]*TOTAL +CONN\/S[^]* 7 +2\.0 +0 B/,
  )
})

void test('what a tenant writes makes no line, and no long one', async t => {
  const lines = (value: string): readonly string[] =>
    renderServiceDetail(serviceDetail({ annotations: { 'kube-relay/balance': value } })).split('\n')
  const forged = lines('p2c\n\nport https/TCP\n  ClusterIP  10.96.0.10:443  listening')
  t.equal(forged.length, lines('p2c').length)
  t.ok(forged.every(line => !line.startsWith('port https')))
  const long = lines('9'.repeat(100_000))
  t.ok(long.every(line => line.length < 300))
  t.ok(long.some(line => line.includes('99… (100000 characters)')))
})
