// The fields of KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1) of Kubernetes 1.33 to 1.37, and those that
// earlier versions had: kubeadm keeps a cluster's ConfigMap across upgrades. The source is
// staging/src/k8s.io/kube-proxy/config/v1alpha1/types.go.

import { canonicalIp } from '../model/address.ts'
import { readCidr } from '../model/cidr.ts'
import { closest } from '../model/closest.ts'
import { durationExample, readDuration } from '../model/duration.ts'
import { nodePortRangeExample, nodePortRangeHint, readNodePortRanges } from '../model/node-port-ranges.ts'
import type { Check, Schema } from '../model/schema.ts'
import { bindAddressExample, readBindAddress } from './bind-address.ts'

export const apiVersion = 'kubeproxy.config.k8s.io/v1alpha1'
export const kind = 'KubeProxyConfiguration'

/** Sections about kernel rules, which a userspace proxy doesn't write. */
export const kernelSections = ['conntrack', 'iptables', 'ipvs', 'nftables', 'winkernel'] as const

export const localModes = ['ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'] as const
export type LocalMode = (typeof localModes)[number]

const string: Schema = { type: 'string' }
const integer: Schema = { type: 'integer' }
const boolean: Schema = { type: 'boolean' }
const duration = checked(text => (readDuration(text) === null ? durationExample : null))

/** In every string field of KubeProxyConfiguration, "" stands for the default. */
function checked(check: Check<string>): Schema {
  return { type: 'string', check: text => (text === '' ? null : check(text)) }
}

function oneOf(values: readonly string[]): Schema {
  return checked(text => {
    if (values.includes(text)) return null
    const guess = closest(text.slice(0, 40), values)
    return `one of ${values.join(', ')}${guess === undefined ? '' : ` (did you mean ${guess}?)`}`
  })
}

function object(fields: Readonly<Record<string, Schema>>): Schema {
  return { type: 'object', fields }
}

function within(least: number, most: number): Schema {
  return {
    type: 'integer',
    check: value => (value >= least && value <= most ? null : `an integer from ${least} to ${most}`),
  }
}

const ip: Check<string> = text => (canonicalIp(text) === null ? 'an IP address such as 0.0.0.0 or ::' : null)

const bindAddress: Check<string> = text => (readBindAddress(text, 1) === null ? bindAddressExample : null)

/** One CIDR, or one of each family. */
export const podCidrs: Check<string> = text => {
  const cidrs = text.split(',').map(readCidr)
  const families = new Set(cidrs.map(cidr => cidr?.family))
  return families.has(undefined) || families.size !== cidrs.length
    ? 'a CIDR such as 10.244.0.0/16, or one of each IP family with a comma between them'
    : null
}

const nodePortRange: Check<string> = entry =>
  readNodePortRanges(entry) === null ? `${nodePortRangeExample}${nodePortRangeHint(entry)}` : null

const logOptions = object({ splitStream: boolean, infoBufferSize: { type: 'intOrString' } })

export const kubeProxySchema: Schema = object({
  apiVersion: string,
  kind: string,
  bindAddress: checked(ip),
  bindAddressHardFail: boolean,
  clientConnection: object({
    kubeconfig: string,
    acceptContentTypes: string,
    contentType: string,
    qps: { type: 'number' },
    burst: integer,
  }),
  clusterCIDR: checked(podCidrs),
  configSyncPeriod: duration,
  conntrack: object({
    max: integer,
    maxPerCore: integer,
    min: integer,
    tcpBeLiberal: boolean,
    tcpCloseWaitTimeout: duration,
    tcpEstablishedTimeout: duration,
    udpStreamTimeout: duration,
    udpTimeout: duration,
  }),
  detectLocal: object({ bridgeInterface: string, interfaceNamePrefix: string }),
  detectLocalMode: oneOf(localModes),
  enableProfiling: boolean,
  featureGates: { type: 'map', values: boolean },
  healthzBindAddress: checked(bindAddress),
  hostnameOverride: string,
  iptables: object({
    localhostNodePorts: boolean,
    masqueradeAll: boolean,
    masqueradeBit: integer,
    minSyncPeriod: duration,
    syncPeriod: duration,
  }),
  ipvs: object({
    excludeCIDRs: { type: 'list', items: string },
    ipSet: { type: 'any' },
    minSyncPeriod: duration,
    scheduler: string,
    strictARP: boolean,
    syncPeriod: duration,
    tcpFinTimeout: duration,
    tcpTimeout: duration,
    udpTimeout: duration,
  }),
  logging: object({
    flushFrequency: { type: 'intOrString' },
    format: oneOf(['text', 'json']),
    options: object({ text: logOptions, json: logOptions }),
    verbosity: within(0, 2 ** 31 - 1),
    vmodule: { type: 'list', items: object({ filePattern: string, verbosity: integer }) },
  }),
  metricsBindAddress: checked(bindAddress),
  mode: string,
  nftables: object({
    masqueradeAll: boolean,
    masqueradeBit: integer,
    minSyncPeriod: duration,
    syncPeriod: duration,
    tableName: string,
  }),
  nodePortAddresses: { type: 'list', items: { type: 'string', check: nodePortRange } },
  oomScoreAdj: within(-1000, 1000),
  portRange: string,
  resourceContainer: string,
  // Serving all Services instead of those that were handed over would be worse than not starting.
  serviceProxyName: checked(
    () => 'empty (kube-relay serves the Services without the label service-proxy-name)',
  ),
  showHiddenMetricsForVersion: string,
  udpIdleTimeout: duration,
  winkernel: object({
    enableDSR: boolean,
    forwardHealthCheckVip: boolean,
    networkName: string,
    rootHnsEndpointName: string,
    sourceVip: string,
  }),
})
