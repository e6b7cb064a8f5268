import { test } from 'tap'
import { FieldErrors } from '../../../lib/standalone/kinds/field-errors.ts'
import {
  checkMetadata,
  checkMetadataUpdate,
  checkPublicIp,
  type WrittenMeta,
} from '../../../lib/standalone/kinds/metadata-validation.ts'
import {
  namespaces,
  nodes,
  pods,
  services,
  type ResourceType,
} from '../../../lib/standalone/kinds/resources.ts'

const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }

/** What is wrong with a new object's metadata, as "field reason". */
const cases: readonly (readonly [
  name: string,
  type: ResourceType,
  metadata: WrittenMeta,
  wrong: readonly string[],
])[] = [
  ['nothing', pods, { name: 'a.b', namespace: 'n' }, []],
  ['no name', pods, { namespace: 'n' }, ['metadata.name FieldValueRequired']],
  ['a Service with a dot', services, { name: 'a.b', namespace: 'n' }, ['metadata.name FieldValueInvalid']],
  [
    'a Service with a digit first',
    services,
    { name: '1a', namespace: 'n' },
    ['metadata.name FieldValueInvalid'],
  ],
  ['a Namespace with a digit first', namespaces, { name: '1a' }, []],
  ['a Namespace with a dot', namespaces, { name: 'a.b' }, ['metadata.name FieldValueInvalid']],
  ['a Node', nodes, { name: 'n1.example.com' }, []],
  [
    'a prefix that may not begin a name',
    pods,
    { generateName: 'A-', name: 'A-x', namespace: 'n' },
    ['metadata.generateName FieldValueInvalid', 'metadata.name FieldValueInvalid'],
  ],
  ['a prefix that ends in a dash', pods, { generateName: 'a-', name: 'a-x', namespace: 'n' }, []],
  [
    'labels',
    pods,
    { name: 'a', namespace: 'n', labels: { 'a b': 'c', d: 'e f' } },
    ['metadata.labels FieldValueInvalid', 'metadata.labels FieldValueInvalid'],
  ],
  ['annotation keys in upper case', pods, { name: 'a', namespace: 'n', annotations: { 'A.B/c': ' ' } }, []],
  [
    'annotation keys',
    pods,
    { name: 'a', namespace: 'n', annotations: { 'a b': '' } },
    ['metadata.annotations FieldValueInvalid'],
  ],
  [
    'annotations of 256 KiB',
    pods,
    { name: 'a', namespace: 'n', annotations: { k: 'v'.repeat(256 * 1024 - 1) } },
    [],
  ],
  [
    'annotations of more',
    pods,
    { name: 'a', namespace: 'n', annotations: { k: 'v'.repeat(256 * 1024) } },
    ['metadata.annotations FieldValueTooLong'],
  ],
  [
    'finalizers',
    pods,
    { name: 'a', namespace: 'n', finalizers: ['example.com/x', 'orphan', 'kubernetes', 'mine', 'a b'] },
    [
      'metadata.finalizers FieldValueInvalid',
      'metadata.finalizers[3] FieldValueInvalid',
      'metadata.finalizers[4] FieldValueInvalid',
    ],
  ],
  [
    'both finalizers of the collector',
    pods,
    { name: 'a', namespace: 'n', finalizers: ['orphan', 'foregroundDeletion'] },
    ['metadata.finalizers FieldValueInvalid'],
  ],
  [
    'an empty owner',
    pods,
    { name: 'a', namespace: 'n', ownerReferences: [{}] },
    ['apiVersion', 'kind', 'name', 'uid'].map(field => `metadata.ownerReferences.${field} FieldValueInvalid`),
  ],
  [
    'two controllers',
    pods,
    {
      name: 'a',
      namespace: 'n',
      ownerReferences: [
        { ...owner, controller: true },
        { ...owner, controller: true },
      ],
    },
    ['metadata.ownerReferences FieldValueInvalid'],
  ],
  [
    'an Event as owner',
    pods,
    { name: 'a', namespace: 'n', ownerReferences: [{ ...owner, kind: 'Event' }] },
    ['metadata.ownerReferences FieldValueInvalid'],
  ],
]

void test('new metadata', t => {
  for (const [name, type, metadata, wrong] of cases) {
    const errors = new FieldErrors()
    checkMetadata(type, metadata, errors)
    t.strictSame(
      errors.causes.map(({ field, reason }) => `${field} ${reason}`),
      wrong,
      name,
    )
  }
  t.end()
})

void test('changed metadata', t => {
  const deleted = { name: 'a', deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['a/b', 'a/c'] }
  const problems = (metadata: WrittenMeta, stored: WrittenMeta): readonly string[] => {
    const errors = new FieldErrors()
    checkMetadataUpdate(metadata, stored, errors)
    return errors.causes.map(({ field, message }) => `${field}: ${message}`)
  }
  t.strictSame(problems({ ...deleted, finalizers: ['a/c'] }, deleted), [], 'a finalizer goes')
  t.match(problems({ ...deleted, finalizers: ['a/c', 'a/d'] }, deleted), [
    'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a/d"}',
  ])
  t.match(problems(deleted, { name: 'a', finalizers: deleted.finalizers }), [
    /^metadata.deletionTimestamp: Invalid value: "2026-01-01T00:00:00Z": field is immutable$/,
  ])
  t.match(problems({ name: 'a', labels: { a: '!' } }, { name: 'a' }), [/^metadata.labels: Invalid/])
  t.end()
})

void test('addresses that belong to no one host', t => {
  const message = (text: string): string => {
    const errors = new FieldErrors()
    checkPublicIp(text, 'ip', errors)
    return errors.causes.map(cause => cause.message).join(', ')
  }
  for (const text of ['10.0.0.1', '127.0.0.1', '::1', '2001:db8::1', '239.1.1.1', 'ff05::1']) {
    t.equal(message(text), '', text)
  }
  t.match(message('0.0.0.0'), /may not be unspecified/)
  t.match(message('::'), /may not be unspecified/)
  t.match(message('169.254.1.1'), /link-local range/)
  t.match(message('fe80::1'), /link-local range/)
  t.match(message('224.0.0.1'), /link-local multicast range/)
  t.match(message('ff02::1'), /link-local multicast range/)
  t.match(message('example.com'), /must be a valid IP address/)
  t.end()
})
