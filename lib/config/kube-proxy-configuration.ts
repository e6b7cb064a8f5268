// Reads a KubeProxyConfiguration file, so that a cluster's ConfigMap for kube-proxy works as it is. What the file sets
// comes out as values by the names of the flags; what has no meaning here is named in one note. Whatever the file
// holds, the only error is INVALID_CONFIG, with a line for each problem that names file and line.

import { readFile } from 'node:fs/promises'
import { canonicalIp, type Address } from '../model/address.ts'
import { readCidr, type Cidr } from '../model/cidr.ts'
import { RelayError, reasonOf } from '../model/error.ts'
import { asBoolean, asFields, asList, asString, describe, type Fields } from '../model/fields.ts'
import { readNodePortRanges, type NodePortRange } from '../model/node-port-ranges.ts'
import { conform } from '../model/schema.ts'
import { healthzPort, metricsPort, readBindAddress } from './bind-address.ts'
import {
  apiVersion,
  kernelSections,
  kind,
  kubeProxySchema,
  localModes,
  type LocalMode,
} from './kube-proxy-schema.ts'
import { readYaml, type YamlDocument } from './yaml-documents.ts'

/** What a file sets, by the names of the flags. A field that has kube-proxy's word for "default" sets nothing. */
export interface KubeProxyValues {
  readonly kubeconfig?: string
  readonly hostnameOverride?: string
  readonly bindAddress?: string
  readonly bindAddressHardFail?: boolean
  readonly healthzBindAddress?: Address
  readonly metricsBindAddress?: Address
  readonly clusterCidr?: readonly Cidr[]
  readonly detectLocalMode?: LocalMode
  readonly nodeportAddresses?: readonly NodePortRange[]
  readonly oomScoreAdj?: number
  readonly loggingFormat?: 'text' | 'json'
  readonly v?: number
}

export interface KubeProxyFile {
  readonly values: KubeProxyValues
  /** What the file sets that has no meaning here; "mode (ipvs)" where the value says more. */
  readonly ignored: readonly string[]
}

/** Reads a file from disk. @throws RelayError INVALID_CONFIG, one line for each problem. */
export async function loadKubeProxyConfiguration(file: string): Promise<KubeProxyFile> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new RelayError('INVALID_CONFIG', `--config: ${file} can't be read (${reasonOf(error)})`, {
      cause: error,
    })
  }
  return readKubeProxyConfiguration(file, text)
}

/** `file` is only for messages. @throws RelayError INVALID_CONFIG, one line for each problem. */
export function readKubeProxyConfiguration(file: string, text: string): KubeProxyFile {
  const { documents, problems } = readYaml(text)
  const syntax = problems.map(({ line, message }) => `${file}:${line}: ${message}`)
  if (syntax.length > 0) throw invalid(syntax)
  const [document, second] = documents
  if (document === undefined) throw invalid([`${file}: is empty: a ${kind} is expected`])
  if (second !== undefined) {
    throw invalid([`${file}:${second.locate([]).line}: a second document: one ${kind} is expected`])
  }
  const wrongType = typeProblem(document)
  if (wrongType !== null) throw invalid([`${file}:${wrongType}`])
  const conformed = conform(kubeProxySchema, document.value)
  if (conformed.problems.length > 0) {
    const inOrder = conformed.problems.map(({ path, message }) => ({ ...document.locate(path), message }))
    throw invalid(
      inOrder.toSorted((a, b) => a.line - b.line).map(({ line, message }) => `${file}:${line}: ${message}`),
    )
  }
  const fields = asFields(conformed.value)
  return { values: valuesOf(fields), ignored: ignoredIn(fields) }
}

function invalid(lines: readonly string[]): RelayError {
  return new RelayError('INVALID_CONFIG', lines.join('\n'))
}

/** "LINE: what is wrong with apiVersion or kind", or null. */
function typeProblem({ value, locate }: YamlDocument): string | null {
  const at = (field: string, message: string): string => `${locate([field]).line}: ${message}`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return at('kind', `${describe(value)} instead of a ${kind}`)
  }
  const fields = asFields(value)
  if (fields['kind'] === 'ConfigMap') {
    return at(
      'kind',
      `a ConfigMap: --config takes the file that it holds (in kubeadm's, data["config.conf"])`,
    )
  }
  for (const [field, expected] of [
    ['apiVersion', apiVersion],
    ['kind', kind],
  ] as const) {
    const found = fields[field]
    if (found === expected) continue
    if (found === undefined || found === null) return at(field, `${field} is missing: it must be ${expected}`)
    return at(field, `${field} must be ${expected}, not ${describe(found)}`)
  }
  return null
}

function valuesOf(fields: Fields): KubeProxyValues {
  const logging = asFields(fields['logging'])
  const values: { readonly [Name in keyof KubeProxyValues]: KubeProxyValues[Name] | undefined } = {
    kubeconfig: text(asFields(fields['clientConnection'])['kubeconfig']),
    hostnameOverride: text(fields['hostnameOverride']),
    bindAddress: canonicalIp(fields['bindAddress']) ?? undefined,
    bindAddressHardFail: asBoolean(fields['bindAddressHardFail'], false) || undefined,
    healthzBindAddress: readBindAddress(asString(fields['healthzBindAddress']), healthzPort) ?? undefined,
    metricsBindAddress: readBindAddress(asString(fields['metricsBindAddress']), metricsPort) ?? undefined,
    clusterCidr: nonEmpty(asString(fields['clusterCIDR']).split(',').map(readCidr)),
    detectLocalMode: localModes.find(mode => mode === fields['detectLocalMode']),
    nodeportAddresses: nonEmpty(
      asList(fields['nodePortAddresses']).flatMap(entry => readNodePortRanges(asString(entry)) ?? []),
    ),
    oomScoreAdj: integer(fields['oomScoreAdj']),
    loggingFormat: (['text', 'json'] as const).find(format => format === logging['format']),
    // 0 is the default, and no wish to be less talkative than it.
    v: integer(logging['verbosity']) || undefined,
  }
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

function text(value: unknown): string | undefined {
  return asString(value).trim() || undefined
}

function integer(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

function nonEmpty<T>(values: readonly (T | null)[]): readonly T[] | undefined {
  const found = values.filter(value => value !== null)
  return found.length === 0 ? undefined : found
}

/**
 * clientConnection's rates and content types, configSyncPeriod and the log's flushing are left out even where they are
 * set: they tune kube-proxy's own client and log, and nothing that anyone could observe is missing without them.
 */
function ignoredIn(fields: Fields): readonly string[] {
  const mode = asString(fields['mode'])
  const names = [
    ...kernelSections,
    'enableProfiling',
    'featureGates',
    'portRange',
    'resourceContainer',
    'showHiddenMetricsForVersion',
    'udpIdleTimeout',
  ]
  return [
    ...(mode === '' || mode === 'userspace' ? [] : [`mode (${mode.slice(0, 40)})`]),
    ...names.filter(name => isSet(fields[name])),
  ]
}

/** Whether a value says something: kubeadm writes out every field, most of them with Go's zero values. */
function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(isSet)
  if (typeof value === 'object' && value !== null) return Object.values(value).some(isSet)
  if (typeof value === 'string') return value !== '' && !/^0(?:\.0*)?(?:ns|us|µs|ms|s|m|h)?$/.test(value)
  return value !== undefined && value !== null && value !== 0 && value !== false
}
