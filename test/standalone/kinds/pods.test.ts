import { test } from 'tap'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { asFields } from '../../../lib/model/fields.ts'
import type { StatusCause } from '../../../lib/standalone/kinds/status.ts'
import { withPodDefaults } from '../../../lib/standalone/kinds/pod-defaults.ts'
import { qosClassOf } from '../../../lib/standalone/kinds/pod-qos.ts'
import type { ContainerSpec, PodSpec } from '../../../lib/standalone/kinds/pod-spec.ts'
import { podStrategy } from '../../../lib/standalone/kinds/pod-strategy.ts'
import { amountOf } from '../../../lib/model/quantity.ts'
import { StatusError } from '../../../lib/standalone/kinds/status.ts'

const container = (fields: ContainerSpec = {}): ContainerSpec => ({
  name: 'main',
  image: 'example:1',
  ...fields,
})
const podOf = (spec: PodSpec, fields: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', namespace: 'default', uid: 'u1' },
  spec,
  ...fields,
})
const strategy = podStrategy(new Set(['u1']))
const context = { dryRun: false }

function causesOf(write: () => unknown): readonly StatusCause[] {
  try {
    write()
  } catch (error) {
    if (error instanceof StatusError) return error.status.details?.causes ?? []
    throw error
  }
  return []
}
const shortly = (causes: readonly StatusCause[]): readonly string[] =>
  causes.map(({ field, reason }) => `${field} ${reason.replace('FieldValue', '')}`)

void test('what the author left out', t => {
  t.strictSame(withPodDefaults({ containers: [container()] }), {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
    containers: [
      {
        name: 'main',
        image: 'example:1',
        imagePullPolicy: 'IfNotPresent',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        resources: {},
      },
    ],
  })
  t.match(
    withPodDefaults({
      hostNetwork: true,
      serviceAccountName: 'robot',
      containers: [
        container({
          ports: [{ containerPort: 80 }, { containerPort: 53, protocol: 'UDP', hostPort: 5353 }],
          livenessProbe: { httpGet: { port: 80 } },
          readinessProbe: { grpc: { port: 1 }, periodSeconds: 1 },
          lifecycle: { preStop: { httpGet: { port: 80, path: '/bye' } } },
          env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
          resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } },
        }),
      ],
      volumes: [
        { name: 'none' },
        { name: 's', secret: { secretName: 'x' } },
        { name: 'h', hostPath: { path: '/x' } },
        { name: 'p', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
      ],
    }),
    {
      serviceAccount: 'robot',
      containers: [
        {
          ports: [
            { containerPort: 80, hostPort: 80, protocol: 'TCP' },
            { containerPort: 53, hostPort: 5353, protocol: 'UDP' },
          ],
          livenessProbe: {
            httpGet: { path: '/', scheme: 'HTTP' },
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
          readinessProbe: { grpc: { service: '' }, periodSeconds: 1 },
          lifecycle: { preStop: { httpGet: { path: '/bye', scheme: 'HTTP' } } },
          env: [{ valueFrom: { fieldRef: { apiVersion: 'v1' } } }],
          resources: { requests: { cpu: '500m', memory: '1Gi' } },
        },
      ],
      volumes: [
        { emptyDir: {} },
        { secret: { defaultMode: 420 } },
        { hostPath: { type: '' } },
        { projected: { defaultMode: 420, sources: [{ serviceAccountToken: { expirationSeconds: 3600 } }] } },
      ],
    },
  )
  t.end()
})

void test('an image without a tag, or with the latest one, is always pulled', t => {
  const policies: Readonly<Record<string, string>> = {
    nginx: 'Always',
    'nginx:latest': 'Always',
    'nginx:1.27': 'IfNotPresent',
    'registry.example:5000/nginx': 'Always',
    'registry.example:5000/nginx:1': 'IfNotPresent',
    [`nginx@sha256:${'0'.repeat(64)}`]: 'IfNotPresent',
    [`nginx:latest@sha256:${'0'.repeat(64)}`]: 'Always',
  }
  for (const [image, policy] of Object.entries(policies)) {
    const [completed] = withPodDefaults({ containers: [{ image }] }).containers ?? []
    t.equal(completed?.imagePullPolicy, policy, image)
  }
  t.end()
})

const wrong: readonly (readonly [name: string, spec: PodSpec, causes: readonly string[]])[] = [
  ['no containers', {}, ['spec.containers Required']],
  [
    'an empty container',
    { containers: [{}] },
    ['spec.containers[0].name Required', 'spec.containers[0].image Required'],
  ],
  [
    'names',
    { containers: [container({ name: 'A' }), container(), container()], initContainers: [container()] },
    [
      'spec.containers[0].name Invalid',
      'spec.containers[2].name Duplicate',
      'spec.initContainers[0].name Duplicate',
    ],
  ],
  ['an image in spaces', { containers: [container({ image: ' x' })] }, ['spec.containers[0].image Invalid']],
  [
    'ports',
    {
      containers: [
        container({
          ports: [
            {},
            { containerPort: 65_536, protocol: 'tcp' },
            { name: 'http', containerPort: 1, hostPort: -1 },
            { name: 'http', containerPort: 2, hostPort: 80 },
            { name: 'a_long_name_and_more', containerPort: 3, hostPort: 80 },
          ],
        }),
      ],
    },
    [
      'spec.containers[0].ports[0].containerPort Required',
      'spec.containers[0].ports[1].containerPort Invalid',
      'spec.containers[0].ports[1].protocol NotSupported',
      'spec.containers[0].ports[2].hostPort Invalid',
      'spec.containers[0].ports[3].name Duplicate',
      'spec.containers[0].ports[4].name Invalid',
      'spec.containers[0].ports[4].name Invalid',
      'spec.containers[0].ports[4].hostPort Duplicate',
    ],
  ],
  [
    'a host port of its own on the host network',
    { hostNetwork: true, containers: [container({ ports: [{ containerPort: 80, hostPort: 81 }] })] },
    ['spec.containers[0].ports[0].hostPort Invalid'],
  ],
  [
    'environment',
    {
      containers: [
        container({
          env: [
            { name: '' },
            { name: 'a=b' },
            { name: 'A', valueFrom: {} },
            { name: 'B', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            { name: 'C', valueFrom: { configMapKeyRef: {}, secretKeyRef: {} } },
          ],
        }),
      ],
    },
    [
      'spec.containers[0].env[0].name Required',
      'spec.containers[0].env[1].name Invalid',
      'spec.containers[0].env[2].valueFrom Invalid',
      'spec.containers[0].env[3].valueFrom Invalid',
      'spec.containers[0].env[4].valueFrom Invalid',
    ],
  ],
  [
    'volumes and mounts',
    {
      volumes: [
        { name: 'v' },
        { name: 'v' },
        { name: 'two', emptyDir: {}, hostPath: { path: '/' } },
        { name: 's', secret: {} },
      ],
      containers: [
        container({
          volumeMounts: [
            { name: 'v', mountPath: '/a' },
            { name: 'v', mountPath: '/a' },
            { name: 'none', mountPath: '/b' },
            { name: 'v', mountPath: '/c', subPath: '../up' },
          ],
        }),
      ],
    },
    [
      'spec.volumes[1].name Duplicate',
      'spec.volumes[2].hostPath Forbidden',
      'spec.volumes[3].secret.secretName Required',
      'spec.containers[0].volumeMounts[1].mountPath Invalid',
      'spec.containers[0].volumeMounts[2].name NotFound',
      'spec.containers[0].volumeMounts[3].subPath Invalid',
    ],
  ],
  [
    'probes',
    {
      containers: [
        container({
          livenessProbe: { exec: { command: [] }, successThreshold: 2 },
          readinessProbe: { httpGet: { port: 0 }, tcpSocket: { port: 1 }, periodSeconds: -1 },
          startupProbe: {},
        }),
      ],
    },
    [
      'spec.containers[0].livenessProbe.exec.command Required',
      'spec.containers[0].livenessProbe.successThreshold Invalid',
      'spec.containers[0].readinessProbe.tcpSocket Forbidden',
      'spec.containers[0].readinessProbe.httpGet.port Invalid',
      'spec.containers[0].readinessProbe.periodSeconds Invalid',
      'spec.containers[0].startupProbe Required',
    ],
  ],
  [
    'resources',
    {
      containers: [
        container({
          resources: {
            limits: { cpu: '1', gpu: '1', memory: '-1' },
            requests: { cpu: '1500m', memory: 'much' },
          },
        }),
      ],
    },
    [
      'spec.containers[0].resources.limits[gpu] Invalid',
      'spec.containers[0].resources.limits[memory] Invalid',
      'spec.containers[0].resources.requests[gpu] Invalid',
      'spec.containers[0].resources.requests[memory] Invalid',
      'spec.containers[0].resources.requests Invalid',
      'spec.containers[0].resources.requests Invalid',
    ],
  ],
  [
    'policies',
    { containers: [container({ imagePullPolicy: 'Often' })], restartPolicy: 'Sometimes', dnsPolicy: 'None' },
    [
      'spec.containers[0].imagePullPolicy NotSupported',
      'spec.restartPolicy NotSupported',
      'spec.dnsConfig Required',
    ],
  ],
  [
    'names of other things',
    {
      containers: [container()],
      nodeName: 'A',
      hostname: 'a.b',
      subdomain: 'A',
      serviceAccountName: 'A',
      activeDeadlineSeconds: 0,
      nodeSelector: { 'a b': '' },
      hostAliases: [{ ip: 'x', hostnames: ['A'] }],
    },
    [
      'spec.nodeSelector Invalid',
      'spec.serviceAccountName Invalid',
      'spec.nodeName Invalid',
      'spec.activeDeadlineSeconds Invalid',
      'spec.hostname Invalid',
      'spec.subdomain Invalid',
      'spec.hostAliases[0].ip Invalid',
      'spec.hostAliases[0].hostnames[0] Invalid',
    ],
  ],
  [
    'tolerations',
    {
      containers: [container()],
      tolerations: [
        { value: 'x' },
        { key: 'a', operator: 'Exists', value: 'x' },
        { key: 'a', effect: 'Never', tolerationSeconds: 1 },
      ],
    },
    [
      'spec.tolerations[0].operator Invalid',
      'spec.tolerations[1].operator Invalid',
      'spec.tolerations[2].effect Invalid',
      'spec.tolerations[2].effect NotSupported',
    ],
  ],
  [
    'what comes later',
    {
      containers: [container()],
      ephemeralContainers: [container()],
      nodeName: 'n',
      schedulingGates: [{ name: 'a/b' }],
    },
    ['spec.ephemeralContainers Forbidden', 'spec.nodeName Forbidden'],
  ],
]

void test('a new Pod that is refused: every field, in the order of the real server', t => {
  for (const [name, spec, causes] of wrong) {
    const found = shortly(causesOf(() => strategy.prepare(podOf(spec), undefined, context)))
    t.strictSame(found, causes, name)
  }
  t.end()
})

void test('a new Pod is pending, whatever its author says', t => {
  const created = strategy.prepare(
    podOf({ containers: [container()] }, { status: { phase: 'Running' } }),
    undefined,
    context,
  )
  t.strictSame(created['status'], { phase: 'Pending', qosClass: 'BestEffort' })
  t.end()
})

void test('what of a Pod may change', t => {
  const old: PodSpec = {
    nodeName: 'n1',
    containers: [container()],
    initContainers: [container({ name: 'first' })],
    activeDeadlineSeconds: 100,
    tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }],
  }
  const stored = strategy.prepare(podOf(old), undefined, context)
  const changes: readonly (readonly [name: string, spec: PodSpec, causes: readonly string[]])[] = [
    ['nothing', old, []],
    ['its node is left out', { ...old, nodeName: '' }, []],
    [
      'images',
      {
        ...old,
        containers: [container({ image: 'example:2' })],
        initContainers: [container({ name: 'first', image: 'b:1' })],
      },
      [],
    ],
    ['a nearer deadline', { ...old, activeDeadlineSeconds: 50 }, []],
    ['a farther deadline', { ...old, activeDeadlineSeconds: 101 }, ['spec.activeDeadlineSeconds Invalid']],
    [
      'more tolerations, and their time',
      {
        ...old,
        tolerations: [
          { key: 'b', operator: 'Exists' },
          { key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 9 },
        ],
      },
      [],
    ],
    ['fewer tolerations', { ...old, tolerations: [] }, ['spec.tolerations Forbidden']],
    ['empty lists', { ...old, volumes: [], hostAliases: [] }, []],
    ['ports', { ...old, containers: [container({ ports: [{ containerPort: 80 }] })] }, ['spec Forbidden']],
    [
      'another container',
      { ...old, containers: [container(), container({ name: 'b' })] },
      ['spec.containers Forbidden'],
    ],
    ['its node', { ...old, nodeName: 'n2' }, ['spec Forbidden']],
    ['its end', { ...old, terminationGracePeriodSeconds: 1 }, ['spec Forbidden']],
    ['no image', { ...old, containers: [container({ image: '' })] }, ['spec.containers[0].image Required']],
  ]
  for (const [name, spec, causes] of changes) {
    const { nodeName, ...rest } = spec
    const given = nodeName === '' ? rest : spec
    const found = shortly(
      causesOf(() => strategy.prepare(podOf(given, { status: stored['status'] }), stored, context)),
    )
    t.strictSame(found, causes, name)
  }
  t.equal(
    asFields(
      strategy.prepare(
        podOf({
          containers: [container()],
          initContainers: old.initContainers ?? [],
          activeDeadlineSeconds: 100,
          tolerations: old.tolerations ?? [],
        }),
        stored,
        context,
      )['spec'],
    )['nodeName'],
    'n1',
  )
  t.end()
})

void test('only who runs a Pod gives it a node', t => {
  const stored = strategy.prepare(podOf({ containers: [container()] }), undefined, context)
  const bound = podOf({ containers: [container()], nodeName: 'n1' })
  t.match(strategy.prepare(bound, stored, context), { spec: { nodeName: 'n1' } })
  const other = podStrategy(new Set())
  t.strictSame(shortly(causesOf(() => other.prepare(bound, stored, context))), ['spec Forbidden'])
  t.end()
})

void test('a status has all addresses, and the quality of service that the spec gives', t => {
  const stored = strategy.prepare(podOf({ containers: [container()] }), undefined, context)
  const statusFrom = (status: object): unknown =>
    strategy.prepareStatus?.({ ...stored, status }, stored)['status']
  t.strictSame(statusFrom({ podIP: '10.0.0.1', qosClass: 'Guaranteed' }), {
    podIP: '10.0.0.1',
    podIPs: [{ ip: '10.0.0.1' }],
    qosClass: 'BestEffort',
  })
  t.match(statusFrom({ podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] }), { podIP: '10.0.0.1' })
  t.strictSame(statusFrom({}), { qosClass: 'BestEffort' })
  const refused = (podIPs: readonly object[]) => shortly(causesOf(() => statusFrom({ podIPs })))
  t.strictSame(refused([{ ip: 'x' }]), ['status.podIPs[0] Invalid'])
  t.strictSame(refused([{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }]), ['status.podIPs Invalid'])
  t.end()
})

void test('only a Pod that something runs is given time to end', t => {
  const grace = (uid: string, spec: PodSpec, phase: string): number | undefined =>
    strategy.gracePeriodSeconds?.({ ...podOf(spec, { status: { phase } }), metadata: { name: 'a', uid } })
  t.equal(grace('u1', { nodeName: 'n', terminationGracePeriodSeconds: 7 }, 'Running'), 7)
  t.equal(grace('u1', { nodeName: 'n' }, 'Pending'), 30)
  t.equal(grace('u1', { nodeName: 'n', terminationGracePeriodSeconds: -5 }, 'Running'), 1)
  t.equal(grace('u1', {}, 'Running'), 0, 'not scheduled')
  t.equal(grace('u1', { nodeName: 'n' }, 'Failed'), 0, 'over')
  t.equal(grace('u2', { nodeName: 'n' }, 'Running'), 0, 'run by nobody here')
  t.end()
})

void test('quality of service', t => {
  const limited = (cpu: string, memory: string) => ({ limits: { cpu, memory }, requests: { cpu, memory } })
  const cases: readonly (readonly [qosClass: string, containers: readonly ContainerSpec[]])[] = [
    ['BestEffort', [container()]],
    ['BestEffort', [container({ resources: { requests: { cpu: '0' }, limits: { 'example.com/x': '1' } } })]],
    ['Burstable', [container({ resources: { requests: { cpu: '1' } } })]],
    ['Guaranteed', [container({ resources: limited('1', '1Gi') })]],
    [
      'Guaranteed',
      [
        container({
          resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1024Mi' } },
        }),
      ],
    ],
    ['Burstable', [container({ resources: limited('1', '1Gi') }), container()]],
  ]
  for (const [qosClass, containers] of cases) t.equal(qosClassOf({ containers }), qosClass)
  t.end()
})

void test('quantities', t => {
  const amounts: Readonly<Record<string, number | null>> = {
    '500m': 0.5,
    '1.5Gi': 1.5 * 2 ** 30,
    '2e3': 2000,
    '.5k': 500,
    '-1': -1,
    '': null,
    '1 Gi': null,
    much: null,
    [`${'1'.repeat(50)}x`]: null,
  }
  for (const [text, amount] of Object.entries(amounts)) t.equal(amountOf(text), amount, text)
  t.equal(amountOf(2), 2)
  t.end()
})
