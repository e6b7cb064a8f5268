import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test, type Test } from 'tap'
import type { Service } from '../../../lib/standalone/kinds/api-types.ts'
import { applyManifests, formatManifestProblem } from '../../../lib/standalone/manifests/manifests.ts'
import {
  endpointSlices,
  namespaces,
  pods,
  services,
  type ResourceType,
} from '../../../lib/standalone/kinds/resources.ts'
import type { ControlPlane } from '../../../lib/standalone/control-plane.ts'
import { controlPlaneFor, endpointsOf } from '../builders.ts'

/** A folder with these files, and what applying it to a new control plane says. */
async function folder(t: Test, files: Readonly<Record<string, string>>) {
  const dir = t.testdir()
  const controlPlane = await controlPlaneFor(t)
  const write = async (name: string, text: string): Promise<void> => {
    await mkdir(dirname(join(dir, name)), { recursive: true })
    await writeFile(join(dir, name), text)
  }
  for (const [name, text] of Object.entries(files)) await write(name, text)
  return {
    controlPlane,
    write,
    remove: (name: string) => rm(join(dir, name), { recursive: true }),
    /** Problems as they are shown, without the folder. */
    apply: async () => {
      const problems = await applyManifests(controlPlane, dir)
      return problems.map(problem => formatManifestProblem(problem).replaceAll(`${dir}/`, ''))
    },
  }
}

function names(controlPlane: ControlPlane, type: ResourceType): readonly string[] {
  return controlPlane.store.list(type).items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
}

const service = (name: string, rest = ''): string =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec:\n  ports: [{ port: 80 }]\n${rest}`
const nodePort = (name: string, port: number): string =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec:\n  type: NodePort\n  ports:\n    - port: 80\n      nodePort: ${port}\n`

void test('what can be wrong with a document, in one line each', async t => {
  const cases: readonly (readonly [name: string, text: string, expected: readonly (string | RegExp)[]])[] = [
    ['empty file', '', []],
    ['only a comment', '# nothing\n', []],
    ['empty documents', '---\n---\n', []],
    [
      'misspelt field',
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  ports: [{ port: 80 }]\n  types: NodePort\n',
      ['x.yaml:7: unknown field spec.types, did you mean spec.type?'],
    ],
    [
      'misspelt field, deeper',
      'apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec:\n  ports:\n    - port: 80\n      nodeport: 1\n',
      ['x.yaml:7: unknown field spec.ports[0].nodeport, did you mean spec.ports[0].nodePort?'],
    ],
    ['unheard field', service('a', '  zzzzzz: 1\n'), ['x.yaml:6: unknown field spec.zzzzzz']],
    [
      'two mistakes',
      'apiVersion: v1\nkind: Service\nmetadata: { nam: a }\nspec:\n  ports: 80\n',
      [
        'x.yaml:3: unknown field metadata.nam, did you mean metadata.name?',
        'x.yaml:3: metadata.name is missing: every Service needs a name',
        'x.yaml:5: spec.ports must be a list, not 80',
      ],
    ],
    [
      'wrong type',
      service('a', '  selector: { a: true }\n'),
      ['x.yaml:6: spec.selector.a must be a string (put it in quotes), not true'],
    ],
    ['wrong type', service('7'), ['x.yaml:3: metadata.name must be a string (put it in quotes), not 7']],
    [
      'quoted port',
      service('a').replace('80', '"80"'),
      ['x.yaml:5: spec.ports[0].port must be an integer, not "80"'],
    ],
    [
      'nodePort out of range',
      nodePort('a', 40_000),
      [
        /^x.yaml:8: spec.ports\[0\].nodePort: Invalid value: 40000: .*The range of valid ports is 30000-32767$/,
      ],
    ],
    [
      'malformed externalIP',
      service('a', '  externalIPs:\n    - 1.2.3.4\n    - 1.2.3\n'),
      [/^x.yaml:8: spec.externalIPs\[1\]: Invalid value: "1.2.3": must be a valid IP/],
    ],
    [
      'malformed clusterIP',
      service('a', '  clusterIP: 10.0.0\n'),
      [/^x.yaml:6: spec.clusterIPs\[0\]: Invalid value: "10.0.0"/],
    ],
    [
      'foreign clusterIP',
      service('a', '  clusterIP: 10.0.0.1\n'),
      [/^x.yaml:6: spec.clusterIPs: .*not in the valid range/],
    ],
    [
      'no ports',
      'apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: {}\n',
      [/^x.yaml:4: spec.ports: Required value/],
    ],
    [
      'no port',
      service('a').replace('port: 80', 'name: a'),
      [/^x.yaml:5: spec.ports\[0\].port: Invalid value: 0/, /^x.yaml:5: spec.ports\[0\].targetPort: Invalid/],
    ],
    [
      'no spec',
      'apiVersion: v1\nkind: Service\nmetadata: { name: a }\n',
      [/^x.yaml:1: spec.ports: Required value/],
    ],
    [
      'no name',
      'apiVersion: v1\nkind: Pod\n',
      ['x.yaml:1: metadata.name is missing: every Pod needs a name'],
    ],
    ['no kind', 'apiVersion: v1\n', ['x.yaml:1: kind is missing, such as "kind: Service"']],
    ['no apiVersion', 'kind: Service\n', ['x.yaml:1: apiVersion is missing: Service needs "apiVersion: v1"']],
    [
      'misspelt kind',
      'apiVersion: v1\nkind: Servise\n',
      ['x.yaml:2: unknown kind Servise, did you mean Service?'],
    ],
    [
      'unheard kind',
      'apiVersion: v1\nkind: Gadget\n',
      [/^x.yaml:2: unknown kind Gadget; kinds used here are /],
    ],
    [
      'wrong apiVersion',
      'apiVersion: v2\nkind: Service\n',
      ['x.yaml:1: unknown apiVersion "v2" for Service, did you mean v1?'],
    ],
    [
      'a kind of no use',
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d }\n',
      ['x.yaml:2: Deployment d skipped: kube-relay has no use for this kind'],
    ],
    ['no mapping', '- a\n', ['x.yaml:1: a manifest must be a mapping with apiVersion, kind and metadata']],
    ['syntax error', 'kind: Service\n  a: b: c\n', [/^x.yaml:\d: YAML syntax error: /]],
    ['tab', 'kind: Service\nmetadata:\n\tname: a\n', [/^x.yaml:3: YAML syntax error: /]],
    ['duplicate key', 'apiVersion: v1\nkind: Service\nkind: Pod\n', ['x.yaml:3: duplicate key kind']],
    ['dangling alias', 'apiVersion: *nowhere\n', [/^x.yaml:1: .*nowhere/]],
    [
      'duplicate object',
      `${service('a')}---\n${service('a')}`,
      [/^x.yaml:9: Service default\/a is already declared in x.yaml:1$/],
    ],
    [
      'malformed endpoint',
      'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: s }\naddressType: IPv4\nendpoints:\n  - addresses:\n      - 10.0.0\n',
      [
        /^x.yaml:7: endpoints\[0\].addresses\[0\]: Invalid value: "10.0.0": must be a valid IPv4 address/,
        /^x.yaml:7: endpoints\[0\].addresses\[0\]: Invalid value: "10.0.0": must be a valid IP address/,
      ],
    ],
    [
      'in a List',
      `apiVersion: v1\nkind: List\nitems:\n  - kind: Service\n    apiVersion: v1\n    metadata: { name: a }\n    spec:\n      typ: ClusterIP\n`,
      ['x.yaml:8: unknown field spec.typ, did you mean spec.type?'],
    ],
  ]
  for (const [name, text, expected] of cases) {
    await t.test(name, async t => {
      const { apply, controlPlane } = await folder(t, { 'x.yaml': text, 'z.yaml': service('good') })
      const problems = await apply()
      t.match(problems, expected)
      t.equal(problems.length, expected.length)
      t.ok(names(controlPlane, services).includes('default/good'), 'everything else is applied')
    })
  }
})

void test('a nodePort that is taken names the other Service and its file', async t => {
  const { apply, controlPlane } = await folder(t, {
    'a.yaml': nodePort('first', 30_008),
    'b.yaml': nodePort('second', 30_008),
  })
  t.match(await apply(), [
    /^b.yaml:8: spec.ports\[0\].nodePort: Invalid value: 30008: provided port is already allocated by Service default\/first \(a.yaml\)$/,
  ])
  t.strictSame(names(controlPlane, services), ['default/first'])
})

void test('what is found and in which forms', async t => {
  const { apply, controlPlane } = await folder(t, {
    'sub/deep/a.yml': service('a'),
    'b.json': JSON.stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'b' },
      spec: { ports: [{ port: 1 }] },
    }),
    'c.yaml': `apiVersion: v1\nkind: ServiceList\nitems:\n  - metadata: { name: c, namespace: elsewhere }\n    spec: { ports: [{ port: 1 }] }\n`,
    'd.txt': 'not a manifest',
    '.hidden/e.yaml': service('hidden'),
    'f.yaml': service('f').replace(
      '[{ port: 80 }]',
      '[&p { port: 80, name: x }, { <<: *p, port: 81, name: y }]',
    ),
  })
  t.strictSame(await apply(), [])
  t.strictSame(names(controlPlane, services), ['default/a', 'default/b', 'default/f', 'elsewhere/c'])
  t.ok(controlPlane.store.get(namespaces, 'elsewhere'), 'its namespace was made')
})

void test('a dump of another cluster', async t => {
  const dump = `apiVersion: v1
kind: Service
metadata:
  name: web
  uid: 5b1c
  resourceVersion: "123"
  creationTimestamp: "2026-01-01T00:00:00Z"
  annotations: null
  managedFields: [{ manager: kubectl }]
spec:
  type: LoadBalancer
  selector: { app: web }
  ports: [{ port: 80, targetPort: 8080, nodePort: 31000, protocol: TCP }]
status:
  loadBalancer:
    ingress: [{ ip: 127.97.0.1 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-abcde
  generateName: web-
  labels:
    endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
    kubernetes.io/service-name: web
addressType: IPv4
endpoints: [{ addresses: [10.0.0.1], conditions: { ready: true } }]
ports: [{ name: "", port: 8080, protocol: TCP }]
---
apiVersion: v1
kind: Pod
metadata: { name: elsewhere, labels: { app: web } }
spec: { containers: [{ name: a, image: nginx, resources: { limits: { cpu: 1 } } }], dnsPolicy: Default }
status: { podIP: 10.0.0.2, conditions: [{ type: Ready, status: "True" }] }
`
  const { apply, controlPlane } = await folder(t, { 'dump.yaml': dump })
  t.strictSame(await apply(), [])
  await controlPlane.settled()
  t.strictSame(endpointsOf(controlPlane, 'web'), ['10.0.0.1:8080 ready', '10.0.0.2:8080 ready'])
  t.match(controlPlane.store.get(services, 'default/web'), {
    status: { loadBalancer: { ingress: [{ ip: '127.97.0.1' }] } },
  })
  const version = controlPlane.store.resourceVersion
  t.strictSame(await apply(), [])
  t.equal(controlPlane.store.resourceVersion, version, 'applied again, nothing changes')
})

void test('Endpoints become slices', async t => {
  const { apply, controlPlane } = await folder(t, {
    'e.yaml': `${service('db')}---
apiVersion: v1
kind: Endpoints
metadata: { name: db }
subsets:
  - addresses: [{ ip: 10.0.0.1 }, { ip: "fd00::1" }]
    notReadyAddresses: [{ ip: 10.0.0.2 }]
    ports: [{ port: 5432 }]
`,
  })
  t.strictSame(await apply(), [])
  t.strictSame(names(controlPlane, endpointSlices), ['default/db-0-ipv4', 'default/db-0-ipv6'])
  t.strictSame(endpointsOf(controlPlane, 'db'), [
    '10.0.0.1:5432 ready',
    '10.0.0.2:5432 not ready',
    'fd00::1:5432 ready',
  ])
})

void test('edits: changed, moved, removed, broken', async t => {
  const { apply, write, remove, controlPlane } = await folder(t, {
    'a.yaml': `${nodePort('a', 30_001)}---\n${service('a2')}`,
    'b.yaml': service('b'),
  })
  const portOf = (name: string) =>
    (controlPlane.store.get(services, `default/${name}`) as Service).spec.ports?.[0]?.nodePort
  t.strictSame(await apply(), [])
  const { uid } = controlPlane.store.get(services, 'default/a')?.metadata ?? {}

  await write('a.yaml', `${nodePort('a', 30_002)}---\n${service('a2')}`)
  await write('b.yaml', nodePort('b', 30_001))
  t.strictSame(await apply(), [], 'a nodePort can move from one Service to another')
  t.strictSame([portOf('a'), portOf('b')], [30_002, 30_001])
  t.equal(controlPlane.store.get(services, 'default/a')?.metadata.uid, uid)

  await write('a.yaml', `${nodePort('a', 30_003)}---\nkind: [\n`)
  t.match(await apply(), [/^a.yaml:\d+: YAML syntax error/])
  t.equal(portOf('a'), 30_003, 'what can be read of a broken file is applied')
  t.ok(controlPlane.store.get(services, 'default/a2'), 'what cannot is kept')

  await write('a.yaml', nodePort('a', 1))
  t.match(await apply(), [/^a.yaml:8: spec.ports\[0\].nodePort/])
  t.equal(portOf('a'), 30_003, 'an object that is refused stays as it was')

  await write('a.yaml', nodePort('a', 30_004))
  t.strictSame(await apply(), [])
  t.strictSame(names(controlPlane, services), ['default/a', 'default/b'])
  await remove('b.yaml')
  t.strictSame(await apply(), [])
  t.strictSame(names(controlPlane, services), ['default/a'])
})

void test('objects that other people made are not deleted', async t => {
  const { apply, remove, controlPlane } = await folder(t, { 'a.yaml': service('a') })
  controlPlane.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'own' },
    spec: { ports: [{ port: 1 }] },
  })
  await apply()
  await remove('a.yaml')
  await apply()
  t.strictSame(names(controlPlane, services), ['default/own'])
})

void test('a Pod whose spec changes is replaced', async t => {
  const manifest = (port: number): string =>
    `apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: [{ name: c, image: i, ports: [{ containerPort: ${port} }] }] }\n`
  const { apply, write, controlPlane } = await folder(t, { 'p.yaml': manifest(1) })
  await apply()
  const before = controlPlane.store.get(pods, 'default/p')
  await write('p.yaml', manifest(2))
  t.strictSame(await apply(), [])
  const after = controlPlane.store.get(pods, 'default/p')
  t.not(after?.metadata.uid, before?.metadata.uid)
  t.match(after, { spec: { containers: [{ ports: [{ containerPort: 2 }] }] } })
})

void test('a Pod whose process is ending comes back with its document', async t => {
  const manifest =
    'apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { nodeName: n, containers: [{ name: c, image: i }] }\n'
  const { apply, write, remove, controlPlane } = await folder(t, {
    'p.yaml': manifest,
    'q.yaml': service('q'),
  })
  await apply()
  const before = controlPlane.store.get(pods, 'default/p')
  controlPlane.runningPods.add(before?.metadata.uid ?? '')
  await remove('p.yaml')
  await apply()
  t.match(controlPlane.store.get(pods, 'default/p'), { metadata: { deletionTimestamp: /Z$/ } })
  await write('p.yaml', manifest)
  t.strictSame(await apply(), [])
  const after = controlPlane.store.get(pods, 'default/p')
  t.not(after?.metadata.uid, before?.metadata.uid)
  t.equal(after?.metadata.deletionTimestamp, undefined)
})

void test('a folder that is not there deletes nothing, and says so', async t => {
  const { apply, remove, controlPlane } = await folder(t, { 'a.yaml': service('a') })
  await apply()
  await remove('.')
  t.match(await apply(), [/can't be read \(ENOENT/])
  t.strictSame(names(controlPlane, services), ['default/a'])
})
