import { test } from 'tap'
import { alignRows, formatBytes, printable, printableJson } from '../../lib/ops/text-table.ts'

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
  t.equal(
    printable('a\u202eb\u200bc\u2028d\u{e0041}'),
    'a\ufffdb\ufffdc\ufffdd\ufffd',
    'nor what hides or turns text',
  )
  const value = { 'k\u009b': 'a\u001b[2J\u007f\u202e\u{e0041}\n\u00e4' }
  const json = printableJson(value, 2)
  t.match(json, /^[\n\x20-\x7e\u00e4]*$/)
  t.strictSame(JSON.parse(json), value, 'JSON stays what it was')
  t.equal(printableJson([1, 'a']), '[1,"a"]')
})

void test('a line break in a cell begins no line', async t => {
  t.strictSame(alignRows([['a', 'b\nc  listening'], ['d']]), ['a  b\ufffdc  listening', 'd'])
})
