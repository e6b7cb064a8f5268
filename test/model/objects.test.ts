import { test } from 'tap'
import { describe } from '../../lib/model/fields.ts'
import { isNamespacedName, nameKey, objectKey, type KubeObject } from '../../lib/model/objects.ts'

void test('an object and its name have the same key', async t => {
  for (const metadata of [{ namespace: 'default', name: 'web' }, { name: 'node-1' }]) {
    t.equal(objectKey({ metadata }), nameKey({ namespace: '', ...metadata }))
  }
  t.equal(objectKey({ metadata: { namespace: 'default', name: 'web' } }), 'default/web')
  t.equal(objectKey({ metadata: { name: 'node-1' } }), 'node-1')
})

void test('a key is made of text, whatever the metadata holds', async t => {
  const broken = [null, 5, [], {}, { name: null }, { namespace: 3, name: ['a'] }]
  for (const metadata of broken) {
    t.equal(objectKey({ metadata } as unknown as KubeObject), '', JSON.stringify(metadata))
  }
})

void test('isNamespacedName', async t => {
  t.ok(isNamespacedName({ namespace: 'default', name: 'web-1.x' }))
  for (const name of ['', 'a/b', 'a:b', '-a', 'a-', 'A', 'a b', 'a\n', 'x'.repeat(254)]) {
    t.notOk(isNamespacedName({ namespace: 'default', name }), JSON.stringify(name.slice(0, 9)))
    t.notOk(isNamespacedName({ namespace: name, name: 'web' }), JSON.stringify(name.slice(0, 9)))
  }
})

void test('describe: one bounded line for any value', async t => {
  const values: readonly [unknown, string][] = [
    [undefined, 'undefined'],
    [null, 'null'],
    [5, '5'],
    ['a\nb', '"a\\nb"'],
    ['x'.repeat(81), `"${'x'.repeat(80)}"…`],
    [[[1]], 'a list'],
    [{ a: 1 }, 'an object'],
  ]
  for (const [value, expected] of values) t.equal(describe(value), expected)
})
