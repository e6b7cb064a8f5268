import * as fc from 'fast-check'
import { test } from 'tap'
import { AddressAllocator } from '../../../lib/standalone/services/address-allocator.ts'
import { parsePortRange, PortAllocator } from '../../../lib/standalone/services/port-allocator.ts'

void test('service CIDRs', async t => {
  const cases: readonly (readonly [cidr: string, asked: string, ok: boolean])[] = [
    ['10.96.0.0/16', '10.96.0.1', true],
    ['10.96.5.5/16', '10.96.0.1', true],
    ['10.96.0.0/16', '10.96.0.0', false],
    ['10.96.0.0/16', '10.96.255.255', false],
    ['10.96.0.0/16', '10.97.0.1', false],
    ['10.96.0.0/16', 'fd00::1', false],
    ['10.96.0.0/16', '10.96.0.300', false],
    ['127.96.0.0/16', '127.96.3.4', true],
    ['fd00:96::/108', 'fd00:96:0:0::1', true],
    ['fd00:96::/108', 'fd00:97::1', false],
  ]
  for (const [cidr, ip, ok] of cases)
    t.equal(new AddressAllocator(cidr).allocate(ip).ok, ok, `${ip} of ${cidr}`)
  for (const cidr of ['', '10.0.0.0', '10.0.0.0/33', 'x/8', '10.0.0.0/32', '10.0.0.0/31', '10.0/8']) {
    t.throws(() => new AddressAllocator(cidr), { code: 'INVALID_CONFIG' }, cidr)
  }
})

void test('addresses nobody asked for come from the upper part, then from the lower', async t => {
  const allocator = new AddressAllocator('10.0.0.0/27')
  const ips = Array.from({ length: 30 }, () => allocator.allocateNext())
  t.strictSame(ips[0], { ok: true, value: '10.0.0.17' })
  t.strictSame(ips[14], { ok: true, value: '10.0.0.1' })
  t.strictSame(allocator.allocateNext(), { ok: false, why: 'range is full' })
  allocator.release('10.0.0.20')
  t.strictSame(allocator.allocateNext(), { ok: true, value: '10.0.0.20' })
  const v6 = new AddressAllocator('fd00:96::/64').allocateNext()
  t.strictSame(v6, { ok: true, value: 'fd00:96::101' })
})

void test('node ports', async t => {
  const allocator = new PortAllocator()
  const range = 'provided port is not in the valid range. The range of valid ports is 30000-32767'
  t.strictSame(allocator.allocate(29_999), { ok: false, why: range })
  t.strictSame(allocator.allocate(32_768), { ok: false, why: range })
  t.strictSame(allocator.allocate(30_008), { ok: true, value: 30_008 })
  t.strictSame(allocator.allocate(30_008), { ok: false, why: 'provided port is already allocated' })
  t.strictSame(allocator.allocateNext(), { ok: true, value: 30_086 })
  for (const text of ['', '1', '5-4', '0-9', '1-70000', 'a-b']) {
    t.throws(() => parsePortRange(text), { code: 'INVALID_CONFIG' }, text)
  }
  t.strictSame(parsePortRange('20000-20010'), { first: 20_000, last: 20_010 })
})

const step = fc.oneof(
  fc.record({ do: fc.constant('next' as const) }),
  fc.record({ do: fc.constant('ask' as const), n: fc.integer({ min: 0, max: 45 }) }),
  fc.record({ do: fc.constant('release' as const), n: fc.nat() }),
)

void test('property: nothing is handed out twice, and everything is handed out in the end', async t => {
  const makers = [
    () => {
      const ports = new PortAllocator({ first: 100, last: 139 })
      return {
        size: 40,
        next: () => ports.allocateNext(),
        ask: (n: number) => ports.allocate(100 + n),
        release: (value: string | number) => ports.release(Number(value)),
      }
    },
    () => {
      const addresses = new AddressAllocator('10.0.0.0/27')
      return {
        size: 30,
        next: () => addresses.allocateNext(),
        ask: (n: number) => addresses.allocate(`10.0.0.${n}`),
        release: (value: string | number) => addresses.release(String(value)),
      }
    },
  ]
  fc.assert(
    fc.property(fc.constantFrom(...makers), fc.array(step, { maxLength: 80 }), (make, steps) => {
      const allocator = make()
      const held = new Set<string | number>()
      for (const action of steps) {
        if (action.do === 'release') {
          const value = [...held][action.n % Math.max(held.size, 1)]
          if (value !== undefined && held.delete(value)) allocator.release(value)
          continue
        }
        const result = action.do === 'next' ? allocator.next() : allocator.ask(action.n)
        if (result.ok && held.has(result.value)) return false
        if (!result.ok && action.do === 'next' && held.size < allocator.size) return false
        if (result.ok) held.add(result.value)
      }
      return true
    }),
  )
  t.pass()
})
