import * as fc from 'fast-check'
import { test } from 'tap'
import { services } from '../../../lib/standalone/kinds/resources.ts'
import { parseFieldSelector, parseLabelSelector } from '../../../lib/standalone/kinds/selectors.ts'
import { refusal } from '../builders.ts'

const labels = { app: 'web', tier: 'front', 'example.com/rank': '7', empty: '' }
const object = { metadata: { name: 'a', namespace: 'ns', labels }, spec: { clusterIP: 'None' } }

void test('label selectors', async t => {
  const cases: readonly (readonly [selector: string, matches: boolean])[] = [
    ['', true],
    ['app', true],
    ['!app', false],
    ['! app', false],
    ['missing', false],
    ['!missing', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web', true],
    ['app!=web', false],
    ['app!=other', true],
    ['missing!=x', true],
    ['empty=', true],
    ['app in (web,db)', true],
    ['app in ( web , db )', true],
    ['app in (db)', false],
    ['app notin (db)', true],
    ['app notin (web)', false],
    ['missing notin (x)', true],
    ['missing in (x)', false],
    ['app=web,tier in (front,back),!missing', true],
    ['app=web,tier in (back)', false],
    ['example.com/rank>6', true],
    ['example.com/rank<7', false],
    ['app>1', false],
    ['!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name', true],
  ]
  for (const [selector, matches] of cases) t.equal(parseLabelSelector(selector)(object), matches, selector)
  t.equal(parseLabelSelector('a!=b,!c')({ metadata: {} }), true, 'an object without labels')
})

void test('label selectors that do not parse', async t => {
  for (const selector of ['=x', 'a=b=c', 'a in', 'a in (b', 'a,,b', 'a b', '!', 'a>x', '-a', 'a=b c', ',']) {
    t.match(
      refusal(() => parseLabelSelector(selector)),
      { code: 400, reason: 'BadRequest' },
      selector,
    )
  }
})

void test('field selectors', async t => {
  const cases: readonly (readonly [selector: string, matches: boolean])[] = [
    ['', true],
    ['metadata.name=a', true],
    ['metadata.name==b', false],
    ['metadata.namespace!=ns', false],
    ['spec.clusterIP!=None', false],
    ['spec.clusterIP=None,metadata.name=a', true],
    ['spec.type=', true],
  ]
  for (const [selector, matches] of cases)
    t.equal(parseFieldSelector(selector, services)(object), matches, selector)
  t.equal(parseFieldSelector('spec.clusterIP!=None', services)({ metadata: {} }), true, 'without a spec')
  for (const selector of ['spec.unheard=x', 'metadata.name', 'a']) {
    t.match(
      refusal(() => parseFieldSelector(selector, services)),
      { code: 400 },
      selector,
    )
  }
})

void test('property: a selector made of requirements matches as they do', async t => {
  const key = fc.constantFrom('a', 'b', 'x.io/c')
  const value = fc.constantFrom<string>('1', '2', 'z')
  const requirement = fc.oneof(
    fc.tuple(key, value).map(([k, v]) => ({ text: `${k}=${v}`, test: (l: Labels) => l[k] === v })),
    fc.tuple(key, value).map(([k, v]) => ({ text: `${k} != ${v}`, test: (l: Labels) => l[k] !== v })),
    key.map(k => ({ text: k, test: (l: Labels) => k in l })),
    key.map(k => ({ text: `!${k}`, test: (l: Labels) => !(k in l) })),
    fc.tuple(key, fc.array(value, { minLength: 1, maxLength: 3 })).map(([k, vs]) => ({
      text: `${k} in (${vs.join(', ')})`,
      test: (l: Labels) => vs.includes(l[k] ?? ''),
    })),
    fc.tuple(key, fc.array(value, { minLength: 1, maxLength: 3 })).map(([k, vs]) => ({
      text: `${k} notin (${vs.join(',')})`,
      test: (l: Labels) => !vs.includes(l[k] ?? ''),
    })),
  )
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 4 }), fc.dictionary(key, value), (requirements, some) => {
      const matches = parseLabelSelector(requirements.map(({ text }) => text).join(','))
      return (
        matches({ metadata: { labels: { ...some } } }) === requirements.every(({ test }) => test({ ...some }))
      )
    }),
  )
  t.pass()
})

void test('property: no text makes the parsers do anything but match or answer 400', async t => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab=!,()<> inot/.-1'.split('')) }), text => {
      for (const parse of [parseLabelSelector, (s: string) => parseFieldSelector(s, services)]) {
        try {
          parse(text)(object)
        } catch (error) {
          if ((error as { status?: { code?: number } }).status?.code !== 400) throw error
        }
      }
    }),
  )
  t.pass()
})

type Labels = Readonly<Record<string, string>>

void test('a selector takes a time that grows with its length, not with the square of it', async t => {
  const length = 1_000_000
  const inList = parseLabelSelector(`app in (${'web,'.repeat(length / 4)}db)`)
  t.equal(inList(object), true)
  t.match(
    refusal(() => parseLabelSelector(','.repeat(length))),
    { code: 400 },
  )
  t.equal(parseFieldSelector(`metadata.name=a${' '.repeat(length)}`, services)(object), true)
  t.equal(parseFieldSelector(`metadata.name=a${' '.repeat(length)}b`, services)(object), false)
})
