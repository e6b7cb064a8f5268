import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { test } from 'tap'
import { stringify } from 'yaml'
import { readKubeProxyConfiguration } from '../../lib/config/kube-proxy-configuration.ts'
import { readYaml } from '../../lib/config/yaml-documents.ts'
import { RelayError } from '../../lib/model/error.ts'

const kubeadm = fixture('kubeadm.conf')
const defaults = fixture('defaults.conf')

function fixture(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8')
}

const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

/** What a file sets, as JSON would show it: without the functions of CIDRs. */
function read(text: string): { readonly values: unknown; readonly ignored: readonly string[] } {
  const { values, ignored } = readKubeProxyConfiguration('kp.conf', text)
  return { values: JSON.parse(JSON.stringify(values)) as unknown, ignored }
}

const cidr = (text: string, family = 'IPv4', isEverything = false) => ({ family, text, isEverything })

void test("kubeadm's file sets what it says and ignores nothing", async t => {
  t.strictSame(read(kubeadm), {
    values: {
      kubeconfig: '/var/lib/kube-proxy/kubeconfig.conf',
      bindAddress: '0.0.0.0',
      clusterCidr: [cidr('10.244.0.0/16')],
    },
    ignored: [],
  })
})

void test('a file with all defaults written out names the sections about the kernel, and the mode', async t => {
  const { values, ignored } = read(defaults)
  t.match(values, {
    healthzBindAddress: { ip: '0.0.0.0', port: 10_256 },
    metricsBindAddress: { ip: '127.0.0.1', port: 10_249 },
    oomScoreAdj: -999,
    loggingFormat: 'text',
  })
  t.strictSame(ignored, ['mode (ipvs)', 'conntrack', 'iptables', 'ipvs', 'nftables'])
})

void test('each field that has a meaning here', async t => {
  const cases: readonly [yaml: string, values: object][] = [
    ['clientConnection: { kubeconfig: /k, qps: 1.5, burst: 3 }', { kubeconfig: '/k' }],
    ['hostnameOverride: Node-1', { hostnameOverride: 'Node-1' }],
    ['bindAddress: "::"', { bindAddress: '::' }],
    ['bindAddressHardFail: true', { bindAddressHardFail: true }],
    ['healthzBindAddress: 127.0.0.1', { healthzBindAddress: { ip: '127.0.0.1', port: 10_256 } }],
    ['metricsBindAddress: "[::]:9"', { metricsBindAddress: { ip: '::', port: 9 } }],
    ['metricsBindAddress: "::1"', { metricsBindAddress: { ip: '::1', port: 10_249 } }],
    ['clusterCIDR: 10.0.0.0/8,fd00::/8', { clusterCidr: [cidr('10.0.0.0/8'), cidr('fd00::/8', 'IPv6')] }],
    ['detectLocalMode: NodeCIDR', { detectLocalMode: 'NodeCIDR' }],
    ['nodePortAddresses: [primary, 10.0.0.0/8]', { nodeportAddresses: ['primary', cidr('10.0.0.0/8')] }],
    [
      'nodePortAddresses: [all]',
      { nodeportAddresses: [cidr('0.0.0.0/0', 'IPv4', true), cidr('::/0', 'IPv6', true)] },
    ],
    ['nodePortAddresses: []', {}],
    ['oomScoreAdj: 0', { oomScoreAdj: 0 }],
    ['logging: { format: json, verbosity: 5 }', { loggingFormat: 'json', v: 5 }],
    ['configSyncPeriod: 1m', {}],
    ['serviceProxyName: ""', {}],
  ]
  for (const [yaml, values] of cases) t.strictSame(read(head + yaml), { values, ignored: [] }, yaml)
  const json =
    '{"apiVersion":"kubeproxy.config.k8s.io/v1alpha1","kind":"KubeProxyConfiguration","bindAddress":"::1"}'
  t.strictSame(read(json).values, { bindAddress: '::1' }, 'JSON')
})

void test('what is ignored is named where it says something', async t => {
  const cases: readonly [yaml: string, ignored: readonly string[]][] = [
    ['mode: userspace', []],
    ['mode: nftables', ['mode (nftables)']],
    ['featureGates: {}', []],
    ['featureGates: { A: false }', []],
    ['featureGates: { A: true }', ['featureGates']],
    ['iptables: { syncPeriod: 0s, localhostNodePorts: false }', []],
    ['winkernel: { networkName: x }\nipvs: { excludeCIDRs: [10.0.0.0/8] }', ['ipvs', 'winkernel']],
    [
      'enableProfiling: true\nportRange: 1-2\nudpIdleTimeout: 250ms',
      ['enableProfiling', 'portRange', 'udpIdleTimeout'],
    ],
  ]
  for (const [yaml, ignored] of cases) t.strictSame(read(head + yaml).ignored, ignored, yaml)
})

void test('each problem is a line that names file and line', async t => {
  const cases: readonly [text: string, ...messages: string[]][] = [
    ['', 'kp.conf: is empty: a KubeProxyConfiguration is expected'],
    ['a: [', /^kp\.conf:1: YAML syntax error/.source],
    [`${head}---\n${head}`, 'kp.conf:4: a second document: one KubeProxyConfiguration is expected'],
    ['- a', 'kp.conf:1: a list instead of a KubeProxyConfiguration'],
    [
      'kind: ConfigMap',
      `kp.conf:1: a ConfigMap: --config takes the file that it holds (in kubeadm's, data["config.conf"])`,
    ],
    ['a: 1', 'kp.conf:1: apiVersion is missing: it must be kubeproxy.config.k8s.io/v1alpha1'],
    [
      'kind: KubeProxyConfiguration\napiVersion: kubeproxy.config.k8s.io/v1',
      'kp.conf:2: apiVersion must be kubeproxy.config.k8s.io/v1alpha1, not "kubeproxy.config.k8s.io/v1"',
    ],
    [
      'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeletConfiguration',
      'kp.conf:2: kind must be KubeProxyConfiguration, not "KubeletConfiguration"',
    ],
    [
      `${head}bindAdress: 1\nclientConnection:\n  kubeConfig: /k`,
      'kp.conf:3: unknown field bindAdress, did you mean bindAddress?',
      'kp.conf:5: unknown field clientConnection.kubeConfig, did you mean clientConnection.kubeconfig?',
    ],
    [`${head}bindAddressHardFail: "yes"`, 'kp.conf:3: bindAddressHardFail must be true or false, not "yes"'],
    [`${head}oomScoreAdj: 2000`, 'kp.conf:3: oomScoreAdj must be an integer from -1000 to 1000, not 2000'],
    [
      `${head}bindAddress: 010.0.0.1`,
      'kp.conf:3: bindAddress must be an IP address such as 0.0.0.0 or ::, not "010.0.0.1"',
    ],
    [
      `${head}healthzBindAddress: 10256`,
      'kp.conf:3: healthzBindAddress must be a string (put it in quotes), not 10256',
    ],
    [
      `${head}metricsBindAddress: host:80`,
      'kp.conf:3: metricsBindAddress must be IP:PORT such as 127.0.0.1:10249 or [::1]:10249, not "host:80"',
    ],
    [
      `${head}clusterCIDR: 10.0.0.0/8,11.0.0.0/8`,
      'kp.conf:3: clusterCIDR must be a CIDR such as 10.244.0.0/16, or one of each IP family with a comma between them, not "10.0.0.0/8,11.0.0.0/8"',
    ],
    [
      `${head}nodePortAddresses:\n- 10.0.0.0/8\n- lokalhost`,
      'kp.conf:5: nodePortAddresses[1] must be a CIDR such as 10.0.0.0/8, or primary, all or localhost, did you mean localhost?, not "lokalhost"',
    ],
    [`${head}nodePortAddresses: primary`, 'kp.conf:3: nodePortAddresses must be a list, not "primary"'],
    [
      `${head}configSyncPeriod: 15\niptables:\n  syncPeriod: 30`,
      'kp.conf:3: configSyncPeriod must be a string (put it in quotes), not 15',
      'kp.conf:5: iptables.syncPeriod must be a string (put it in quotes), not 30',
    ],
    [
      `${head}conntrack: { udpTimeout: soon }`,
      'kp.conf:3: conntrack.udpTimeout must be a duration such as 500ms, 30s or 1h30m, not "soon"',
    ],
    [
      `${head}detectLocalMode: nodeCidr`,
      'kp.conf:3: detectLocalMode must be one of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix (did you mean NodeCIDR?), not "nodeCidr"',
    ],
    [`${head}featureGates: { A: 1 }`, 'kp.conf:3: featureGates.A must be true or false, not 1'],
    [
      `${head}serviceProxyName: mine`,
      'kp.conf:3: serviceProxyName must be empty (kube-relay serves the Services without the label service-proxy-name), not "mine"',
    ],
    [`${head}mode: ""\nmode: ipvs`, 'kp.conf:4: duplicate key mode'],
  ]
  for (const [text, ...messages] of cases) {
    const error = errorOf(text)
    t.type(error, RelayError, text)
    if (!(error instanceof RelayError)) continue
    t.equal(error.code, 'INVALID_CONFIG')
    if (messages[0]?.startsWith('^')) t.match(error.message, new RegExp(messages[0]))
    else t.strictSame(error.message.split('\n'), messages)
  }
})

function errorOf(text: string): unknown {
  try {
    return readKubeProxyConfiguration('kp.conf', text)
  } catch (error) {
    return error
  }
}

function isReadOrRefused(text: string): boolean {
  const result = errorOf(text)
  return result instanceof RelayError ? result.code === 'INVALID_CONFIG' : 'values' in (result as object)
}

void test('property: whatever becomes of a document, it is read or refused as INVALID_CONFIG', async t => {
  const document = readYaml(defaults).documents[0]?.value as Record<string, unknown>
  const leaf = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      true,
      -1,
      0.5,
      2 ** 60,
      '',
      '10.0.0.0/8',
      '::',
      '1h',
      'primary',
      'x'.repeat(5000),
    ),
    fc.jsonValue({ maxDepth: 3 }),
  )
  const paths = pathsOf(document)
  const mutation = fc.tuple(
    fc.constantFrom(...paths),
    fc.oneof(fc.string(), fc.constant('__proto__')),
    leaf,
    fc.nat(2),
  )
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), mutations => {
      const mutant = structuredClone(document)
      for (const [path, name, value, how] of mutations) mutate(mutant, path, name, value, how)
      return isReadOrRefused(stringify(mutant)) && isReadOrRefused(JSON.stringify(mutant))
    }),
    { numRuns: 200 },
  )
  t.pass()
})

void test('property: any text is read or refused as INVALID_CONFIG', async t => {
  fc.assert(
    fc.property(fc.nat(kubeadm.length), fc.nat(40), fc.string(), (at, length, text) =>
      isReadOrRefused(kubeadm.slice(0, at) + text + kubeadm.slice(at + length)),
    ),
    { numRuns: 200 },
  )
  t.ok(isReadOrRefused(`${head}a: ${'['.repeat(20_000)}`), 'nested beyond the stack')
  t.ok(isReadOrRefused(`${head}a: &a [*a]`), 'an alias of itself')
})

type Parent = Record<string, unknown>

function pathsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  const inner =
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, each]) => pathsOf(each, [...path, key]))
      : []
  return path.length === 0 ? inner : [path, ...inner]
}

/** Replaces a value, removes it, or puts another beside it; nothing where an earlier mutation took the place away. */
function mutate(document: Parent, path: readonly string[], name: string, value: unknown, how: number): void {
  let parent: unknown = document
  for (const step of path.slice(0, -1)) {
    parent = typeof parent === 'object' && parent !== null ? (parent as Parent)[step] : undefined
  }
  if (typeof parent !== 'object' || parent === null) return
  const key = path.at(-1) ?? ''
  if (how === 0) delete (parent as Parent)[key]
  else
    Object.defineProperty(parent, how === 1 ? key : name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
}
