import { test } from 'tap'
import { conform, formatPath, parsePath, type Schema } from '../../lib/model/schema.ts'

void test('paths are written and read', async t => {
  for (const path of [
    ['spec', 'ports', 0, 'nodePort'],
    ['metadata', 'labels', 'a.b/c'],
    [],
    ['endpoints', 1, 'addresses', 0],
  ]) {
    t.strictSame(parsePath(formatPath(path)), path, formatPath(path))
  }
})

void test('a check says what a value must be', async t => {
  const even = (value: number): string | null => (value % 2 === 0 ? null : 'an even number')
  const word = (value: string): string | null => (/^\w+$/.test(value) ? null : 'a word')
  const schema: Schema = {
    type: 'object',
    fields: {
      even: { type: 'integer', check: even },
      word: { type: 'string', check: word },
      number: { type: 'number' },
    },
  }
  t.strictSame(conform(schema, { even: 2, word: 'a', number: 1.5 }), {
    value: { even: 2, word: 'a', number: 1.5 },
    problems: [],
  })
  const { value, problems } = conform(schema, { even: 3, word: 'a b', number: '1' })
  t.strictSame(value, {})
  t.strictSame(
    problems.map(problem => problem.message),
    [
      'even must be an even number, not 3',
      'word must be a word, not "a b"',
      'number must be a number, not "1"',
    ],
  )
})
