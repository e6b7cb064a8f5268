import { test } from 'tap'
import {
  configz,
  kubeProxyConfigurationOf,
  podCidrsOf,
  nodeIpOf,
  type AgentConfiguration,
} from '../../lib/config/agent-configuration.ts'
import { readKubeProxyConfiguration } from '../../lib/config/kube-proxy-configuration.ts'
import { readCidr } from '../../lib/model/cidr.ts'
import { readNodePortRanges } from '../../lib/model/node-port-ranges.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'

const podCidrs = ['10.244.0.0/16', 'fd00::/48'].map(readCidr).filter(cidr => cidr !== null)

const configuration: AgentConfiguration = {
  kubeconfig: '/k',
  nodeName: 'node-1',
  hostnameOverride: 'Node-1',
  bindAddress: '10.0.0.5',
  bindAddressHardFail: true,
  healthzBindAddress: { ip: '::', port: 10_256 },
  metricsBindAddress: null,
  clusterCidrs: podCidrs,
  detectLocalMode: 'ClusterCIDR',
  vipMode: 'netns',
  vipExclude: ['192.0.2.0/24'].map(readCidr).filter(cidr => cidr !== null),
  nodePortRanges: ['primary', 'localhost'].flatMap(entry => readNodePortRanges(entry) ?? []),
  oomScoreAdj: -999,
  logFormat: 'json',
  logLevel: 'debug',
  proxySettings: { ...defaultProxySettings, balance: 'p2c', maxConnections: 5, drainTimeoutMs: 30_000 },
  earlyRetry: true,
  passiveHealthFailures: 3,
  allowLoopbackEndpoints: false,
  minSyncPeriodMs: 100,
  halfClosedTimeoutMs: 3_600_000,
  udpIdleTimeoutMs: 30_000,
  udpStreamTimeoutMs: 120_000,
  maxUdpFlows: 8192,
  maxConnectionsPerClient: 500,
  workers: 4,
  stateDir: '/var/lib/kube-relay',
  shutdownTimeoutMs: 25_000,
  orphanGraceMs: 600_000,
  accessLog: '/var/log/kube-relay/access.log',
  accessLogFormat: 'text',
  accessLogSample: 0.01,
  metricsPerService: false,
}

void test('/configz shows the effective values, those of kube-proxy under its own key', async t => {
  t.strictSame(configz(configuration), {
    'kubeproxy.config.k8s.io': {
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      bindAddress: '10.0.0.5',
      bindAddressHardFail: true,
      clientConnection: { kubeconfig: '/k' },
      clusterCIDR: '10.244.0.0/16,fd00::/48',
      detectLocalMode: 'ClusterCIDR',
      healthzBindAddress: '[::]:10256',
      hostnameOverride: 'Node-1',
      logging: { format: 'json', verbosity: 4 },
      metricsBindAddress: '',
      mode: 'userspace',
      nodePortAddresses: ['primary', '127.0.0.0/8', '::1/128'],
      oomScoreAdj: -999,
    },
    'kube-relay': {
      nodeName: 'node-1',
      vipMode: 'netns',
      vipExclude: ['192.0.2.0/24'],
      allowLoopbackEndpoints: false,
      balance: 'p2c',
      proxyProtocol: 'off',
      maxConnections: 5,
      drainTimeout: '30s',
      maxConnectionAge: '0s',
      earlyRetry: 'safe',
      passiveHealth: 'on',
      passiveHealthFailures: 3,
      minSyncPeriod: '100ms',
      halfClosedTimeout: '1h0m0s',
      udpIdleTimeout: '30s',
      udpStreamTimeout: '2m0s',
      maxUdpFlows: 8192,
      workers: 4,
      stateDir: '/var/lib/kube-relay',
      shutdownTimeout: '25s',
      orphanGrace: '10m0s',
      maxConnectionsPerClient: 500,
      logLevel: 'debug',
      accessLog: '/var/log/kube-relay/access.log',
      accessLogFormat: 'text',
      accessLogSample: 0.01,
      metricsPerService: 'off',
    },
  })
})

void test('what is written as KubeProxyConfiguration can be read, and says the same', async t => {
  const { values, ignored } = readKubeProxyConfiguration(
    'written.conf',
    JSON.stringify(kubeProxyConfigurationOf(configuration)),
  )
  t.strictSame(ignored, [])
  t.match(values, {
    kubeconfig: '/k',
    hostnameOverride: 'Node-1',
    bindAddress: '10.0.0.5',
    bindAddressHardFail: true,
    healthzBindAddress: { ip: '::', port: 10_256 },
    detectLocalMode: 'ClusterCIDR',
    oomScoreAdj: -999,
    loggingFormat: 'json',
    v: 4,
  })
  t.strictSame(
    values.clusterCidr?.map(({ text }) => text),
    ['10.244.0.0/16', 'fd00::/48'],
  )
})

void test('whose clients are local', async t => {
  const cases = [
    [null, podCidrs, ['10.244.0.0/16', 'fd00::/48']],
    ['ClusterCIDR', podCidrs, ['10.244.0.0/16', 'fd00::/48']],
    ['ClusterCIDR', [], []],
    ['NodeCIDR', podCidrs, []],
    ['BridgeInterface', podCidrs, []],
    ['InterfaceNamePrefix', podCidrs, []],
  ] as const
  for (const [detectLocalMode, clusterCidrs, expected] of cases) {
    t.strictSame(podCidrsOf({ detectLocalMode, clusterCidrs }), expected, `${detectLocalMode}`)
  }
})

void test("the node's IP, where it is given", async t => {
  for (const [bindAddress, expected] of [
    ['0.0.0.0', null],
    ['::', null],
    ['10.0.0.5', '10.0.0.5'],
    ['fd00::5', 'fd00::5'],
  ] as const) {
    t.equal(nodeIpOf({ bindAddress }), expected)
  }
})
