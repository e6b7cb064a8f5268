import { test } from 'tap'
import { alignRows, formatBytes, printable } from '../../lib/ops/text-table.ts'

void test('columns are as wide as their widest cell', async t => {
  t.strictSame(alignRows([['a', 'bb', 'c'], ['aaa', ''], []]), ['a    bb  c', 'aaa', ''])
  t.strictSame(alignRows([]), [])
})

void test('bytes', async t => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 KiB'],
    [1024, '1.0 KiB'],
    [10_240, '10 KiB'],
    [1024 ** 2 * 999, '999 MiB'],
    [1024 ** 2 * 1000, '1.0 GiB'],
    [1024 ** 5 * 5000, '5000 PiB'],
    [0.4, '0 B'],
  ] as const) {
    t.equal(formatBytes(bytes), text, String(bytes))
  }
})

void test('nothing that a terminal would act on', async t => {
  t.equal(
    printable('a\u001b[31mred\u009b2J\rb\tc\n\u00e4 \u4e2d'),
    'a\ufffd[31mred\ufffd2J\ufffdb\ufffdc\n\u00e4 \u4e2d',
  )
})
