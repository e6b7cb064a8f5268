// Rules as kube-proxy writes them, for the cluster IPs and NodePorts of a scenario: each new connection of a program on the node
// gets the address of an endpoint before it is routed. In nftables, or as iptables does it.

import { execFileSync } from 'node:child_process'
import type { Owner } from './owner.ts'

export interface KernelRule {
  readonly protocol: 'tcp' | 'udp'
  readonly ip: string
  readonly port: number
  /** "ip:port"; they are taken at random. */
  readonly endpoints: readonly string[]
}

export interface KernelProxy {
  /**
   * A rule that has nothing to do with Services and stays, as CNI plugins have it. Where there is no such rule, the kernel stops
   * tracking connections when the last one goes, and begins anew with the next: established ones break at both.
   */
  masqueradePods(): void
  install(): void
  /** What `kube-proxy --cleanup` does. */
  cleanUp(): void
}

export type KernelProxyMode = 'iptables' | 'nftables'

/** Why there can be none here; null where there can. */
export function missingForKernelProxy(mode: KernelProxyMode): string | null {
  const program = mode === 'iptables' ? 'iptables' : 'nft'
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return null
  } catch {
    return `needs ${program}: install ${mode}`
  }
}

export function kernelProxy(owner: Owner, mode: KernelProxyMode, rules: readonly KernelRule[]): KernelProxy {
  const proxy = mode === 'iptables' ? iptablesProxy(rules) : nftablesProxy(rules)
  owner.teardown(() => proxy.cleanUp())
  return proxy
}

function nftablesProxy(rules: readonly KernelRule[]): KernelProxy {
  const nft = (text: string): void => void execFileSync('nft', ['-f', '-'], { input: text })
  const lines = rules.flatMap(({ protocol, ip, port, endpoints }) =>
    endpoints.map((each, index) => {
      const chance = index === endpoints.length - 1 ? '' : ` numgen random mod ${endpoints.length - index} 0`
      return `ip daddr ${ip} ${protocol} dport ${port}${chance} dnat to ${each}`
    }),
  )
  const chain = `chain services { type nat hook output priority -100; ${lines.join('; ')}; }`
  return {
    masqueradePods: () =>
      nft(
        'table ip cni { chain out { type nat hook postrouting priority 100; ip saddr 10.244.0.0/16 masquerade; }; }',
      ),
    install: () => nft(`table ip kube-proxy { ${chain}; }`),
    cleanUp: () => nft('add table ip kube-proxy; delete table ip kube-proxy'),
  }
}

function iptablesProxy(rules: readonly KernelRule[]): KernelProxy {
  const restore = (lines: readonly string[]): void =>
    void execFileSync('iptables-restore', ['--noflush'], {
      input: ['*nat', ...lines, 'COMMIT', ''].join('\n'),
    })
  const lines = rules.flatMap(({ protocol, ip, port, endpoints }) =>
    endpoints.map((each, index) => {
      const left = endpoints.length - index
      const chance = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(8)}`
      const match = `-d ${ip}/32 -p ${protocol} -m ${protocol} --dport ${port}${chance}`
      return `-A KUBE-SERVICES ${match} -j DNAT --to-destination ${each}`
    }),
  )
  let installed = false
  return {
    masqueradePods: () => restore(['-A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE']),
    install: () => {
      restore([':KUBE-SERVICES - [0:0]', ...lines, '-A OUTPUT -j KUBE-SERVICES'])
      installed = true
    },
    cleanUp: () => {
      if (!installed) return
      installed = false
      restore(['-D OUTPUT -j KUBE-SERVICES', ':KUBE-SERVICES - [0:0]', '-X KUBE-SERVICES'])
    },
  }
}
