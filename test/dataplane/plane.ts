// A data plane under test, closed when the test is over.

import type { Test } from 'tap'
import type { ServicePortStatus } from '../../lib/dataplane/data-plane.ts'
import { LocalDataPlane, type DataPlaneOptions } from '../../lib/dataplane/local-data-plane.ts'
import type { ServicePort, TableUpdate } from '../../lib/model/proxy-table.ts'
import { defaultOptions } from './plane-options.ts'
import { snapshot } from './table.ts'
import { until } from './until.ts'

export class TestPlane {
  readonly plane: LocalDataPlane
  #generation = 0

  constructor(t: Test, options: Partial<DataPlaneOptions> & Pick<DataPlaneOptions, 'engine'>) {
    this.plane = new LocalDataPlane({ ...defaultOptions, ...options })
    t.teardown(() => this.plane.close())
  }

  /** Makes these service ports the whole table. */
  async serve(...ports: readonly ServicePort[]): Promise<void> {
    await this.plane.apply(snapshot(++this.#generation, ...ports))
  }

  async apply(update: TableUpdate): Promise<void> {
    await this.plane.apply(update)
  }

  /** The status of one service port; of the only one where no name is given. */
  async service(name?: string): Promise<ServicePortStatus> {
    const { servicePorts } = await this.plane.status()
    const found = servicePorts.filter(port => name === undefined || port.key.startsWith(`default/${name}:`))
    if (found[0] === undefined || found.length > 1) throw new Error(`${found.length} services ${name ?? ''}`)
    return found[0]
  }

  async counters(name?: string): Promise<ServicePortStatus['connections']> {
    return (await this.service(name)).connections
  }

  /** Waits until no connection is open: counters are final then. */
  async idle(): Promise<void> {
    await until(async () => (await this.plane.status()).activeConnections === 0, 'connections to end')
  }
}
