// How much happens a second, from what was counted at two times. Counters that have gone down are another agent's or
// another worker's by now: there is no rate until the next time.

import { portLabel, type ServiceDetail, type ServiceRates } from './service-detail.ts'
import { rateKey, type Rate, type StatusDocument, type StatusRates } from './status.ts'

interface Counted {
  readonly total: number
  readonly bytesIn: number
  readonly bytesOut: number
}

export function statusRates(before: StatusDocument, after: StatusDocument, seconds: number): StatusRates {
  const counted = ({ services }: StatusDocument): ReadonlyMap<string, Counted> =>
    new Map(services.map(service => [rateKey(service), service.connections]))
  return ratesBetween(counted(before), counted(after), seconds)
}

export function serviceRates(before: ServiceDetail, after: ServiceDetail, seconds: number): ServiceRates {
  const ports = ({ ports }: ServiceDetail): ReadonlyMap<string, Counted> =>
    new Map(ports.map(port => [portLabel(port), port.connections]))
  const endpoints = ({ ports }: ServiceDetail): ReadonlyMap<string, Counted> =>
    new Map(
      ports.flatMap(port =>
        port.endpointDetails.map(({ address, connections }) => [
          `${portLabel(port)} ${address}`,
          connections,
        ]),
      ),
    )
  return {
    ports: ratesBetween(ports(before), ports(after), seconds),
    endpoints: ratesBetween(endpoints(before), endpoints(after), seconds),
  }
}

function ratesBetween(
  before: ReadonlyMap<string, Counted>,
  after: ReadonlyMap<string, Counted>,
  seconds: number,
): ReadonlyMap<string, Rate> {
  const rates = new Map<string, Rate>()
  for (const [key, now] of after) {
    const then = before.get(key)
    if (then === undefined || seconds <= 0) continue
    const rate = {
      connections: (now.total - then.total) / seconds,
      bytesIn: (now.bytesIn - then.bytesIn) / seconds,
      bytesOut: (now.bytesOut - then.bytesOut) / seconds,
    }
    if (Math.min(rate.connections, rate.bytesIn, rate.bytesOut) >= 0) rates.set(key, rate)
  }
  return rates
}
