// Deletions that take time, and generations: what the registry itself adds to every kind.

import { test } from 'tap'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { endpointSlices, namespaces, pods } from '../../../lib/standalone/kinds/resources.ts'
import { Registry } from '../../../lib/standalone/store/registry.ts'
import { Store } from '../../../lib/standalone/store/store.ts'
import { refusal } from '../builders.ts'

const at = { namespace: 'default', name: 'a' }
const now = new Date('2030-01-02T03:04:05.678Z')

function registryWith(graceSeconds: number): Registry {
  const registry = new Registry({
    store: new Store(),
    strategyOf: type => ({
      prepare: object => object,
      ...(type === pods ? { gracePeriodSeconds: () => graceSeconds } : {}),
    }),
    wallTime: () => now,
  })
  registry.create(namespaces, { metadata: { name: 'default' } })
  return registry
}

const terminationOf = ({ metadata }: KubeObject) => {
  const { deletionTimestamp, deletionGracePeriodSeconds, generation } = metadata as Record<string, unknown>
  return [deletionTimestamp, deletionGracePeriodSeconds, generation]
}

void test('a grace period begins once, can only be shortened, and ends with 0', t => {
  const registry = registryWith(30)
  registry.create(pods, { metadata: { name: 'a' }, spec: {} })
  const first = registry.delete(pods, at)
  t.equal(first.gone, false)
  t.strictSame(terminationOf(first.object), ['2030-01-02T03:04:35Z', 30, 2])
  t.equal(registry.delete(pods, at).object, first.object, 'a second deletion changes nothing')
  t.equal(registry.delete(pods, at, { gracePeriodSeconds: 60 }).object, first.object, 'nor does a longer one')
  const shorter = registry.delete(pods, at, { gracePeriodSeconds: 5 })
  t.strictSame(terminationOf(shorter.object), ['2030-01-02T03:04:10Z', 5, 3])
  const written = registry.update(pods, { metadata: { name: 'a', labels: { x: 'y' } }, spec: {} })
  t.strictSame(terminationOf(written), ['2030-01-02T03:04:10Z', 5, 3], 'an update leaves it as it is')
  const dry = registry.delete(pods, at, { gracePeriodSeconds: 0, dryRun: true })
  t.equal(dry.gone, true)
  t.ok(registry.get(pods, at), 'a dry run deletes nothing')
  const last = registry.delete(pods, at, { gracePeriodSeconds: 0 })
  t.equal(last.gone, true)
  t.strictSame(terminationOf(last.object).slice(0, 2), ['2030-01-02T03:04:05Z', 0])
  t.match(
    refusal(() => registry.get(pods, at)),
    { code: 404 },
  )
  t.end()
})

void test('how long a deletion takes', t => {
  const cases: readonly (readonly [
    name: string,
    usual: number,
    asked: number | undefined,
    expected: number | undefined,
  ])[] = [
    ['as long as usual', 30, undefined, 30],
    ['longer', 30, 90, 90],
    ['not at all', 30, 0, undefined],
    ['a negative time is the shortest one', 30, -5, 1],
    ['nobody would end it', 0, 90, undefined],
  ]
  for (const [name, usual, asked, expected] of cases) {
    const registry = registryWith(usual)
    registry.create(pods, { metadata: { name: 'a' } })
    const options = asked === undefined ? {} : { gracePeriodSeconds: asked }
    const { gone, object } = registry.delete(pods, at, options)
    t.equal(gone, expected === undefined, name)
    if (expected !== undefined) t.equal(terminationOf(object)[1], expected, name)
  }
  t.end()
})

void test('finalizers hold an object beyond its grace period', t => {
  const registry = registryWith(30)
  registry.create(pods, { metadata: { name: 'a', finalizers: ['example.com/hold'] } })
  t.equal(registry.delete(pods, at, { gracePeriodSeconds: 0 }).gone, false)
  registry.update(pods, { metadata: { name: 'a' } })
  t.match(
    refusal(() => registry.get(pods, at)),
    { code: 404 },
  )
  t.end()
})

void test('generations count changes of what is wanted', t => {
  const registry = registryWith(0)
  const slice = { addressType: 'IPv4', endpoints: [] }
  const generationOf = (object: KubeObject) => terminationOf(object)[2]
  const metadata = { name: 'a', generation: 7 }
  t.equal(generationOf(registry.create(endpointSlices, { ...slice, metadata })), 1)
  t.equal(generationOf(registry.update(endpointSlices, { ...slice, metadata })), 1)
  const endpoints = [{ addresses: ['192.0.2.1'] }]
  t.equal(generationOf(registry.update(endpointSlices, { ...slice, endpoints, metadata })), 2)
  const annotated = { ...metadata, annotations: { a: 'b' } }
  t.equal(generationOf(registry.update(endpointSlices, { ...slice, endpoints, metadata: annotated })), 2)
  const labelled = { ...metadata, labels: { a: 'b' } }
  t.equal(generationOf(registry.update(endpointSlices, { ...slice, endpoints, metadata: labelled })), 3)
  t.end()
})

void test('a grace period without end is one that ends with the calendar', async t => {
  const registry = registryWith(30)
  for (const [name, gracePeriodSeconds] of Object.entries({ long: 1e12, longest: Number.MAX_SAFE_INTEGER })) {
    registry.create(pods, { metadata: { name }, spec: {} })
    const { object } = registry.delete(pods, { namespace: 'default', name }, { gracePeriodSeconds })
    t.strictSame(terminationOf(object), ['9999-12-31T23:59:59Z', gracePeriodSeconds, 2])
  }
})

void test('a Namespace that ends can be written, and still waits for what is in it', async t => {
  const registry = registryWith(0)
  registry.create(namespaces, { metadata: { name: 'mine', finalizers: ['example.com/held'] } })
  const held = { metadata: { name: 'a', namespace: 'mine', finalizers: ['example.com/held'] } }
  registry.create(pods, held)
  t.equal(registry.delete(namespaces, { namespace: '', name: 'mine' }).gone, false)
  registry.update(namespaces, { metadata: { name: 'mine', labels: { a: 'b' } } })
  t.match(registry.get(namespaces, { namespace: '', name: 'mine' }), { metadata: { labels: { a: 'b' } } })
  registry.update(pods, { metadata: { name: 'a', namespace: 'mine' } })
  t.match(
    refusal(() => registry.get(namespaces, { namespace: '', name: 'mine' })),
    { code: 404 },
  )
  registry.create(namespaces, { metadata: { name: 'mine', finalizers: ['example.com/held'] } })
  registry.delete(namespaces, { namespace: '', name: 'mine' })
  registry.update(namespaces, { metadata: { name: 'mine' } })
  t.equal(registry.store.get(namespaces, 'mine'), undefined, 'it goes with its last finalizer')
})
