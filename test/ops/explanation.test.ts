import { test } from 'tap'
import { explainedEndpoint, renderExplanation } from '../../lib/ops/explanation.ts'
import { endpointDetail, explanation } from './details.ts'

void test('an explanation, as a person reads it', async t => {
  const other = endpointDetail({
    address: '10.1.0.2:8080',
    node: '',
    zone: '',
    cluster: 'not-ready',
    setAsideUntil: '2026-01-01T00:00:05.000Z',
  })
  t.equal(
    renderExplanation(
      explanation({ endpoints: [endpointDetail(), other].map(each => explainedEndpoint(each, 'cluster')) }),
    ),
    [
      '10.96.0.10:80 (TCP) from a client elsewhere: goes to default/web, 1 eligible endpoint',
      '',
      'service    default/web (ClusterIP)',
      'frontend   ClusterIP 10.96.0.10:80, listening',
      'endpoints  the cluster list: internalTrafficPolicy is Cluster: endpoints on every node',
      'choice     round-robin over 1',
      '',
      'ENDPOINT       NODE    ZONE    ELIGIBLE  ACTIVE  TOTAL  WHY',
      '10.1.0.1:8080  node-1  zone-a  yes       0       0',
      '10.1.0.2:8080  -       -       no        0       0      not ready; set aside until 2026-01-01T00:00:05.000Z: dials have failed',
      '',
    ].join('\n'),
  )
})

void test('what is near an address that nobody has, and a table that is not whole', async t => {
  const text = renderExplanation(
    explanation({
      synced: false,
      client: '10.0.0.1',
      outcome: 'not-proxied',
      summary: 'no Service has it',
      frontend: null,
      list: null,
      endpoints: [],
      choice: '',
      nearest: [
        {
          near: 'same-ip',
          address: '10.96.0.10:443',
          protocol: 'TCP',
          service: 'default/web',
          kind: 'ClusterIP',
        },
        {
          near: 'endpoint',
          address: '10.1.0.1:80',
          protocol: 'TCP',
          service: 'default/web',
          kind: 'endpoint',
        },
      ],
    }),
  )
  t.equal(
    text,
    [
      '10.96.0.10:80 (TCP) from 10.0.0.1: no Service has it',
      '',
      'near it:',
      '  10.96.0.10:443  TCP  ClusterIP  default/web  the same IP, another port',
      '  10.1.0.1:80     TCP  endpoint   default/web  an endpoint itself: what is sent to it does not pass kube-relay',
      '',
      'The table is not what the API server says now: see kube-relay status.',
      '',
    ].join('\n'),
  )
})

void test('source ranges and a frontend that is not open', async t => {
  const { frontend } = explanation()
  if (frontend === null) throw new Error('no frontend')
  const text = renderExplanation(
    explanation({
      frontend: { ...frontend, portName: 'http', state: 'bind-failed', reason: 'EACCES', sourceRanges: [] },
    }),
  )
  t.match(
    text,
    /default\/web, port http \(ClusterIP\)\nfrontend +ClusterIP 10\.96\.0\.10:80, bind-failed \(EACCES\)\nclients +only none/,
  )
})
