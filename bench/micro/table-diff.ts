// What it takes to find the difference of two tables of plain JSON (nothing in common but their content), and to apply it.

import { applyDiff, diffServicePorts } from '../../lib/model/table-diff.ts'
import type { MicroBenchmark } from './measure.ts'
import { servicePort, tableOf } from './service-ports.ts'
import type { MicroSizes } from './sizes.ts'

export function tableDiff({ services, endpointsPerService }: MicroSizes): readonly MicroBenchmark[] {
  const numbers = Array.from({ length: services }, (_, number) => number)
  const table = () => tableOf(numbers.map(number => servicePort(number, { endpoints: endpointsPerService })))
  const changedPort = servicePort(services >> 1, {
    endpoints: endpointsPerService,
    extraEndpoint: '192.0.2.1:8080',
  })
  const size = `${services} Services`
  return [
    {
      name: `diff of equal tables, ${size}`,
      make: () => {
        const [before, after] = [table(), table()]
        return { call: () => diffServicePorts(before, after) }
      },
    },
    {
      name: `diff of tables with one change, ${size}`,
      make: () => {
        const before = table()
        const after = table().set(changedPort.key, changedPort)
        return { call: () => diffServicePorts(before, after) }
      },
    },
    {
      name: `diff of one Service`,
      make: () => {
        const before = tableOf([servicePort(services >> 1, { endpoints: endpointsPerService })])
        const after = tableOf([changedPort])
        return { call: () => diffServicePorts(before, after) }
      },
    },
    {
      name: `apply a diff of one Service, ${size}`,
      make: () => {
        const all = table()
        const diff = { changed: [changedPort], removed: [] }
        return { call: () => applyDiff(all, diff) }
      },
    },
  ]
}
