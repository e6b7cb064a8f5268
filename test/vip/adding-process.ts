// An agent's place in a process of its own, which adds VIPs until it is killed.

import { netnsPlace } from '../../lib/vip/netns-place.ts'

const [name = ''] = process.argv.slice(2)
const place = netnsPlace({ name })
await place.open()
for (let n = 0; ; n++) {
  const ips = Array.from({ length: 50 }, (_, last) => [
    `10.98.${n & 255}.${last}`,
    `fd98::${n}:${last}`,
  ]).flat()
  await place.add(ips.map(ip => ({ ip, source: null })))
}
