// A process that writes one table after another into a directory until it is killed.

import { openTableFile } from '../../lib/control/table-file.ts'
import type { TableSnapshot } from '../../lib/model/proxy-table.ts'
import { systemClock } from '../../lib/ops/clock.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { servicePort } from '../model/table.ts'

const [directory = ''] = process.argv.slice(2)

for (let generation = 1; ; generation++) {
  const table: TableSnapshot = {
    type: 'snapshot',
    generation,
    asOf: 0,
    localSources: [],
    healthChecked: [],
    // Of one Service each, whose name tells the generation: a mixture would show.
    servicePorts: Array.from({ length: 2000 }, (_, index) => {
      const name = `g${generation}-${index}`
      return servicePort(name, { key: `default/${name}:/TCP/IPv4` as never })
    }),
  }
  const file = openTableFile(directory, { node: 'node-1', log: silentLog, clock: systemClock })
  file.save(() => table)
  await file.close()
  process.send?.(generation)
}
