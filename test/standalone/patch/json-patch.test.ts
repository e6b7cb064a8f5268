import { test } from 'tap'
import { jsonPatch } from '../../../lib/standalone/patch/json-patch.ts'
import { refusal } from '../builders.ts'

const target = { metadata: { labels: { a: '1' } }, list: [1, 2, 3], 'a/b~c': 1 }

void test('operations', t => {
  const cases: Readonly<Record<string, readonly [patch: unknown, expected: object]>> = {
    'none at all': [[], target],
    'add and replace a member': [
      [
        { op: 'add', path: '/metadata/labels/b', value: '2' },
        { op: 'replace', path: '/metadata/labels/a', value: '3' },
      ],
      { ...target, metadata: { labels: { a: '3', b: '2' } } },
    ],
    'add to a list, before an item and at its end': [
      [
        { op: 'add', path: '/list/1', value: 9 },
        { op: 'add', path: '/list/-', value: 8 },
        { op: 'add', path: '/list/5', value: 7 },
      ],
      { ...target, list: [1, 9, 2, 3, 8, 7] },
    ],
    'remove an item': [[{ op: 'remove', path: '/list/0' }], { ...target, list: [2, 3] }],
    'move and copy': [
      [
        { op: 'copy', from: '/list/0', path: '/metadata/copied' },
        { op: 'move', from: '/list/2', path: '/list/0' },
      ],
      { ...target, metadata: { labels: { a: '1' }, copied: 1 }, list: [3, 1, 2] },
    ],
    'a test that holds': [[{ op: 'test', path: '/metadata/labels', value: { a: '1' } }], target],
    'escaped names': [[{ op: 'replace', path: '/a~1b~0c', value: 2 }], { ...target, 'a/b~c': 2 }],
    'a value that is missing is null': [[{ op: 'add', path: '/x' }], { ...target, x: null }],
    'a member that is replaced need not be there': [
      [{ op: 'replace', path: '/metadata/annotations', value: {} }],
      { ...target, metadata: { labels: { a: '1' }, annotations: {} } },
    ],
    'what is not there is null to a test': [[{ op: 'test', path: '/none', value: null }], target],
  }
  for (const [name, [patch, expected]] of Object.entries(cases)) {
    const before = structuredClone(target)
    t.strictSame(jsonPatch(target, patch), expected, name)
    t.strictSame(target, before, `${name}: the original is as it was`)
  }
  t.end()
})

void test('what is no patch, or can not be done', t => {
  const cases: Readonly<Record<string, readonly [patch: unknown, code: number, message: RegExp]>> = {
    'no list': [{}, 400, /list of operations/],
    'an operation that is none': [[1], 400, /operation 0 is no mapping/],
    'an unknown op': [[{ op: 'nope', path: '/a' }], 422, /unknown op "nope"/],
    'no path': [[{ op: 'add', value: 1 }], 422, /needs a path/],
    'a path without a slash': [[{ op: 'add', path: 'a', value: 1 }], 422, /needs a "\/"/],
    'no source': [[{ op: 'copy', path: '/a' }], 422, /needs a from/],
    'a test that fails': [
      [{ op: 'test', path: '/list/0', value: 2 }],
      422,
      /operation 0 \(test "\/list\/0"\)/,
    ],
    'a test of what is missing': [[{ op: 'test', path: '/none', value: 1 }], 422, /the value is another/],
    'the object as a whole': [[{ op: 'replace', path: '', value: {} }], 422, /as a whole/],
    'an item that is replaced must be there': [
      [{ op: 'replace', path: '/list/4', value: 1 }],
      422,
      /no such place/,
    ],
    'a removal of what is missing': [[{ op: 'remove', path: '/list/7' }], 422, /doesn't exist/],
    'an addition past the end': [[{ op: 'add', path: '/list/9', value: 1 }], 422, /no such place/],
    'an index that is none': [[{ op: 'replace', path: '/list/01', value: 1 }], 422, /doesn't exist/],
    'an addition below what is missing': [[{ op: 'add', path: '/x/y', value: 1 }], 422, /doesn't exist/],
    'an addition below a plain value': [[{ op: 'add', path: '/list/0/y', value: 1 }], 422, /doesn't exist/],
    'a move into itself': [[{ op: 'move', from: '/metadata', path: '/metadata/x' }], 422, /into itself/],
    'too many operations': [Array.from({ length: 10_001 }, () => ({})), 413, /maximum operations .* 10000/],
    'copies of copies': [
      Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '', path: `/copy${i}` })),
      422,
      /copies more than/,
    ],
  }
  for (const [name, [patch, code, message]] of Object.entries(cases)) {
    t.match(
      refusal(() => jsonPatch(target, patch)),
      { code, message },
      name,
    )
  }
  t.end()
})

void test('no path reaches what is not in the document', t => {
  const bad = [
    '/__proto__/polluted',
    '/constructor/prototype/polluted',
    '/hasOwnProperty/polluted',
    '/list/push/polluted',
    '/metadata/labels/a/replace/polluted',
    '/__proto__',
    '/toString',
  ]
  for (const path of bad) {
    const status = refusal(() => {
      const op = path === '/toString' ? 'copy' : 'add'
      jsonPatch(target, [{ op, path: op === 'copy' ? '/x' : path, from: path, value: 1 }])
    })
    t.match(status, { code: 422, message: /doesn't exist/ }, path)
  }
  const reachable: readonly object[] = [
    Object.prototype,
    ...[Object.prototype, Array.prototype, String.prototype].flatMap(prototype =>
      Object.values(Object.getOwnPropertyDescriptors(prototype)).map(({ value }) => Object(value) as object),
    ),
  ]
  t.notOk(reachable.some(object => 'polluted' in object))
  t.end()
})
