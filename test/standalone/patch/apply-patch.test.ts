import { test } from 'tap'
import { applyPatch } from '../../../lib/standalone/patch/apply-patch.ts'
import { mergePatch } from '../../../lib/standalone/patch/merge-patch.ts'
import { services } from '../../../lib/standalone/kinds/resources.ts'
import { schemaOf } from '../../../lib/standalone/kinds/schemas.ts'

const schema = schemaOf(services)

void test('server-side apply merges what it is given into what there is', t => {
  const live = {
    metadata: { name: 'a', labels: { a: '1', b: '2' }, finalizers: ['x/1'] },
    spec: {
      clusterIP: '10.0.0.1',
      ports: [
        { port: 53, protocol: 'TCP', name: 'tcp', nodePort: 30_000 },
        { port: 53, protocol: 'UDP', name: 'udp' },
      ],
      externalIPs: ['192.0.2.1'],
    },
  }
  const applied = {
    metadata: { name: 'a', labels: { a: '3' }, finalizers: ['x/2'] },
    spec: { ports: [{ port: 53, protocol: 'UDP', name: 'dns' }, { port: 80 }], externalIPs: ['192.0.2.2'] },
  }
  const expected = {
    metadata: { name: 'a', labels: { a: '3', b: '2' }, finalizers: ['x/1', 'x/2'] },
    spec: {
      clusterIP: '10.0.0.1',
      ports: [
        { port: 53, protocol: 'TCP', name: 'tcp', nodePort: 30_000 },
        { port: 53, protocol: 'UDP', name: 'dns' },
        { port: 80 },
      ],
      externalIPs: ['192.0.2.2'],
    },
  }
  const before = structuredClone(live)
  const once = applyPatch(live, applied, schema)
  t.strictSame(once, expected)
  t.strictSame(live, before, 'what there was is as it was')
  t.strictSame(applyPatch(once, applied, schema), once, 'and applied again changes nothing')
  t.strictSame(
    applyPatch({}, { spec: { ports: [{ port: 1 }, { port: 1, protocol: 'TCP' }] } }, schema),
    { spec: { ports: [{ port: 1, protocol: 'TCP' }] } },
    'a port without a protocol is one of TCP',
  )
  t.end()
})

void test('JSON merge patch: the cases of RFC 7386', t => {
  const cases: readonly (readonly [target: unknown, patch: unknown, expected: unknown])[] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  for (const [target, patch, expected] of cases) {
    t.strictSame(mergePatch(target, patch), expected, JSON.stringify(patch))
  }
  t.end()
})
