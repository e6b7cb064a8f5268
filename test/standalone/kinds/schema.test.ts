import * as fc from 'fast-check'
import { test } from 'tap'
import { conform } from '../../../lib/model/schema.ts'
import { schemaOf } from '../../../lib/standalone/kinds/schemas.ts'
import { mergePatch } from '../../../lib/standalone/patch/merge-patch.ts'
import { resourceTypes, services } from '../../../lib/standalone/kinds/resources.ts'

void test('what conforms is kept, the rest is dropped and reported', async t => {
  const input = {
    kind: 'Service',
    metadata: { name: 'a', labels: null, annotations: { 'a/b': 1 } },
    spec: { ports: [{ port: 80, nodeport: 1 }, null], type: null, selector: [], clusterIP: {} },
  }
  const { value, problems } = conform(schemaOf(services), input)
  t.strictSame(value, {
    kind: 'Service',
    metadata: { name: 'a', annotations: {} },
    spec: { ports: [{ port: 80 }] },
  })
  t.strictSame(
    problems.map(problem => problem.message),
    [
      'metadata.annotations["a/b"] must be a string (put it in quotes), not 1',
      'unknown field spec.ports[0].nodeport, did you mean spec.ports[0].nodePort?',
      'spec.selector must be a mapping, not a list',
      'spec.clusterIP must be a string, not a mapping',
    ],
  )
})

void test('property: whatever comes in, what conforms conforms, and no prototype is touched', async t => {
  const key = fc.constantFrom(
    'metadata',
    'spec',
    'ports',
    'name',
    'labels',
    'type',
    '__proto__',
    'constructor',
    'x',
  )
  const { tree } = fc.letrec<{ tree: unknown }>(tie => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<unknown>(null, true, 0, 80, 1.5, '', 'a'),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc
        .array(fc.tuple(key, tie('tree')), { maxLength: 4 })
        .map(entries => Object.fromEntries(entries) as unknown),
    ),
  }))
  fc.assert(
    fc.property(fc.constantFrom(...resourceTypes), tree, (type, input) => {
      const once = conform(schemaOf(type), input)
      const twice = conform(schemaOf(type), once.value)
      return twice.problems.length === 0 && JSON.stringify(twice.value) === JSON.stringify(once.value)
    }),
  )
  t.notOk('ports' in {}, 'Object.prototype is as it was')
})

void test('merge patch: the examples of RFC 7386', async t => {
  const cases: readonly (readonly [target: string, patch: string, result: string])[] = [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', 'null', 'null'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ]
  for (const [target, patch, result] of cases) {
    t.equal(JSON.stringify(mergePatch(JSON.parse(target), JSON.parse(patch))), result, `${target} + ${patch}`)
  }
})

void test('of very many unknown fields only the first are guessed at', async t => {
  const spec = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [`${'selectr'.padEnd(7 + (i % 2))}${i}`, 1]),
  )
  const { problems } = conform(schemaOf(services), { spec })
  const guessed = problems.map(({ message }) => message.includes('did you mean'))
  t.equal(problems.length, 1000)
  t.ok(guessed[0])
  t.notOk(guessed.slice(100).includes(true))
})
