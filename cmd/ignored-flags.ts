// kube-proxy's flags that have nothing to work on in a userspace proxy. They are accepted, so that a command line
// written for kube-proxy starts, left out of help, and named together in one message.

import { Option, type Command } from 'commander'
import { parseBoolean } from './flag-values.ts'

/** Those that may stand alone. */
const switches = [
  'conntrack-tcp-be-liberal',
  'ipvs-strict-arp',
  'iptables-localhost-nodeports',
  'log-json-split-stream',
  'log-text-split-stream',
  'masquerade-all',
  'profiling',
]

const withValue = [
  'config-sync-period',
  'conntrack-max-per-core',
  'conntrack-min',
  'conntrack-tcp-timeout-close-wait',
  'conntrack-tcp-timeout-established',
  'conntrack-udp-timeout',
  'conntrack-udp-timeout-stream',
  'feature-gates',
  'iptables-masquerade-bit',
  'iptables-min-sync-period',
  'iptables-sync-period',
  'ipvs-exclude-cidrs',
  'ipvs-min-sync-period',
  'ipvs-scheduler',
  'ipvs-sync-period',
  'ipvs-tcp-timeout',
  'ipvs-tcpfin-timeout',
  'ipvs-udp-timeout',
  'kube-api-burst',
  'kube-api-content-type',
  'kube-api-qps',
  'log-flush-frequency',
  'log-json-info-buffer-size',
  'log-text-info-buffer-size',
  'pod-bridge-interface',
  'pod-interface-name-prefix',
  'proxy-mode',
  'proxy-port-range',
  'show-hidden-metrics-for-version',
  'vmodule',
]

export const ignoredFlags: readonly string[] = [...switches, ...withValue].toSorted()

export function addIgnoredFlags(command: Command): Command {
  for (const flag of switches) {
    command.addOption(
      new Option(`--${flag} [bool]`).argParser(parseBoolean).preset('true').default(false).hideHelp(),
    )
  }
  for (const flag of withValue) command.addOption(new Option(`--${flag} <value>`).hideHelp())
  return command
}

/** Which of them the command line has, as "--proxy-mode". */
export function ignoredFlagsOf(command: Command): readonly string[] {
  return command.options
    .filter(option => ignoredFlags.includes(option.name()))
    .filter(option => command.getOptionValueSource(option.attributeName()) === 'cli')
    .map(option => `--${option.name()}`)
}
