import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import type { Schema } from '../../../lib/model/schema.ts'
import { strategicMergePatch } from '../../../lib/standalone/patch/strategic-merge-patch.ts'
import { refusal } from '../builders.ts'

const any: Schema = { type: 'any' }
const text: Schema = { type: 'string' }
const port: Schema = { type: 'object', fields: { port: { type: 'integer' }, name: text, deep: any } }
const schema: Schema = {
  type: 'object',
  fields: {
    ports: { type: 'list', items: port, merge: { key: 'port' } },
    finalizers: { type: 'list', items: text, merge: 'set' },
    atomic: { type: 'list', items: port },
    labels: { type: 'map', values: text },
    strategy: { type: 'object', fields: { type: text, rollingUpdate: any, ports: any } },
  },
}

const p = (number: number, name?: string) => (name === undefined ? { port: number } : { port: number, name })

void test('what a patch makes of an object', t => {
  const cases: Readonly<Record<string, readonly [original: object, patch: unknown, expected: object]>> = {
    'plain values replace, null removes': [
      { labels: { a: '1', b: '2' } },
      { labels: { a: '3', b: null, c: '4' } },
      { labels: { a: '3', c: '4' } },
    ],
    'nulls in what is new leave nothing behind': [
      {},
      { labels: { a: null, b: '1' } },
      { labels: { b: '1' } },
    ],
    'a list without a strategy is replaced': [
      { atomic: [p(1), p(2)] },
      { atomic: [p(3)] },
      { atomic: [p(3)] },
    ],
    'so is one of which the schema knows nothing': [{ other: [1] }, { other: [2] }, { other: [2] }],
    'items are merged by their key': [
      { ports: [p(80, 'a'), p(81, 'b')] },
      { ports: [{ port: 81, name: 'c' }] },
      { ports: [p(80, 'a'), p(81, 'c')] },
    ],
    'a new item comes first, as the patch alone has no place for the others': [
      { ports: [p(80, 'a')] },
      { ports: [p(81, 'b')] },
      { ports: [p(81, 'b'), p(80, 'a')] },
    ],
    'a null in an item removes its field': [
      { ports: [p(80, 'a')] },
      { ports: [{ port: 80, name: null }] },
      { ports: [p(80)] },
    ],
    'of several items with one key, the first is meant': [
      { ports: [p(53, 'tcp'), p(53, 'udp')] },
      { ports: [p(53, 'dns')] },
      { ports: [p(53, 'dns'), p(53, 'udp')] },
    ],
    'where no list was, several items with one key stay several': [
      {},
      { ports: [p(53, 'tcp'), p(53, 'udp')] },
      { ports: [p(53, 'tcp'), p(53, 'udp')] },
    ],
    'delete takes an item out': [
      { ports: [p(80), p(81)] },
      { ports: [{ port: 80, $patch: 'delete' }] },
      { ports: [p(81)] },
    ],
    'delete of what is not there is nothing': [
      { ports: [p(80)] },
      { ports: [{ port: 9, $patch: 'delete' }] },
      { ports: [p(80)] },
    ],
    'delete where no list was is an empty list': [
      {},
      { ports: [{ port: 80, $patch: 'delete' }] },
      { ports: [] },
    ],
    'replace in a list keeps only the rest of the patch': [
      { ports: [p(80), p(81)] },
      { ports: [{ $patch: 'replace' }, p(82)] },
      { ports: [p(82)] },
    ],
    'replace in a mapping': [
      { labels: { a: '1' } },
      { labels: { $patch: 'replace', b: '2' } },
      { labels: { b: '2' } },
    ],
    'delete in a mapping empties it': [
      { labels: { a: '1' } },
      { labels: { $patch: 'delete', b: '2' } },
      { labels: {} },
    ],
    'sets grow': [
      { finalizers: ['a/1', 'a/2'] },
      { finalizers: ['a/2', 'a/3'] },
      { finalizers: ['a/1', 'a/2', 'a/3'] },
    ],
    'sets shrink by a parallel list': [
      { finalizers: ['a/1', 'a/2'] },
      { '$deleteFromPrimitiveList/finalizers': ['a/1', 'a/9'] },
      { finalizers: ['a/2'] },
    ],
    'shrinking what is not there is nothing': [{}, { '$deleteFromPrimitiveList/finalizers': ['a/1'] }, {}],
    'an order alone': [
      { ports: [p(80), p(81), p(82)] },
      { '$setElementOrder/ports': [p(82), p(80), p(81)] },
      { ports: [p(82), p(80), p(81)] },
    ],
    'an order with changes; what only the server has keeps its place': [
      { ports: [p(80), p(81), p(82)] },
      { '$setElementOrder/ports': [p(82), p(83)], ports: [p(83, 'new')] },
      { ports: [p(80), p(81), p(82), p(83, 'new')] },
    ],
    'an order for a list that is new': [
      {},
      { '$setElementOrder/ports': [p(81), p(80)], ports: [p(81, 'b'), p(80, 'a')] },
      { ports: [p(81, 'b'), p(80, 'a')] },
    ],
    'an order for a list that nobody has': [{}, { '$setElementOrder/ports': [p(81)] }, {}],
    'an order with a deletion': [
      { ports: [p(80), p(81)] },
      { '$setElementOrder/ports': [p(81)], ports: [{ port: 80, $patch: 'delete' }] },
      { ports: [p(81)] },
    ],
    'an order of a set': [
      { finalizers: ['a/1', 'a/2'] },
      { '$setElementOrder/finalizers': ['a/3', 'a/2'], finalizers: ['a/3'] },
      { finalizers: ['a/3', 'a/1', 'a/2'] },
    ],
    'retainKeys drops the others': [
      { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } },
      { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
      { strategy: { type: 'Recreate' } },
    ],
    'a name of the language is a field like any other': [
      {},
      JSON.parse('{"labels":{"constructor":"a","__proto__":"b"}}'),
      JSON.parse('{"labels":{"constructor":"a","__proto__":"b"}}') as object,
    ],
  }
  for (const [name, [original, patch, expected]] of Object.entries(cases)) {
    const before = structuredClone(original)
    t.strictSame(strategicMergePatch(original, patch, schema), expected, name)
    t.strictSame(original, before, `${name}: the original is as it was`)
  }
  t.equal(({} as Record<string, unknown>)['b'], undefined)
  t.end()
})

void test('what is no patch', t => {
  const original = { ports: [p(80)], finalizers: ['a/1'], strategy: {} }
  const cases: Readonly<Record<string, readonly [patch: unknown, message: RegExp]>> = {
    'a list': [[], /is a mapping/],
    'an item without its key': [{ ports: [{ name: 'a' }] }, /does not contain declared merge key: port/],
    'a deletion without its key': [{ ports: [{ $patch: 'delete' }] }, /declared merge key: port/],
    'an unknown directive': [{ strategy: { $patch: 'shred' } }, /unknown patch type: "shred"/],
    'an unknown directive in a list': [
      { ports: [{ port: 80, $patch: 'merge' }] },
      /unknown patch type: "merge"/,
    ],
    'an item of another type': [{ ports: ['a'] }, /element types are not identical/],
    'an order that is none': [{ '$setElementOrder/ports': 'a' }, /must be a list/],
    'an order that the patch breaks': [
      { '$setElementOrder/ports': [p(80)], ports: [p(81)] },
      /order in patch list of ports/,
    ],
    'an order of what is replaced as a whole': [{ '$setElementOrder/atomic': [] }, /no list that is merged/],
    'a deletion list that is none': [{ '$deleteFromPrimitiveList/finalizers': 'a/1' }, /must be a list/],
    'retained keys that are none': [{ strategy: { $retainKeys: 'type' } }, /retainKeys/],
    'more than what is retained': [{ strategy: { $retainKeys: ['type'], other: 1 } }, /retainKeys/],
  }
  for (const [name, [patch, message]] of Object.entries(cases)) {
    const status = refusal(() => strategicMergePatch(original, patch, schema))
    t.match(status, { code: 400, reason: 'BadRequest', message }, name)
  }
  t.end()
})

const plain = { noNullPrototype: true }
const items = fc.uniqueArray(
  fc.record({ port: fc.integer({ min: 1, max: 8 }), name: fc.constantFrom('a', 'b') }, plain),
  {
    selector: item => item.port,
  },
)
const objects = fc.record(
  {
    ports: items,
    finalizers: fc.uniqueArray(fc.constantFrom('a/1', 'a/2', 'a/3', 'a/4')),
    labels: fc.dictionary(fc.constantFrom('x', 'y', 'z'), fc.constantFrom('1', '2'), plain),
  },
  plain,
)

interface Model {
  readonly ports: readonly { readonly port: number; readonly name: string }[]
  readonly finalizers: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/** The patch from one object to another that kubectl makes: changes, deletions and the order of each list. */
function patchBetween(from: Model, to: Model): object {
  const kept = new Set(to.ports.map(item => item.port))
  const gone = from.ports.filter(item => !kept.has(item.port))
  return {
    labels: {
      ...Object.fromEntries(Object.keys(from.labels).map(key => [key, null])),
      ...to.labels,
    },
    '$setElementOrder/ports': to.ports.map(({ port: number }) => ({ port: number })),
    ports: [...to.ports, ...gone.map(({ port: number }) => ({ port: number, $patch: 'delete' }))],
    '$setElementOrder/finalizers': to.finalizers,
    '$deleteFromPrimitiveList/finalizers': from.finalizers.filter(text_ => !to.finalizers.includes(text_)),
    finalizers: to.finalizers.filter(text_ => !from.finalizers.includes(text_)),
  }
}

void test("kubectl's patch makes the one object of the other, and applied again changes nothing", t => {
  fc.assert(
    fc.property(objects, objects, (from, to) => {
      const patch = patchBetween(from, to)
      const once = strategicMergePatch(from, patch, schema)
      assert.deepStrictEqual(once, to)
      assert.deepStrictEqual(strategicMergePatch(once, patch, schema), to)
    }),
  )
  t.end()
})

void test('fields that a patch does not name are as they were, whatever the patch', t => {
  fc.assert(
    fc.property(
      objects,
      fc.object({ key: fc.constantFrom('ports', 'labels', 'a', '$patch', 'port') }),
      (from, patch) => {
        const original = { ...from, untouched: { a: [1, { b: 2 }] } }
        let result: unknown
        try {
          result = strategicMergePatch(original, patch, schema)
        } catch {
          return // refused: the original is untouched by definition
        }
        if (Object.hasOwn(patch, '$patch')) return
        assert.deepStrictEqual((result as typeof original).untouched, original.untouched)
      },
    ),
  )
  t.end()
})

void test('lists of tens of thousands of items are merged item by item, not each with all others', async t => {
  const ports = Array.from({ length: 50_000 }, (_, i) => ({ port: i + 1 }))
  const removed = ports.map(({ port: number }) => ({ $patch: 'delete', port: number + 49_999 }))
  const fewer = strategicMergePatch({ ports }, { ports: removed }, schema)
  t.strictSame(fewer, { ports: ports.slice(0, -1) })
  const order = ports.filter(({ port: number }) => number % 2 === 0)
  t.strictSame(strategicMergePatch({ ports }, { '$setElementOrder/ports': order }, schema), { ports })
})
