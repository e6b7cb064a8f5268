// How many connections fit into a limit of descriptors.

import { test } from 'tap'
import { connectionLimit } from '../../../bench/contestants/descriptors.ts'

void test('two descriptors a connection, some kept, and an end to it', async t => {
  const limits = (soft: string): string =>
    `Max processes             1024                 1024                 processes\nMax open files            ${soft}                20000                files\n`
  for (const [soft, kept, expected] of [
    ['20000', 200, 9900],
    ['20000', 2200, 8900],
    ['1024', 200, 412],
    ['100', 200, 1],
    ['1048576', 200, 30_000],
    ['unlimited', 200, 30_000],
  ] as const) {
    t.equal(connectionLimit(kept, limits(soft)), expected, `${soft}, ${kept} kept`)
  }
  t.equal(connectionLimit(200, ''), 30_000, 'where the system tells nothing')
})
