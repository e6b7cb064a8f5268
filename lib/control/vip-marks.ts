// What --vip-mode means for each frontend's address: nothing, that it is to be made local, or why it must not be. It
// knows what is around the VIPs and changes with the node; whoever changes it has all frontends built again.

import { readCidr, type Cidr } from '../model/cidr.ts'
import type { Frontend } from '../model/proxy-table.ts'
import type { VipMode } from '../model/vip-mode.ts'
import { needsVip, unsafeVip, type VipSurroundings } from '../policy/vip-safety.ts'

export interface VipMarksOptions {
  /** `none`: no address has to be made local, and none is refused for what would come of that. */
  readonly vipMode: VipMode
  /** Addresses that must not be made local, whatever Services say. */
  readonly vipExclude: readonly Cidr[]
  /** The address by which the API server is reached; null: it has a name. */
  readonly apiServerIp: string | null
  /** Where pods are, besides those of this node. */
  readonly clusterCidrs: readonly string[]
}

export type VipMark = Pick<Frontend, 'vip' | 'conflict'>

export class VipMarks {
  readonly #mode: VipMode
  readonly #clusterCidrs: readonly string[]
  /** Of this node, as its object says. */
  #podCidrs: readonly string[] = []
  #surroundings: VipSurroundings

  constructor({ vipMode, vipExclude, apiServerIp, clusterCidrs }: VipMarksOptions) {
    this.#mode = vipMode
    this.#clusterCidrs = clusterCidrs
    this.#surroundings = { localIps: new Set(), podCidrs: [], excluded: vipExclude, apiServerIp }
    this.setPodCidrs([])
  }

  setLocalIps(localIps: ReadonlySet<string>): void {
    this.#surroundings = { ...this.#surroundings, localIps }
  }

  /** Returns whether they are others than before. */
  setPodCidrs(cidrs: readonly string[]): boolean {
    const changed = cidrs.join() !== this.#podCidrs.join()
    this.#podCidrs = cidrs
    const podCidrs = [...this.#clusterCidrs, ...cidrs].map(readCidr).filter(cidr => cidr !== null)
    this.#surroundings = { ...this.#surroundings, podCidrs }
    return changed
  }

  place(kind: Frontend['kind'], ip: string): VipMark {
    if (this.#mode === 'none' || !needsVip(kind, ip, this.#surroundings.localIps)) return {}
    const conflict = unsafeVip(kind, ip, this.#surroundings)
    return conflict === null ? { vip: true } : { conflict }
  }
}

/** The pods' ranges among local sources, which also are the node's own addresses and loopback. */
export function podRanges(localSources: readonly string[]): readonly string[] {
  return localSources.filter(cidr => !/^127\.|\/32$|\/128$/.test(cidr))
}
