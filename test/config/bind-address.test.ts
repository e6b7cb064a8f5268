import { test } from 'tap'
import { defaultBindAddresses, readBindAddress } from '../../lib/config/bind-address.ts'

void test('IP:PORT, or an IP that takes the default port', async t => {
  const cases: readonly [text: string, ip: string | null, port?: number][] = [
    ['127.0.0.1:80', '127.0.0.1', 80],
    ['0.0.0.0', '0.0.0.0', 10_256],
    ['[::1]:80', '::1', 80],
    ['[::1]', '::1', 10_256],
    ['::', '::', 10_256],
    ['localhost:80', '127.0.0.1', 80],
    ['127.0.0.1:0', '127.0.0.1', 0],
    ['', null],
    [':80', null],
    ['127.0.0.1:', null],
    ['127.0.0.1:65536', null],
    ['127.0.0.1:x', null],
    ['[127.0.0.1', null],
    ['example.com:80', null],
    ['010.0.0.1:80', null],
  ]
  for (const [text, ip, port = 0] of cases) {
    t.strictSame(readBindAddress(text, 10_256), ip === null ? null : { ip, port }, text)
  }
})

void test("the defaults follow the bind address's family", async t => {
  for (const [bindAddress, healthz, metrics] of [
    ['0.0.0.0', '0.0.0.0', '127.0.0.1'],
    ['10.0.0.1', '0.0.0.0', '127.0.0.1'],
    ['::', '::', '::1'],
    ['fd00::1', '::', '::1'],
  ] as const) {
    t.strictSame(defaultBindAddresses(bindAddress), {
      healthz: { ip: healthz, port: 10_256 },
      metrics: { ip: metrics, port: 10_249 },
    })
  }
})
