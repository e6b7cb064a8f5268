// What kubectl prints of the same objects from a real kube-apiserver and from the embedded one: the same columns, the
// same cells. Objects are written with all that a server would choose, so that only ages differ, and those by a moment.

import t from 'tap'
import type { KubeObject } from '../../lib/model/objects.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { startControlPlane } from '../../lib/standalone/control-plane.ts'
import { startCluster } from './cluster.ts'
import { writeAnonymousKubeconfig } from './kubeconfig.ts'
import { createKubectl, type Kubectl } from './kubectl.ts'
import { serviceRange } from './network.ts'
import { temporaryFolder } from './sandbox.ts'
import { until } from './until.ts'

const namespace = 'tables'
const ago = (seconds: number): string =>
  new Date(Date.now() - seconds * 1000).toISOString().replace(/\.\d+/, '')

function object(kind: string, name: string, fields: object, metadata: object = {}): KubeObject {
  const place = kind === 'Node' || kind === 'Namespace' ? {} : { namespace }
  return { apiVersion: 'v1', kind, metadata: { name, ...place, ...metadata }, ...fields }
}

const service = (name: string, spec: object, status?: object): KubeObject =>
  object('Service', name, {
    spec: { ports: [{ name: 'http', port: 80 }], ...spec },
    ...(status ? { status } : {}),
  })

const waiting = (reason: string): object => ({ state: { waiting: { reason } } })
const terminated = (state: object): object => ({ state: { terminated: state } })
const running = { ready: true, state: { running: { startedAt: ago(10) } } }

/** What the API demands of a container's status. */
const unready = (name: string) => ({ name, image: 'x', imageID: '', ready: false, restartCount: 0 })

/** A pod with as many containers as statuses. */
function pod(name: string, statuses: readonly object[], status: object = {}, spec: object = {}): KubeObject {
  const named = statuses.map((each, index) => ({
    ...unready(`c${index}`),
    ...each,
  }))
  const containers = (statuses.length > 0 ? named : [{ name: 'c0' }]).map(each => ({
    name: each.name,
    image: 'x',
  }))
  return object('Pod', name, {
    spec: { containers, ...spec },
    status: { phase: 'Running', containerStatuses: named, ...status },
  })
}

const initPod = (name: string, statuses: readonly object[], status: object = {}): KubeObject => {
  const named = statuses.map((each, index) => ({
    ...unready(`i${index}`),
    ...each,
  }))
  const initContainers = named.map(each => ({ name: each.name, image: 'x' }))
  return pod(name, [], { phase: 'Pending', initContainerStatuses: named, ...status }, { initContainers })
}

const ready = [{ type: 'Ready', status: 'True' }]

const objects: readonly KubeObject[] = [
  service('cluster-ip', { clusterIP: '10.96.1.1', selector: { app: 'x', tier: 'y' } }),
  service('external-ips', { clusterIP: '10.96.1.2', externalIPs: ['192.0.2.1', '192.0.2.2'] }),
  service('headless', { clusterIP: 'None', selector: { app: 'x' }, ports: [] }),
  service('name', { type: 'ExternalName', externalName: 'example.org', ports: [] }),
  service('node-port', {
    type: 'NodePort',
    clusterIP: '10.96.1.3',
    ports: [
      { name: 'tcp', port: 80, nodePort: 30101 },
      { name: 'udp', port: 80, nodePort: 30101, protocol: 'UDP' },
      { name: 'sctp', port: 81, nodePort: 30102, protocol: 'SCTP' },
    ],
  }),
  service('pending', {
    type: 'LoadBalancer',
    clusterIP: '10.96.1.4',
    ports: [{ port: 80, nodePort: 30103 }],
  }),
  service(
    'balanced',
    {
      type: 'LoadBalancer',
      clusterIP: '10.96.1.5',
      externalIPs: ['192.0.2.9'],
      ports: [{ port: 80, nodePort: 30104 }],
    },
    { loadBalancer: { ingress: [{ ip: '198.51.100.7' }, { hostname: 'lb.example.org' }] } },
  ),
  pod('pending', [], { phase: 'Pending' }),
  pod('running', [running, running], {
    conditions: ready,
    podIP: '10.1.0.1',
    podIPs: [{ ip: '10.1.0.1' }],
  }),
  pod('half-ready', [running, { state: { running: { startedAt: ago(5) } } }]),
  pod('crashing', [waiting('CrashLoopBackOff'), running]),
  pod('image', [waiting('ErrImagePull')], { phase: 'Pending' }),
  pod('completed', [terminated({ exitCode: 0, reason: 'Completed' })], { phase: 'Succeeded' }),
  pod('exit-code', [terminated({ exitCode: 3 })], { phase: 'Failed' }),
  pod('signal', [terminated({ exitCode: 137, signal: 9 })], { phase: 'Failed' }),
  pod('partly-done', [terminated({ exitCode: 0, reason: 'Completed' }), running], { conditions: ready }),
  pod('done-not-ready', [terminated({ exitCode: 0, reason: 'Completed' }), running]),
  pod('evicted', [], { phase: 'Failed', reason: 'Evicted' }),
  pod(
    'gated',
    [running],
    { conditions: [{ type: 'x', status: 'True' }] },
    {
      readinessGates: [{ conditionType: 'x' }, { conditionType: 'y' }],
    },
  ),
  initPod('init-0', [waiting('PodInitializing')]),
  initPod('init-1', [terminated({ exitCode: 0 }), {}]),
  initPod('init-failed', [terminated({ exitCode: 2 })]),
  initPod('init-waits', [waiting('CrashLoopBackOff')]),
  object('Node', 'plain', {}),
  object(
    'Node',
    'full',
    {
      spec: { unschedulable: true },
      status: {
        addresses: [
          { type: 'ExternalIP', address: '192.0.2.1' },
          { type: 'InternalIP', address: '10.0.0.1' },
        ],
        conditions: ready,
        nodeInfo: {
          machineID: '',
          systemUUID: '',
          bootID: '',
          kubeProxyVersion: '',
          operatingSystem: '',
          architecture: '',
          kernelVersion: '6.1',
          osImage: 'Debian GNU/Linux 12',
          containerRuntimeVersion: 'containerd://2.0',
          kubeletVersion: 'v1.20.2',
        },
      },
    },
    { labels: { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/role': 'edge' } },
  ),
  object('Node', 'not-ready', { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } }),
  object('Event', 'counted', {
    involvedObject: { kind: 'Service', name: 'web', namespace, fieldPath: 'spec.ports' },
    type: 'Warning',
    reason: 'Odd',
    message: 'it is odd\n',
    source: { component: 'tester', host: 'node-1' },
    count: 3,
    firstTimestamp: ago(3 * 86_400),
    lastTimestamp: ago(4000),
  }),
  object('Event', 'of-nobody', {
    involvedObject: { kind: 'Service', namespace },
    type: 'Normal',
    reason: 'Fine',
    message: 'all is well',
    firstTimestamp: ago(7300),
    lastTimestamp: ago(7300),
    source: { component: 'tester' },
  }),
]

const tables = [
  'get services',
  'get services -o wide',
  'get pods',
  'get pods -o wide',
  'get nodes full plain not-ready',
  'get nodes full plain not-ready -o wide',
  `get ns ${namespace}`,
  'get events',
  'get events -o wide',
  'get endpoints cluster-ip',
  'get svc cluster-ip --show-labels',
  'get svc,pods',
]

/** One of the two servers: its kubectl, and a merge patch of a status, which kubectl 1.20 can't do. */
interface Server {
  readonly kubectl: Kubectl
  readonly patchStatus: (path: string, status: unknown) => Promise<unknown>
}

async function startReal(): Promise<Server> {
  // Pods need service accounts otherwise, and nobody makes those here.
  const { kubectl, api } = await startCluster(t, {
    apiserverFlags: ['--disable-admission-plugins=ServiceAccount'],
  })
  return { kubectl, patchStatus: (path, status) => api.must('PATCH', path, { status }) }
}

async function startOurs(): Promise<Server> {
  const temporary = temporaryFolder('tables')
  const folder = temporary.path
  const controlPlane = await startControlPlane({
    host: '127.0.0.1',
    port: 0,
    serviceCidrs: [serviceRange],
    log: silentLog,
  })
  t.teardown(async () => {
    await controlPlane.close()
    temporary.remove()
  })
  const { url } = controlPlane
  return {
    kubectl: createKubectl(writeAnonymousKubeconfig(folder, url), folder),
    patchStatus: async (path, status) => {
      const response = await fetch(url + path, {
        method: 'PATCH',
        headers: { 'content-type': 'application/merge-patch+json' },
        body: JSON.stringify({ status }),
      })
      if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
    },
  }
}

async function fill({ kubectl, patchStatus }: Server, endpoints: KubeObject): Promise<void> {
  await kubectl('create', 'namespace', namespace)
  await kubectl.create(...objects, endpoints)
  for (const { kind, metadata, status } of objects) {
    const place = kind === 'Node' ? '' : `/namespaces/${namespace}`
    const path = `/api/v1${place}/${String(kind).toLowerCase()}s/${metadata.name}/status`
    if (status) await patchStatus(path, status)
  }
}

/** What a table shows, with one space between cells and without ages, which are of this moment. */
function shown(text: string): readonly string[] {
  return text.split('\n').map(line =>
    line
      .replace(/ +/g, ' ')
      .replace(/ \d{1,2}s(?= |$)/g, ' now')
      .trim(),
  )
}

void t.test('the same objects print the same', async t => {
  const [real, ours] = await Promise.all([startReal(), startOurs()])
  const addresses = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4']
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }]
  // The real server takes Endpoints as they are; ours derives them from slices.
  await Promise.all([
    fill(
      real,
      object('Endpoints', 'cluster-ip', { subsets: [{ addresses: addresses.map(ip => ({ ip })), ports }] }),
    ),
    fill(ours, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'cluster-ip-1', namespace, labels: { 'kubernetes.io/service-name': 'cluster-ip' } },
      addressType: 'IPv4',
      endpoints: addresses.map(address => ({ addresses: [address], conditions: { ready: true } })),
      ports,
    }),
  ])
  const expectedEndpoints = /10\.1\.0\.1:80,10\.1\.0\.2:80,10\.1\.0\.3:80 \+ 1 more\.\.\./
  await until('the endpoints are derived', async () =>
    expectedEndpoints.test(await ours.kubectl('get', 'ep', '-n', namespace)) ? true : undefined,
  )
  for (const table of tables) {
    const [theirs, own] = await Promise.all(
      [real, ours].map(async ({ kubectl }) => shown(await kubectl(...table.split(' '), '-n', namespace))),
    )
    t.ok(theirs && theirs.length > 2, `kubectl ${table}: there is something to compare`)
    t.same(own, theirs, `kubectl ${table}`)
  }
})
