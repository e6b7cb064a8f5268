// Which VIP modes work on this node: what each needs and lacks here, which drawbacks it has, and which one is picked
// where that is left to the program.

import type { VipMode } from '../model/vip-mode.ts'
import type { CheckResult } from '../ops/check-result.ts'
import { capNetAdmin, capSysAdmin, isCapable, type NodeReadings } from './node-readings.ts'

/** The modes that do something, and so may lack something. */
export type ActiveVipMode = Exclude<VipMode, 'none'>

interface Finding {
  /** `missing`: the mode can't work. `drawback`: it does, but not for everyone. */
  readonly kind: 'missing' | 'drawback'
  readonly found: string
  readonly remedy: string
}

type Requirement = (readings: NodeReadings) => Finding | null

const missing = (found: string, remedy: string): Finding => ({ kind: 'missing', found, remedy })
const drawback = (found: string, remedy: string): Finding => ({ kind: 'drawback', found, remedy })

function capability(number: number, name: string): Requirement {
  return readings =>
    isCapable(readings, number)
      ? null
      : missing(
          `${name} is missing`,
          `run it as root, or give it the capability (AmbientCapabilities=${name} in a unit, capabilities.add in a pod)`,
        )
}

const iproute2: Requirement = ({ ip, hasSs }) => {
  const install = 'install iproute2 (apt-get install iproute2, dnf install iproute, apk add iproute2)'
  if (ip === 'missing') return missing('there is no program ip', install)
  if (ip === 'basic') return missing("this program ip can't read a batch (BusyBox's?)", install)
  return hasSs ? null : missing('there is no program ss', install)
}

const namespaceListeners: Requirement = ({ canBindInNamespace, nodeVersion }) =>
  canBindInNamespace
    ? null
    : missing(
        `Node.js ${nodeVersion} can't open listeners in a namespace (no node:ffi, or no net.BoundSocket)`,
        'run kube-relay on Node.js 26 or newer',
      )

const netnsFolder: Requirement = ({ netnsFolderProblem }) =>
  netnsFolderProblem === null
    ? null
    : missing(
        `/run/netns can't be written (${netnsFolderProblem})`,
        "run it as root; in a pod, mount the host's /run/netns with mountPropagation: Bidirectional",
      )

/** With the capabilities, it is a security profile or the kernel's configuration that forbids it. */
const namespaces: Requirement = ({ namespaceProblem }) =>
  namespaceProblem === null
    ? null
    : missing(
        `no namespace with a veth pair can be made, mounted and entered (${namespaceProblem})`,
        'modprobe veth; in a pod, allow unshare, setns and mount (privileged, or seccompProfile and appArmorProfile: Unconfined)',
      )

/** To the namespace, pods' packets and those of other machines are forwarded ones. */
const forwarding: Requirement = ({ sysctl, hasIpv6 }) => {
  const wanted = ['net.ipv4.ip_forward', ...(hasIpv6 ? ['net.ipv6.conf.all.forwarding'] : [])]
  const off = wanted.filter(name => sysctl(name) === '0')
  return off.length === 0
    ? null
    : drawback(
        `${off.join(' and ')} = 0: only this node's own processes reach VIPs, not its pods nor other machines`,
        `sysctl -w ${off.map(name => `${name}=1`).join(' ')}`,
      )
}

const forwardChain: Requirement = ({ forwardDrops }) =>
  forwardDrops.length === 0
    ? null
    : drawback(
        `the policy of ${forwardDrops.map(({ by }) => by).join(' and ')} is to drop: pods and other machines may not reach VIPs`,
        forwardDrops.map(({ remedy }) => remedy).join('; '),
      )

/** Only IPv4 lets a socket be bound to what is local by a route alone. */
const nonlocalBind: Requirement = ({ sysctl, maySet, hasIpv6 }) => {
  const name = 'net.ipv6.ip_nonlocal_bind'
  return !hasIpv6 || sysctl(name) !== '0' || maySet(name)
    ? null
    : drawback(
        `IPv6 VIPs can't be listened to: ${name} = 0, and may not be set from here`,
        `sysctl -w ${name}=1`,
      )
}

/** What holds is the greater of the interface's value and that of "all"; 1 is strict. */
const reversePath: Requirement = ({ sysctl, uplinks }) => {
  const valueOf = (name: string): number => Number(sysctl(`net.ipv4.conf.${name}.rp_filter`) ?? 0)
  const strict = uplinks.filter(name => Math.max(valueOf('all'), valueOf(name)) === 1)
  return uplinks.length < 2 || strict.length === 0
    ? null
    : drawback(
        `rp_filter is strict on ${strict.join(', ')}: with ${uplinks.length} uplinks, the packets of clients to whom the replies would leave by another one are dropped`,
        `sysctl -w ${strict.map(name => `net.ipv4.conf.${name}.rp_filter=2`).join(' ')}`,
      )
}

const arp: Requirement = ({ sysctl }) => {
  const wanted = [
    ['net.ipv4.conf.all.arp_ignore', 1],
    ['net.ipv4.conf.all.arp_announce', 2],
  ] as const
  const low = wanted.filter(([name, least]) => Number(sysctl(name) ?? least) < least)
  return low.length === 0
    ? null
    : drawback(
        'this node answers ARP for every VIP, which disturbs whoever else announces load balancer or external IPs (MetalLB, kube-vip)',
        `sysctl -w ${low.map(([name, least]) => `${name}=${least}`).join(' ')}`,
      )
}

const requirements: Readonly<Record<ActiveVipMode, readonly Requirement[]>> = {
  local: [capability(capNetAdmin, 'CAP_NET_ADMIN'), iproute2, nonlocalBind, reversePath, arp],
  netns: [
    capability(capNetAdmin, 'CAP_NET_ADMIN'),
    capability(capSysAdmin, 'CAP_SYS_ADMIN'),
    iproute2,
    namespaceListeners,
    netnsFolder,
    namespaces,
    forwarding,
    forwardChain,
    reversePath,
  ],
}

function findings(mode: ActiveVipMode, readings: NodeReadings): readonly Finding[] {
  return requirements[mode].map(each => each(readings)).filter(each => each !== null)
}

/** What the mode lacks here, as one sentence with the remedies; null: it works. */
export function vipModeProblem(mode: VipMode, readings: NodeReadings): string | null {
  const lacks = mode === 'none' ? [] : findings(mode, readings).filter(({ kind }) => kind === 'missing')
  return lacks.length === 0 ? null : lacks.map(({ found, remedy }) => `${found}: ${remedy}`).join('; ')
}

export interface ChosenVipMode {
  readonly mode: VipMode
  /** Why this one, as the end of a sentence. */
  readonly reason: string
}

/** The best mode that works here: netns, else local, else none. */
export function chooseVipMode(readings: NodeReadings): ChosenVipMode {
  const lacks = (mode: ActiveVipMode): readonly string[] =>
    findings(mode, readings)
      .filter(({ kind }) => kind === 'missing')
      .map(({ found }) => found)
  const [netns, local] = [lacks('netns'), lacks('local')]
  if (netns.length === 0) return { mode: 'netns', reason: 'this node has all that it needs' }
  if (local.length === 0) return { mode: 'local', reason: `netns isn't possible (${netns.join('; ')})` }
  const reason = `nothing else is possible (${local.join('; ')}); VIPs have to be local already`
  return { mode: 'none', reason }
}

/** What to tell the reader of the log about a mode that works, but not for everyone. */
export function vipModeDrawbacks(mode: VipMode, readings: NodeReadings): readonly string[] {
  if (mode === 'none') return []
  const found = findings(mode, readings).filter(({ kind }) => kind === 'drawback')
  return found.map(({ found, remedy }) => `${found}: ${remedy}`)
}

/** For `kube-relay check`: each mode, whether or not it is the one that is wanted, and what "auto" comes to. */
export function checkVipModes(wanted: VipMode | 'auto', readings: NodeReadings): readonly CheckResult[] {
  const modes = (['local', 'netns'] as const).flatMap(mode => checkMode(mode, wanted, readings))
  if (wanted !== 'auto') return modes
  const { mode, reason } = chooseVipMode(readings)
  const verdict = mode === 'none' ? 'warn' : 'ok'
  return [...modes, { name: 'vip-mode auto', verdict, found: `picks ${mode}: ${reason}` }]
}

function checkMode(
  mode: ActiveVipMode,
  wanted: VipMode | 'auto',
  readings: NodeReadings,
): readonly CheckResult[] {
  const name = `vip-mode ${mode}`
  const found = findings(mode, readings)
  const lacks = found.filter(({ kind }) => kind === 'missing')
  if (lacks.length > 0) {
    const verdict = mode === wanted ? 'fail' : 'warn'
    return lacks.map(({ found, remedy }) => ({ name, verdict, found: `can't work here: ${found}`, remedy }))
  }
  return [
    { name, verdict: 'ok', found: 'works here' },
    ...found.map(({ found, remedy }) => ({ name, verdict: 'warn' as const, found, remedy })),
  ]
}
