import { test } from 'tap'
import {
  dns1035Label,
  dnsLabel,
  dnsSubdomain,
  domainName,
  environmentName,
  labelValue,
  portName,
  qualifiedName,
  type Format,
} from '../../../lib/standalone/kinds/name-formats.ts'

const long = (length: number): string => 'a'.repeat(length)

/** For each format: texts that are right, and texts that are wrong with what is said of them. */
const cases: readonly (readonly [
  name: string,
  format: Format,
  right: readonly string[],
  wrong: readonly (readonly [text: string, message: RegExp])[],
])[] = [
  [
    'dnsLabel',
    dnsLabel,
    ['a', '0', 'a-1', long(63)],
    [
      ['', /^a lowercase RFC 1123 label must consist of .* \(e\.g\. 'my-name', {2}or '123-abc', regex used/],
      ['A', /RFC 1123 label/],
      ['a_b', /RFC 1123 label/],
      ['-a', /RFC 1123 label/],
      ['a-', /RFC 1123 label/],
      ['a.b', /^must not contain dots$/],
      [long(64), /^must be no more than 63 bytes$/],
      ['a\n', /RFC 1123 label/],
    ],
  ],
  [
    'dnsSubdomain',
    dnsSubdomain,
    ['a.b-c.1', long(253)],
    [
      ['a..b', /RFC 1123 subdomain/],
      ['a.', /RFC 1123 subdomain/],
      [long(254), /no more than 253 bytes/],
    ],
  ],
  [
    'dns1035Label',
    dns1035Label,
    ['a', 'a1'],
    [
      ['1a', /DNS-1035 label/],
      ['a.b', /DNS-1035 label/],
    ],
  ],
  [
    'qualifiedName',
    qualifiedName,
    ['a', 'A_b.c', 'example.com/A', long(63)],
    [
      ['', /^name part must be non-empty, name part must consist of/],
      ['/a', /^prefix part must be non-empty$/],
      ['a/', /^name part must be non-empty/],
      ['a/b/c', /^a qualified name must consist of .* with an optional DNS subdomain prefix/],
      ['A.b/c', /^prefix part a lowercase RFC 1123 subdomain/],
      ['-a', /^name part must consist of/],
      [long(64), /^name part must be no more than 63 bytes$/],
    ],
  ],
  [
    'labelValue',
    labelValue,
    ['', 'a', '1.0_b-C'],
    [
      ['a b', /^a valid label must be an empty string or/],
      ['-', /^a valid label/],
      [long(64), /^must be no more than 63 bytes$/],
    ],
  ],
  [
    'portName',
    portName,
    ['http', 'a-1'],
    [
      ['1', /^must contain at least one letter/],
      ['a--b', /consecutive hyphens/],
      ['-a', /begin or end with a hyphen/],
      ['HTTP', /alpha-numeric characters.*, must contain at least one letter/],
      [long(16), /^must be no more than 15 bytes$/],
    ],
  ],
  [
    'environmentName',
    environmentName,
    ['A', '1 b'],
    [
      ['a=b', /printable ASCII/],
      ['ä', /printable ASCII/],
      ['', /non-empty/],
    ],
  ],
  [
    'domainName',
    domainName,
    ['example.com', 'example.com.'],
    [
      ['example', /at least two segments/],
      ['a b.c', /RFC 1123 subdomain/],
      [`${long(64)}.com`, /no more than 63 bytes/],
    ],
  ],
]

for (const [name, format, right, wrong] of cases) {
  void test(name, t => {
    for (const text of right) t.strictSame(format(text), [], text.slice(0, 20))
    for (const [text, message] of wrong)
      t.match(format(text).join(', '), message, JSON.stringify(text.slice(0, 20)))
    t.end()
  })
}

void test('no text, however long or hostile, takes long', t => {
  const hostile = ['a-', 'a.', '/', '-', 'a/'].map(text => `${text.repeat(50_000)}\n=`)
  for (const [name, format] of cases) {
    for (const text of hostile) t.ok(format(text).length > 0, name)
  }
  t.end()
})
