import { test } from 'tap'
import { nodePortRangeHint, readNodePortRanges } from '../../lib/model/node-port-ranges.ts'

void test("CIDRs and kube-proxy's words", async t => {
  const cases: readonly [entry: string, ranges: readonly string[] | null][] = [
    ['10.0.0.0/8', ['10.0.0.0/8']],
    [' fd00::/8 ', ['fd00::/8']],
    ['primary', ['primary']],
    ['all', ['0.0.0.0/0', '::/0']],
    ['localhost', ['127.0.0.0/8', '::1/128']],
    ['', null],
    ['Primary', null],
    ['constructor', null],
    ['10.0.0.0', null],
    ['10.0.0.0/33', null],
    ['primary,all', null],
  ]
  for (const [entry, expected] of cases) {
    const ranges = readNodePortRanges(entry)
    t.strictSame(ranges?.map(range => (range === 'primary' ? range : range.text)) ?? null, expected, entry)
  }
  t.equal(nodePortRangeHint('Primary'), ', did you mean primary?')
  t.equal(nodePortRangeHint('10.0.0.0/33'), '')
})
