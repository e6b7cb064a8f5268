// The endpoints of a test, in a process that counts what it receives.

import type { EndpointCommand, EndpointReport } from './endpoint-process.ts'
import { startHelper } from './helper-process.ts'
import type { Owner } from './owner.ts'

export interface Endpoints {
  report(): Promise<EndpointReport>
  kill(): Promise<void>
}

/** Every local address is a TCP endpoint; these are UDP endpoints, too. */
export async function startEndpoints(owner: Owner, udp: readonly string[]): Promise<Endpoints> {
  const helper = startHelper<EndpointCommand, EndpointReport>('./endpoint-process.ts')
  owner.teardown(() => helper.kill())
  await helper.command({ type: 'start', udp })
  return {
    report: () => helper.command({ type: 'report' }),
    kill: () => helper.kill(),
  }
}

/** The nth endpoint's address: 10.1.0.1 onwards. */
export function endpointAddress(n: number): string {
  return `10.1.${Math.floor(n / 250)}.${(n % 250) + 1}`
}
