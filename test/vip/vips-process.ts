// Another agent's VIPs, in a process of its own that can be killed. The first line of its input are the VIPs,
// as JSON; it writes a line with its status once they are local or have failed; the end of its input is a
// clean stop.

import { createInterface } from 'node:readline'
import { systemClock } from '../../lib/ops/clock.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { openVips } from '../../lib/vip/vips.ts'
import { snapshot } from './vip-test.ts'

const vips = openVips({ mode: 'local', log: silentLog, clock: systemClock, formerPlaces: [] })
const user = vips.user()

async function serve(wanted: readonly string[]): Promise<void> {
  await user.want(snapshot({ web: wanted }))
  user.applied()
  process.stdout.write(`${JSON.stringify(vips.status())}\n`)
}

createInterface(process.stdin)
  .once('line', line => void serve(JSON.parse(line) as readonly string[]))
  .once('close', () => {
    user.leave()
    void vips.close()
  })
