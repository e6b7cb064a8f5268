// A DesiredState with its surroundings: its log kept, its syncs replayed into a table as a data plane would.

import { DesiredState, type DesiredStateOptions } from '../../lib/control/desired-state.ts'
import { NodePortAddresses } from '../../lib/control/node-port-addresses.ts'
import type { NodeInfo } from '../../lib/model/node.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import type { ServicePort, ServicePortKey, TableUpdate } from '../../lib/model/proxy-table.ts'
import { applyDiff } from '../../lib/model/table-diff.ts'
import { captureLog, type CapturedLog } from './captured-log.ts'

export interface Harness {
  readonly state: DesiredState
  readonly log: CapturedLog
  /** How often `onChange` was called. */
  readonly changes: () => number
  /** Syncs, and applies the update to the replica. */
  readonly sync: () => TableUpdate | null
  /** What a data plane has that got all updates so far. */
  readonly replica: ReadonlyMap<ServicePortKey, ServicePort>
  /** A service port of the replica by the start of its key; throws where it isn't there. */
  readonly port: (key: string) => ServicePort
}

export function createState(options: Partial<DesiredStateOptions> = {}): Harness {
  const log = captureLog()
  let changes = 0
  const state = new DesiredState({
    nodeName: 'node-1',
    nodePortAddresses: new NodePortAddresses([]),
    allowLoopbackEndpoints: false,
    localIps: ['127.0.0.1', '192.168.0.1', '::1', 'fd00:1::1'],
    defaults: defaultProxySettings,
    clusterCidrs: [],
    vipMode: 'none',
    vipExclude: [],
    apiServerIp: null,
    wallClock: () => 0,
    log,
    onChange: () => changes++,
    ...options,
  })
  const replica = new Map<ServicePortKey, ServicePort>()
  let generation = 0
  const sync = (): TableUpdate | null => {
    const update = state.sync()
    if (update === null) return null
    if (update.generation !== generation + 1) throw new Error(`${update.generation} after ${generation}`)
    generation = update.generation
    if (update.type === 'delta') applyDiff(replica, structuredClone(update))
    else {
      replica.clear()
      for (const port of structuredClone(update.servicePorts)) replica.set(port.key, port)
    }
    return update
  }
  const port = (key: string): ServicePort => {
    for (const each of replica.values()) if (each.key.startsWith(key)) return each
    throw new Error(`no ${key} among ${[...replica.keys()].join(', ')}`)
  }
  return { state, log, changes: () => changes, sync, replica, port }
}

/** One whose lists are complete and empty, with the first snapshot taken. */
export function createSyncedState(options: Partial<DesiredStateOptions> = {}): Harness {
  const harness = createState(options)
  harness.state.markListed('services')
  harness.state.markListed('endpointSlices')
  harness.sync()
  return harness
}

/** A node without anything; a test says what it is about. */
export function nodeInfo(fields: Partial<NodeInfo> = {}): NodeInfo {
  return { name: 'node-1', zone: '', ips: [], podCidrs: [], ...fields }
}

/** The table in one text, for comparing. */
export function tableText(ports: Iterable<ServicePort>): string {
  return [...ports]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(port => JSON.stringify(port))
    .join('\n')
}
