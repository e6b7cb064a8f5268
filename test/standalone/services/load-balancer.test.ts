import { join } from 'node:path'
import { test, type Test } from 'tap'
import type { Service, ServiceSpec } from '../../../lib/standalone/kinds/api-types.ts'
import type { ControlPlane } from '../../../lib/standalone/control-plane.ts'
import { events, services } from '../../../lib/standalone/kinds/resources.ts'
import { AddressAllocator } from '../../../lib/standalone/services/address-allocator.ts'
import { LoadBalancerPool } from '../../../lib/standalone/services/load-balancer-pool.ts'
import { controlPlaneFor, service } from '../builders.ts'

const balancer = (name: string, spec: ServiceSpec = {}): Service =>
  service(name, { type: 'LoadBalancer', ...spec })

function ingressOf({ registry }: ControlPlane, name: string): readonly (string | undefined)[] | undefined {
  const object = registry.get(services, { namespace: 'default', name }) as Service
  return object.status?.loadBalancer?.ingress?.map(entry => entry.ip)
}

function warningsAbout({ store }: ControlPlane, name: string): readonly unknown[] {
  const about = store.list(events).items.filter(event => {
    return (event['involvedObject'] as { readonly name?: string }).name === name
  })
  return about.map(event => event['message'])
}

const tinyPool = (t: Test): Promise<ControlPlane> =>
  controlPlaneFor(t, { loadBalancerPool: ['192.0.2.0/30'] })

void test('pools that are none', async t => {
  const serviceCidrs = [new AddressAllocator('10.96.0.0/16')]
  const cases: readonly (readonly [pool: readonly string[], message: RegExp])[] = [
    [['nonsense'], /"nonsense" is no range for --load-balancer-pool; give one such as/],
    [['10.0.0.0/33'], /--load-balancer-pool/],
    [
      ['10.96.128.0/24'],
      /--load-balancer-pool: 10\.96\.128\.0\/24 overlaps the service CIDR 10\.96\.0\.0\/16/,
    ],
    [['10.0.0.0/8'], /overlaps the service CIDR/],
    [['192.0.2.0/24', '192.0.2.128/25'], /overlaps its other range 192\.0\.2\.0\/24/],
    [['224.0.0.0/24'], /--load-balancer-pool: no host can have addresses of 224\.0\.0\.0\/24/],
  ]
  for (const [pool, message] of cases) {
    t.throws(() => new LoadBalancerPool(pool, serviceCidrs), { code: 'INVALID_CONFIG', message }, pool.join())
  }
  await t.rejects(controlPlaneFor(t, { loadBalancerPool: ['127.96.1.0/24'] }), { code: 'INVALID_CONFIG' })
})

void test('each address of a pool once, and never that of a network', async t => {
  const cases: readonly (readonly [pool: string, count: number, first: string])[] = [
    ['192.0.2.0/30', 2, '192.0.2.1'],
    ['192.0.2.0/31', 2, '192.0.2.0'],
    ['192.0.2.7/32', 1, '192.0.2.7'],
    ['192.0.2.0/24', 254, '192.0.2.17'],
    ['2001:db8::1/128', 1, '2001:db8::1'],
  ]
  for (const [cidr, count, first] of cases) {
    const pool = new LoadBalancerPool([cidr], [])
    const family = cidr.includes(':') ? 'IPv6' : 'IPv4'
    const given = new Set<string>()
    for (let next = pool.allocateNext(family); next.ok; next = pool.allocateNext(family))
      given.add(next.value)
    t.equal(given.size, count, cidr)
    t.equal([...given][0], first, cidr)
  }
})

void test('without a pool a Service stays pending, with its node ports', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { object } = controlPlane.apply(balancer('web'))
  t.match(object, { spec: { ports: [{ nodePort: Number }] } })
  t.equal(ingressOf(controlPlane, 'web'), undefined)
})

void test('who gets an address', async t => {
  const controlPlane = await controlPlaneFor(t, {
    serviceCidrs: ['10.96.0.0/16', 'fd00:96::/108'],
    loadBalancerPool: ['192.0.2.0/24', '2001:db8::/64'],
  })
  const cases: readonly (readonly [
    name: string,
    object: Service,
    expected: readonly RegExp[] | undefined,
  ])[] = [
    ['ClusterIP', service('web'), undefined],
    ['NodePort', service('web', { type: 'NodePort' }), undefined],
    ['LoadBalancer', balancer('web'), [/^192\.0\.2\./]],
    ['our class', balancer('web', { loadBalancerClass: 'kube-relay/pool' }), [/^192\.0\.2\./]],
    ['another class', balancer('web', { loadBalancerClass: 'example.com/other' }), undefined],
    ['six', balancer('web', { ipFamilies: ['IPv6'] }), [/^2001:db8::/]],
    ['dual-stack', balancer('web', { ipFamilyPolicy: 'RequireDualStack' }), [/^192/, /^2001/]],
    ['asked', balancer('web', { loadBalancerIP: '192.0.2.200' }), [/^192\.0\.2\.200$/]],
    [
      'asked for one of two',
      balancer('web', { ipFamilyPolicy: 'RequireDualStack', loadBalancerIP: '2001:db8::0:7' }),
      [/^192/, /^2001:db8::7$/],
    ],
  ]
  for (const [name, object, expected] of cases) {
    controlPlane.apply(object)
    const ingress = ingressOf(controlPlane, 'web')
    t.equal(ingress?.length, expected?.length, name)
    if (expected) t.match(ingress, expected, name)
    controlPlane.delete(object)
  }
  t.match(controlPlane.apply(balancer('mode')).object, { metadata: { name: 'mode' } })
  const { status } = controlPlane.registry.get(services, { namespace: 'default', name: 'mode' }) as Service
  t.match(status, { loadBalancer: { ingress: [{ ipMode: 'VIP' }] } })
})

void test('addresses go back to the pool', async t => {
  const asked = balancer('next', { loadBalancerIP: '192.0.2.1' })
  const releases: readonly (readonly [name: string, release: (controlPlane: ControlPlane) => unknown])[] = [
    ['with the Service', controlPlane => controlPlane.delete(balancer('web'))],
    ['with the type', controlPlane => controlPlane.apply(service('web', { type: 'NodePort' }))],
    [
      'for another address',
      controlPlane => controlPlane.apply(balancer('web', { loadBalancerIP: '192.0.2.2' })),
    ],
  ]
  for (const [name, release] of releases) {
    const controlPlane = await tinyPool(t)
    controlPlane.apply(balancer('web'))
    t.strictSame(ingressOf(controlPlane, 'web'), ['192.0.2.1'])
    controlPlane.apply(asked)
    t.equal(ingressOf(controlPlane, 'next'), undefined, 'waits')
    release(controlPlane)
    t.strictSame(ingressOf(controlPlane, 'next'), ['192.0.2.1'], name)
  }
})

void test('a family that goes takes its address with it', async t => {
  const controlPlane = await controlPlaneFor(t, {
    serviceCidrs: ['10.96.0.0/16', 'fd00:96::/108'],
    loadBalancerPool: ['192.0.2.0/24', '2001:db8::/126'],
  })
  controlPlane.apply(balancer('web', { ipFamilyPolicy: 'RequireDualStack' }))
  const [first] = ingressOf(controlPlane, 'web') ?? []
  controlPlane.apply(balancer('web', { ipFamilyPolicy: 'SingleStack' }))
  t.strictSame(ingressOf(controlPlane, 'web'), [first], 'the other one stays')
  for (const name of ['a', 'b', 'c']) controlPlane.apply(balancer(name, { ipFamilies: ['IPv6'] }))
  t.equal(ingressOf(controlPlane, 'c')?.length, 1, 'all of IPv6 is there')
})

void test('those for whom there is none wait in turn, and say so once', async t => {
  const controlPlane = await tinyPool(t)
  for (const name of ['a', 'b', 'c', 'd']) controlPlane.apply(balancer(name))
  t.strictSame(
    ['a', 'b', 'c', 'd'].map(name => ingressOf(controlPlane, name)?.[0]),
    ['192.0.2.1', '192.0.2.2', undefined, undefined],
  )
  controlPlane.apply(balancer('d', { selector: { app: 'changed' } }))
  const full =
    /^the pool \(192\.0\.2\.0\/30\) has no free IPv4 address; the Service gets the next one that comes free$/
  t.match(warningsAbout(controlPlane, 'd'), [full])
  t.equal(warningsAbout(controlPlane, 'd').length, 1)
  controlPlane.delete(balancer('b'))
  t.strictSame(ingressOf(controlPlane, 'c'), ['192.0.2.2'], 'first come, first served')
  t.equal(ingressOf(controlPlane, 'd'), undefined)
})

void test('addresses that can not be had', async t => {
  const cases: readonly (readonly [asked: ServiceSpec, message: RegExp])[] = [
    [
      { loadBalancerIP: '10.0.0.1' },
      /^spec\.loadBalancerIP 10\.0\.0\.1 can't be had: it is not among the pool's/,
    ],
    [{ loadBalancerIP: '192.0.2.0' }, /not among the pool's addresses \(192\.0\.2\.0\/30\)/],
    [{ loadBalancerIP: '192.0.2.1' }, /can't be had: another Service has it; ask for another one/],
    [{ loadBalancerIP: 'nonsense' }, /it is no IP address; correct it/],
    [{ loadBalancerIP: '2001:db8::1' }, /it is IPv6, and the Service gets IPv4/],
    [{ ipFamilies: ['IPv6'] }, /has no IPv6 addresses; add a range to --load-balancer-pool/],
  ]
  const serviceCidrs = ['127.96.0.0/16', 'fd00:96::/108']
  const controlPlane = await controlPlaneFor(t, { serviceCidrs, loadBalancerPool: ['192.0.2.0/30'] })
  controlPlane.apply(balancer('first'))
  for (const [i, [spec, message]] of cases.entries()) {
    controlPlane.apply(balancer(`s${i}`, spec))
    t.equal(ingressOf(controlPlane, `s${i}`), undefined, String(message))
    t.match(warningsAbout(controlPlane, `s${i}`), [message])
  }
  controlPlane.apply(balancer('s0'))
  t.strictSame(ingressOf(controlPlane, 's0'), ['192.0.2.2'], 'until the request is mended')
})

void test('what somebody else writes into the status is put right', async t => {
  const controlPlane = await tinyPool(t)
  const loadBalancer = { ingress: [{ ip: '9.9.9.9' }] }
  controlPlane.apply({ ...balancer('web'), status: { loadBalancer } })
  t.strictSame(ingressOf(controlPlane, 'web'), ['192.0.2.1'])
})

void test('addresses are kept over a restart, and none is given twice', async t => {
  const dataFile = join(t.testdir(), 'data')
  const loadBalancerPool = ['192.0.2.0/24']
  const first = await controlPlaneFor(t, { dataFile, loadBalancerPool })
  first.apply(balancer('a', { loadBalancerIP: '192.0.2.77' }))
  first.apply(balancer('gone'))
  first.apply(balancer('b'))
  first.delete(balancer('gone'))
  const before = ['a', 'b'].map(name => ingressOf(first, name))
  const { nodePort } = (first.apply(balancer('b')).object as Service).spec.ports?.[0] ?? {}
  await first.store.committed()
  await first.close()

  const second = await controlPlaneFor(t, { dataFile, loadBalancerPool })
  t.strictSame(
    ['a', 'b'].map(name => ingressOf(second, name)),
    before,
  )
  for (const name of ['c', 'd']) second.apply(balancer(name))
  const all = ['a', 'b', 'c', 'd'].flatMap(name => ingressOf(second, name) ?? [])
  t.equal(new Set(all).size, 4)
  const again = (second.apply(balancer('b')).object as Service).spec.ports?.[0]
  t.equal(again?.nodePort, nodePort, 'and so are node ports')
  await second.close()

  const third = await controlPlaneFor(t, { dataFile, loadBalancerPool: ['198.51.100.0/24'] })
  t.match(ingressOf(third, 'b'), [/^198\.51\.100\./], 'unless the pool has them no more')
})
