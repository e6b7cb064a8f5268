// What --vip-mode means for each frontend's address: nothing, that it is to be made local, or why it must not be. It
// knows what is around the VIPs and changes with the node; whoever changes it has all frontends built again.

import { readCidr, type Cidr } from '../model/cidr.ts'
import type { NodeInfo } from '../model/node.ts'
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
  readonly #otherNodes = new Map<string, Pick<NodeInfo, 'ips' | 'podCidrs'>>()
  #othersKnown = false
  #surroundings: VipSurroundings

  constructor({ vipMode, vipExclude, apiServerIp, clusterCidrs }: VipMarksOptions) {
    this.#mode = vipMode
    this.#clusterCidrs = clusterCidrs
    this.#surroundings = {
      localIps: new Set(),
      podCidrs: [],
      excluded: vipExclude,
      apiServerIp,
      otherNodes: new Map(),
      otherPodCidrs: [],
    }
    this.setPodCidrs([])
  }

  setLocalIps(localIps: ReadonlySet<string>): void {
    this.#surroundings = { ...this.#surroundings, localIps }
  }

  /** Returns whether they are others than before. */
  setPodCidrs(cidrs: readonly string[]): boolean {
    const changed = cidrs.join() !== this.#podCidrs.join()
    this.#podCidrs = cidrs
    const podCidrs = readCidrs(cidrs)
    this.#surroundings = { ...this.#surroundings, podCidrs }
    return changed
  }

  /** Another node of the cluster; null: it is gone. Returns whether that changes anything here. */
  setOtherNode(name: string, node: Pick<NodeInfo, 'ips' | 'podCidrs'> | null): boolean {
    const before = this.#otherNodes.get(name)
    const same = before?.ips.join() === node?.ips.join() && before?.podCidrs.join() === node?.podCidrs.join()
    if (same) return false
    if (node === null) this.#otherNodes.delete(name)
    else this.#otherNodes.set(name, { ips: node.ips, podCidrs: node.podCidrs })
    this.#othersKnown = false
    return true
  }

  place(kind: Frontend['kind'], ip: string): VipMark {
    if (this.#mode === 'none' || !needsVip(kind, ip, this.#surroundings.localIps)) return {}
    if (!this.#othersKnown) this.#learnOthers()
    const conflict = unsafeVip(kind, ip, this.#surroundings)
    return conflict === null ? { vip: true } : { conflict }
  }

  /** Not at each node: they come by the thousand in a list. */
  #learnOthers(): void {
    const nodes = [...this.#otherNodes]
    this.#surroundings = {
      ...this.#surroundings,
      otherNodes: new Map(nodes.flatMap(([name, { ips }]) => ips.map(ip => [ip, name]))),
      otherPodCidrs: readCidrs([...this.#clusterCidrs, ...nodes.flatMap(([, { podCidrs }]) => podCidrs)]),
    }
    this.#othersKnown = true
  }
}

function readCidrs(texts: readonly string[]): readonly Cidr[] {
  return texts.map(readCidr).filter(cidr => cidr !== null)
}

/** The pods' ranges among local sources, which also are the node's own addresses and loopback. */
export function podRanges(localSources: readonly string[]): readonly string[] {
  return localSources.filter(cidr => !/^127\.|\/32$|\/128$/.test(cidr))
}
