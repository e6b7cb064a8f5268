import { test } from 'tap'
import { choosePinning, divideCores, readCoreList } from '../../bench/pinning.ts'

void test("the kernel's lists of cores", async t => {
  t.strictSame(readCoreList('0-2,5'), [0, 1, 2, 5])
  t.strictSame(readCoreList('3'), [3])
  t.strictSame(readCoreList(''), [0].slice(1))
})

const divisions: readonly [string, readonly number[], number, unknown][] = [
  ['one core is shared', [0], 1, null],
  ['two', [0, 1], 1, { load: [0], proxy: [1] }],
  ['the load keeps one', [0, 1], 8, { load: [0], proxy: [1] }],
  ['the proxy takes what its threads can use', [0, 1, 2, 3], 1, { load: [0, 1, 2], proxy: [3] }],
  ['cores of a container', [4, 6, 7], 2, { load: [4], proxy: [6, 7] }],
]

void test('whose core is which', async t => {
  for (const [name, cores, threads, expected] of divisions)
    t.strictSame(divideCores(cores, threads), expected, name)
})

void test('no pinning, if that is wished', async t => {
  const pinning = await choosePinning(false, 1)
  t.equal(pinning.sets, null)
  t.match(pinning.describe, /--no-pin/)
  await pinning.pin([process.pid], 'proxy')
})

void test('a process that has ended is passed over', async t => {
  const pinning = await choosePinning(true, 1)
  await t.resolves(pinning.pin([2 ** 22 - 1], 'proxy'))
})
