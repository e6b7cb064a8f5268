// The flags about the agent's own HTTP servers: health, metrics and status.

import { Option, type Command } from 'commander'
import { defaultBindAddresses, healthzPort, metricsPort } from '../lib/config/bind-address.ts'
import { formatAddress } from '../lib/model/address.ts'
import { parseBindAddress, parseBoolean, parsePortOrOff, type BindAddress } from './flag-values.ts'

export interface ServerFlags {
  readonly metricsBindAddress: BindAddress
  readonly healthzBindAddress: BindAddress
  readonly metricsPerService: 'on' | 'off'
}

export function addServerFlags(command: Command, defaults: { readonly healthz: 'on' | 'off' }): Command {
  const { healthz, metrics } = defaultBindAddresses('0.0.0.0')
  const served = defaults.healthz === 'on' ? healthz : 'off'
  return command
    .optionsGroup('Health, metrics and status:')
    .addOption(
      new Option(
        '--metrics-bind-address <ip:port>',
        'where /metrics, /status and /configz are served; "off" for nowhere',
      )
        .argParser(parseBindAddress(metricsPort))
        .default(metrics, formatAddress(metrics.ip, metrics.port)),
    )
    .addOption(
      new Option(
        '--healthz-bind-address <ip:port>',
        'where /healthz and /livez are served; "off" for nowhere',
      )
        .argParser(parseBindAddress(healthzPort))
        .default(served, served === 'off' ? served : formatAddress(served.ip, served.port)),
    )
    .addOption(
      new Option(
        '--metrics-per-service <mode>',
        'series for each service port, about ten; off = only the sums over all',
      )
        .choices(['on', 'off'])
        .default('on'),
    )
}

/** kube-proxy's further flags about these servers, which only `run` has. */
export interface HardFailFlags {
  readonly bindAddressHardFail: boolean
  readonly healthzPort?: number
  readonly metricsPort?: number
}

export function addHardFailFlags(command: Command): Command {
  const port = (server: string): Option =>
    new Option(`--${server}-port <port>`).argParser(parsePortOrOff).hideHelp()
  return command
    .addOption(
      new Option(
        '--bind-address-hard-fail [bool]',
        'end with status 1 when one of the two addresses above is taken',
      )
        .argParser(parseBoolean)
        .preset('true')
        .default(false),
    )
    .addOption(port('healthz'))
    .addOption(port('metrics'))
}
