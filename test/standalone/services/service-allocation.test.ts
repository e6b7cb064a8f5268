import * as fc from 'fast-check'
import { test } from 'tap'
import { AddressAllocator } from '../../../lib/standalone/services/address-allocator.ts'
import { PortAllocator } from '../../../lib/standalone/services/port-allocator.ts'
import { ServiceAllocation } from '../../../lib/standalone/services/service-allocation.ts'
import { serviceStrategy } from '../../../lib/standalone/services/service-strategy.ts'
import type { Service, ServiceSpec } from '../../../lib/standalone/kinds/api-types.ts'
import { services } from '../../../lib/standalone/kinds/resources.ts'
import { Registry } from '../../../lib/standalone/store/registry.ts'
import { Store } from '../../../lib/standalone/store/store.ts'
import { StatusError } from '../../../lib/standalone/kinds/status.ts'
import { controlPlaneFor, namespace, refusal, service } from '../builders.ts'

function allocationWith(problems: string[] = []) {
  const allocation = new ServiceAllocation({
    addresses: [new AddressAllocator('10.96.0.0/28'), new AddressAllocator('fd00:96::/112')],
    ports: new PortAllocator({ first: 100, last: 103 }),
    onProblem: problem => problems.push(problem),
  })
  const strategy = serviceStrategy(allocation)
  const prepare = (object: Service, stored?: Service, dryRun = false) =>
    strategy.prepare(object, stored, { dryRun }) as Service
  return { strategy, prepare }
}

const nodePort = (port: number, more: ServiceSpec = {}): ServiceSpec => ({
  type: 'NodePort',
  ports: [{ port: 80, nodePort: port }],
  ...more,
})

void test('a dry run answers what would be, takes nothing and gives nothing up', async t => {
  const { prepare } = allocationWith()
  const wanted = nodePort(100, { clusterIP: '10.96.0.5' })
  t.match(prepare(service('dry', wanted), undefined, true).spec, {
    clusterIP: '10.96.0.5',
    ports: [{ nodePort: 100 }],
  })
  const web = prepare(service('web', wanted))
  t.match(prepare(service('dry'), undefined, true).spec, { clusterIP: /^10\.96\.0\./ })
  t.match(prepare(service('web', { type: 'ExternalName', externalName: 'e.com' }), web, true).spec, {
    clusterIP: undefined,
  })
  t.match(
    refusal(() => prepare(service('heir', wanted))),
    { code: 422 },
    'a dry run of a release releases nothing',
  )
  t.match(
    refusal(() => prepare(service('heir', nodePort(100)), undefined, true)),
    { code: 422 },
    'a dry run is refused what is taken',
  )
})

void test('over HTTP, too', async t => {
  const { apply, registry } = await controlPlaneFor(t)
  const wanted = nodePort(30_100, { clusterIP: '127.96.0.5' })
  registry.create(services, service('dry', wanted), { dryRun: true })
  t.ok(apply(service('web', wanted)))
  registry.update(services, service('web', { clusterIP: '127.96.0.5' }), { dryRun: true })
  t.match(
    refusal(() => apply(service('heir', nodePort(30_100)))),
    { code: 422 },
  )
})

void test('a full range', async t => {
  const { prepare } = allocationWith()
  const ports = (count: number) => Array.from({ length: count }, (_, i) => ({ name: `p${i}`, port: i + 1 }))
  const four = prepare(service('four', { type: 'NodePort', ports: ports(4) }))
  t.strictSame(four.spec.ports?.map(port => port.nodePort).sort(), [100, 101, 102, 103])
  const status = refusal(() => prepare(service('fifth', { type: 'NodePort' })))
  const message = 'Internal error occurred: failed to allocate a nodePort: range is full'
  t.match(status, { code: 500, reason: 'InternalError', message })
  t.strictSame(status.details, { causes: [{ message: 'failed to allocate a nodePort: range is full' }] })
  for (let i = 0; i < 13; i++) prepare(service(`s${i}`))
  t.match(
    refusal(() => prepare(service('last'))),
    { code: 500, message: /failed to allocate a serviceIP: range is full/ },
    'the fifth has given its address back',
  )
})

void test('Services of an earlier life take what they have again', async t => {
  const problems: string[] = []
  const first = allocationWith()
  const web = first.prepare(service('web', nodePort(101, { ipFamilyPolicy: 'RequireDualStack' })))
  const local: ServiceSpec = {
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 103,
  }
  const balanced = first.prepare(service('balanced', { ...local, allocateLoadBalancerNodePorts: false }))

  const { strategy, prepare } = allocationWith(problems)
  for (const object of [web, balanced, web]) strategy.adopted?.(object)
  t.strictSame(problems, [], 'as often as they like')
  for (const ip of [...(web.spec.clusterIPs ?? []), ...(balanced.spec.clusterIPs ?? [])]) {
    t.match(
      refusal(() => prepare(service('thief', { clusterIP: ip }))),
      { code: 422 },
      ip,
    )
  }
  for (const port of [101, 103]) {
    t.match(
      refusal(() => prepare(service('thief', nodePort(port)))),
      { code: 422 },
      String(port),
    )
  }

  const clash: Service = {
    ...service('clash'),
    spec: { ...web.spec, clusterIP: '10.1.1.1', clusterIPs: ['10.1.1.1'] },
  }
  strategy.adopted?.(clash)
  t.match(problems, [
    /^Service default\/clash keeps 10\.1\.1\.1, which it can't hold: no service CIDR has it/,
    /^Service default\/clash keeps 101, which it can't hold: Service default\/web has it/,
  ])
  strategy.released?.(clash)
  t.match(
    refusal(() => prepare(service('thief', nodePort(101)))),
    { code: 422 },
    "one that goes doesn't take another's port with it",
  )
  strategy.released?.(web)
  t.ok(prepare(service('heir', nodePort(101, { clusterIP: web.spec.clusterIP ?? '' }))))
})

void test('a Service with PreferDualStack stays as it is when its cluster becomes dual-stack', async t => {
  const addresses = [new AddressAllocator('10.96.0.0/28')]
  const single = serviceStrategy(new ServiceAllocation({ addresses, ports: new PortAllocator() }))
  const prefer = service('web', { ipFamilyPolicy: 'PreferDualStack' })
  const web = single.prepare(prefer, undefined, { dryRun: false }) as Service
  t.strictSame(web.spec.ipFamilies, ['IPv4'])

  const { strategy, prepare } = allocationWith()
  strategy.adopted?.(web)
  const relabeled = { ...web, metadata: { ...web.metadata, labels: { changed: 'yes' } } }
  t.strictSame(prepare(relabeled, web).spec, web.spec)
  const required = prepare(service('web', { ipFamilyPolicy: 'RequireDualStack' }), web)
  t.strictSame(required.spec.ipFamilies, ['IPv4', 'IPv6'], 'until it asks for more')
})

void test('a write that the store refuses changes no allocation', async t => {
  let full = false
  const store = new Store({
    journal: {
      append: () => {
        if (full) throw new Error('disk full')
      },
      committed: () => Promise.resolve(),
    },
  })
  const { strategy } = allocationWith()
  const registry = new Registry({
    store,
    strategyOf: type => (type === services ? strategy : { prepare: object => object }),
  })
  registry.apply(namespace('default'))
  registry.apply(service('web', nodePort(100, { clusterIP: '10.96.0.5' })))
  full = true
  t.throws(() => registry.apply(service('new', nodePort(101, { clusterIP: '10.96.0.6' }))), /disk full/)
  t.throws(() => registry.apply(service('web', nodePort(102))), /disk full/)
  full = false
  t.match(
    refusal(() => registry.apply(service('thief', nodePort(100)))),
    { code: 422 },
    'what the stored one has is still its own',
  )
  t.ok(registry.apply(service('new', nodePort(101, { clusterIP: '10.96.0.6' }))), 'what was refused is free')
  t.ok(registry.apply(service('newer', nodePort(102))))
})

const anySpec: fc.Arbitrary<ServiceSpec> = fc
  .record({
    type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName', 'Odd'),
    externalTrafficPolicy: fc.constantFrom(undefined, 'Local', 'Cluster'),
    ipFamilyPolicy: fc.constantFrom(undefined, 'SingleStack', 'PreferDualStack', 'RequireDualStack'),
    ipFamilies: fc.constantFrom(undefined, ['IPv4'], ['IPv6'], ['IPv6', 'IPv4']),
    clusterIP: fc.constantFrom(undefined, 'None', '10.96.0.1', '10.96.0.2', 'fd00:96::1', '10.1.1.1'),
    allocateLoadBalancerNodePorts: fc.constantFrom(undefined, false),
    healthCheckNodePort: fc.constantFrom(undefined, 100, 101),
    ports: fc.constantFrom(
      [{ port: 80 }],
      [{ port: 80, nodePort: 100 }],
      [{ port: 0 }],
      [
        { name: 'a', port: 53, nodePort: 102 },
        { name: 'b', port: 53, protocol: 'UDP' },
      ],
    ),
  })
  .map(fields => {
    const { type, ...rest } = fields
    const given = Object.entries(rest).filter(([, value]) => value !== undefined)
    return { type, externalName: 'e.com', selector: { app: 'a' }, ...Object.fromEntries(given) }
  })

const anyStep = fc.record({
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  spec: fc.option(anySpec, { nil: null, freq: 5 }),
  dryRun: fc.boolean(),
})

function holdings(spec: ServiceSpec): readonly (string | number)[] {
  const ips = (spec.clusterIPs ?? []).filter(ip => ip !== 'None')
  const ports = new Set([
    ...(spec.ports ?? []).map(port => port.nodePort ?? 0),
    spec.healthCheckNodePort ?? 0,
  ])
  return [...ips, ...[...ports].filter(port => port > 0)]
}

void test('property: whatever is written, nothing is held twice, and all of it comes back', async t => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), steps => {
      const { strategy, prepare } = allocationWith()
      const stored = new Map<string, Service>()
      for (const { name, spec, dryRun } of steps) {
        const before = stored.get(name)
        if (spec === null) {
          if (before) strategy.released?.(before)
          stored.delete(name)
          continue
        }
        try {
          const written = prepare(service(name, spec), before, dryRun)
          if (!dryRun) stored.set(name, written)
        } catch (error) {
          if (!(error instanceof StatusError)) throw error
        }
        const held = [...stored.values()].flatMap(object => holdings(object.spec))
        if (new Set(held).size !== held.length) return false
      }
      for (const object of stored.values()) strategy.released?.(object)
      const ports = [100, 101, 102, 103].map(nodePort => ({ name: `p${nodePort}`, port: nodePort, nodePort }))
      prepare(service('all', { type: 'NodePort', ports }))
      for (let i = 1; i < 14; i++) prepare(service(`s${i}`))
      return true
    }),
    { numRuns: 500 },
  )
  t.pass()
})
