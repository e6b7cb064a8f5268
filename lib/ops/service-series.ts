// The series by service port, written out here and not by prom-client: ten times 10,000 of them took it half a second of
// the process's only thread, in which nothing is proxied where the data plane runs in the agent. This takes a tenth of
// that, and lets go of the thread in between.

import { setImmediate } from 'node:timers/promises'
import { columns, failures, type ServiceCounters } from './service-counters.ts'
import type { ServiceStatus } from './status.ts'

/** About a millisecond of work. */
const linesAtATime = 2000

interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  /** What follows the service port's own labels, and the value. */
  readonly samples: (port: ServiceStatus) => readonly (readonly [string, number])[]
}

/** The families of all service ports, in Prometheus' text format. */
export async function serviceSeries(
  services: readonly ServiceStatus[],
  counters: ServiceCounters,
): Promise<string> {
  const labels = services.map(portLabels)
  const parts: string[] = []
  let lines = 0
  for (const { name, help, type, samples } of familiesOf(counters)) {
    const fullName = `kube_relay_service_${name}`
    parts.push(`\n# HELP ${fullName} ${help}, by service port\n# TYPE ${fullName} ${type}\n`)
    for (const [index, port] of services.entries()) {
      for (const [more, value] of samples(port)) {
        parts.push(`${fullName}{${labels[index]}${more}} ${value}\n`)
        lines++
      }
      if (lines < linesAtATime) continue
      lines = 0
      await setImmediate()
    }
  }
  return parts.join('')
}

function familiesOf(counters: ServiceCounters): readonly Family[] {
  return [
    {
      name: 'connections_active',
      help: 'Connections (TCP) and flows (UDP) that are open',
      type: 'gauge',
      samples: ({ connections }) => [['', connections.active]],
    },
    {
      name: 'endpoints',
      help: 'Eligible endpoints, by the list that a traffic policy takes',
      type: 'gauge',
      samples: ({ endpoints: { cluster, local } }) => [
        ...(cluster === null ? [] : [[',list="cluster"', cluster.length] as const]),
        ...(local === null ? [] : [[',list="local"', local.length] as const]),
      ],
    },
    {
      name: 'endpoints_set_aside',
      help: 'Endpoints that get no new connections for a while because dialing them failed',
      type: 'gauge',
      // As for failures below: most service ports never have any.
      samples: ({ setAside }) => (setAside.length === 0 ? [] : [['', setAside.length]]),
    },
    ...columns.map(({ name, help }, index): Family => ({
      name,
      help,
      type: 'counter',
      samples: port => [['', counters.valuesOf(port)[index] ?? 0]],
    })),
    {
      ...failures,
      type: 'counter',
      // A reason that hasn't occurred has no series: there are more reasons than Services have trouble.
      samples: port =>
        counters
          .failuresIn(counters.valuesOf(port))
          .filter(([, value]) => value > 0)
          .map(([reason, value]) => [`,reason="${escaped(reason)}"`, value]),
    },
  ]
}

function portLabels({ namespace, name, portName, protocol }: ServiceStatus): string {
  return `namespace="${escaped(namespace)}",service="${escaped(name)}",port="${escaped(portName)}",protocol="${protocol}"`
}

function escaped(value: string): string {
  if (!/[\\"\n]/.test(value)) return value
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
