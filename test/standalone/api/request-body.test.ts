import { test } from 'tap'
import { parseBody } from '../../../lib/standalone/api/request-body.ts'
import { refusal } from '../builders.ts'

const yaml = (text: string) => parseBody({ text, contentType: 'application/yaml' }, 'what').value

void test('YAML that would take the parser long is refused before that', async t => {
  const cases = {
    'a list in flow style': `[${'{a: b},'.repeat(400_000)}]`,
    'nested lists': '['.repeat(1_500_000),
    'nested lists in one line': '- '.repeat(1_500_000),
    'empty documents': '---\n'.repeat(700_000),
    'empty lines': `a:\n${'\n'.repeat(2_000_000)}b`,
    'a mapping': Array.from({ length: 200_000 }, (_, i) => `k${i}: 1\n`).join(''),
  }
  for (const [what, text] of Object.entries(cases)) {
    const status = refusal(() => yaml(text))
    t.match(status, { code: 413, reason: 'RequestEntityTooLarge', message: /send it as JSON/ }, what)
  }
  t.strictSame(yaml(`a: "${'x'.repeat(2_000_000)}"`), { a: 'x'.repeat(2_000_000) }, 'a long text is none')
})

void test('aliases make nothing that is larger than a request may be', async t => {
  const message = /^what: yaml: /
  const long = 'x'.repeat(100_000)
  for (const text of [
    `a: &a ${long}\nb: [${'*a,'.repeat(90)}]`,
    `a: &a {${long}: 1}\nb: [${'*a,'.repeat(90)}]`,
    `a: &a [${'1,'.repeat(20_000)}]\nb: [${'*a,'.repeat(90)}]`,
    'a: &a [*a]',
  ]) {
    t.match(
      refusal(() => yaml(text)),
      { code: 400, message },
    )
  }
  t.strictSame(yaml('a: &a {x: 1}\nb: {<<: *a, y: *a}'), { a: { x: 1 }, b: { x: 1, y: { x: 1 } } })
})

void test('what only YAML has becomes JSON', async t => {
  const text = '%YAML 1.1\n---\na: 2001-01-01\nb: !!set {x}\nc: !!omap [d: 1]\n'
  const value = yaml(text)
  t.strictSame(JSON.parse(JSON.stringify(value)), value)
})
