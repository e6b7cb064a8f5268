import { test } from 'tap'
import type { ServiceSpec } from '../../../lib/standalone/kinds/api-types.ts'
import { controlPlaneFor, refusal, service } from '../builders.ts'

const v4 = '10.96.0.0/16'
const v6 = 'fd00:96::/108'

/** "policy families addresses", with addresses as their first part. */
function summary(spec: ServiceSpec): string {
  const { ipFamilyPolicy, ipFamilies, clusterIPs } = spec
  const ips = clusterIPs?.map(ip => (ip === 'None' ? ip : (/^[^.:]+/.exec(ip)?.[0] ?? ip)))
  return `${ipFamilyPolicy} ${ipFamilies?.join()} ${ips?.join()}`
}

const prefer: ServiceSpec = { ipFamilyPolicy: 'PreferDualStack' }
const require: ServiceSpec = { ipFamilyPolicy: 'RequireDualStack' }
const single: ServiceSpec = { ipFamilyPolicy: 'SingleStack' }
const headless: ServiceSpec = { clusterIP: 'None' }
const both: ServiceSpec = { ipFamilies: ['IPv6', 'IPv4'] }
const notHere = 'FieldValueInvalid spec.ipFamilyPolicy'

type Case = readonly [name: string, spec: ServiceSpec, onDualStack: string, onSingleStack: string]

const cases: readonly Case[] = [
  ['plain', {}, 'SingleStack IPv4 10', 'SingleStack IPv4 10'],
  ['prefer', prefer, 'PreferDualStack IPv4,IPv6 10,fd00', 'PreferDualStack IPv4 10'],
  ['require', require, 'RequireDualStack IPv4,IPv6 10,fd00', notHere],
  ['six', { ipFamilies: ['IPv6'] }, 'SingleStack IPv6 fd00', 'FieldValueInvalid spec.ipFamilies[0]'],
  [
    'six by address',
    { clusterIP: 'fd00:96::7' },
    'SingleStack IPv6 fd00',
    'FieldValueInvalid spec.clusterIPs[0]',
  ],
  [
    'six first',
    { ...prefer, ipFamilies: ['IPv6'] },
    'PreferDualStack IPv6,IPv4 fd00,10',
    'FieldValueInvalid spec.ipFamilies[0]',
  ],
  ['both, unsaid', both, notHere, notHere],
  ['both, single', { ...single, ...both }, notHere, notHere],
  [
    'two addresses',
    { ...require, clusterIP: '10.96.0.4', clusterIPs: ['10.96.0.4', 'fd00:96::4'] },
    'RequireDualStack IPv4,IPv6 10,fd00',
    'FieldValueInvalid spec.clusterIPs[1]',
  ],
  [
    'two addresses of one family',
    { ...require, clusterIP: '10.96.0.4', clusterIPs: ['10.96.0.4', '10.96.0.5'] },
    'FieldValueInvalid spec.clusterIPs',
    'FieldValueInvalid spec.clusterIPs',
  ],
  [
    'three addresses',
    { ...require, clusterIP: '10.96.0.4', clusterIPs: ['10.96.0.4', 'fd00:96::4', '10.96.0.5'] },
    'FieldValueInvalid spec.clusterIPs',
    'FieldValueInvalid spec.clusterIPs',
  ],
  [
    'address of another family',
    { clusterIP: '10.96.0.4', ipFamilies: ['IPv6'] },
    'FieldValueInvalid spec.clusterIPs[0]',
    'FieldValueInvalid spec.clusterIPs[0]',
  ],
  [
    'family twice',
    { ipFamilies: ['IPv4', 'IPv4'] },
    'FieldValueDuplicate spec.ipFamilies[1]',
    'FieldValueDuplicate spec.ipFamilies[1]',
  ],
  [
    'odd family',
    { ipFamilies: ['IPv5'] },
    'FieldValueNotSupported spec.ipFamilies[0]',
    'FieldValueNotSupported spec.ipFamilies[0]',
  ],
  [
    'odd policy',
    { ipFamilyPolicy: 'Dual' },
    'FieldValueNotSupported spec.ipFamilyPolicy',
    'FieldValueNotSupported spec.ipFamilyPolicy',
  ],
  ['headless', headless, 'SingleStack IPv4 None', 'SingleStack IPv4 None'],
  [
    'headless, prefer',
    { ...headless, ...prefer },
    'PreferDualStack IPv4,IPv6 None',
    'PreferDualStack IPv4 None',
  ],
  [
    'headless, no selector',
    { ...headless, selector: {} },
    'RequireDualStack IPv4,IPv6 None',
    'RequireDualStack IPv4,IPv6 None',
  ],
  [
    'headless, no selector, six',
    { ...headless, selector: {}, ipFamilies: ['IPv6'] },
    'RequireDualStack IPv6,IPv4 None',
    'RequireDualStack IPv6,IPv4 None',
  ],
  [
    'headless, no selector, single',
    { ...headless, ...single, selector: {} },
    'SingleStack IPv4 None',
    'SingleStack IPv4 None',
  ],
]

for (const [what, serviceCidrs, column] of [
  ['dual-stack', [v4, v6], 2],
  ['single-stack', [v4], 3],
] as const) {
  void test(`new Services of a ${what} cluster`, async t => {
    const controlPlane = await controlPlaneFor(t, { serviceCidrs })
    for (const row of cases) {
      const [name, spec] = row
      const object = service('web', spec)
      const expected = row[column]
      if (expected.startsWith('FieldValue')) {
        const causes = refusal(() => controlPlane.apply(object)).details?.causes
        t.strictSame(
          causes?.map(({ reason, field }) => `${reason} ${field}`),
          [expected],
          name,
        )
      } else {
        t.equal(summary(controlPlane.apply(object).object['spec'] as ServiceSpec), expected, name)
        controlPlane.delete(object)
      }
    }
  })
}

void test('a cluster whose default family is IPv6', async t => {
  const { apply } = await controlPlaneFor(t, { serviceCidrs: [v6, v4] })
  t.equal(summary(apply(service('a')).object['spec'] as ServiceSpec), 'SingleStack IPv6 fd00')
  t.equal(
    summary(apply(service('b', prefer)).object['spec'] as ServiceSpec),
    'PreferDualStack IPv6,IPv4 fd00,10',
  )
})

void test('an address stays as it is spelled, and is one address however it is spelled', async t => {
  const { apply } = await controlPlaneFor(t, { serviceCidrs: [v4, v6] })
  t.match(apply(service('a', { clusterIP: 'fd00:96:0::7' })).object, { spec: { clusterIP: 'fd00:96:0::7' } })
  t.match(
    refusal(() => apply(service('b', { clusterIP: 'fd00:96::0007' }))),
    { message: /already allocated/ },
  )
})

type Change = readonly [name: string, from: ServiceSpec, to: ServiceSpec, expected: string]

const changes: readonly Change[] = [
  ['to prefer', {}, prefer, 'PreferDualStack IPv4,IPv6 10,fd00'],
  ['to require', {}, require, 'RequireDualStack IPv4,IPv6 10,fd00'],
  ['to single', require, single, 'SingleStack IPv4 10'],
  ['unsaid', require, {}, 'RequireDualStack IPv4,IPv6 10,fd00'],
  ['prefer, unsaid', prefer, prefer, 'PreferDualStack IPv4,IPv6 10,fd00'],
  [
    'second address asked',
    {},
    { ...require, clusterIPs: ['10.96.0.3', 'fd00:96::30'] },
    'RequireDualStack IPv4,IPv6 10,fd00',
  ],
  [
    'second family without a policy',
    {},
    { ipFamilies: ['IPv4', 'IPv6'] },
    'FieldValueInvalid spec.ipFamilyPolicy',
  ],
  ['less without a policy', require, { ipFamilies: ['IPv4'] }, 'FieldValueInvalid spec.ipFamilyPolicy'],
  ['other family', {}, { ipFamilies: ['IPv6'] }, 'FieldValueInvalid spec.clusterIPs[0]'],
  ['other address', {}, { clusterIP: '10.96.0.77' }, 'FieldValueInvalid spec.clusterIPs[0]'],
  ['to headless', {}, headless, 'FieldValueInvalid spec.clusterIPs[0]'],
  [
    'second address taken',
    {},
    { ...require, clusterIPs: ['10.96.0.3', 'fd00:96::99'] },
    'FieldValueInvalid spec.clusterIPs',
  ],
]

void test('families come and go', async t => {
  const controlPlane = await controlPlaneFor(t, { serviceCidrs: [v4, v6] })
  controlPlane.apply(service('other', { clusterIP: 'fd00:96::99' }))
  for (const [name, from, to, expected] of changes) {
    const before = controlPlane.apply(service('web', { ...from, clusterIP: '10.96.0.3' })).object
    const change = service('web', to)
    if (expected.startsWith('FieldValue')) {
      const causes = refusal(() => controlPlane.apply(change)).details?.causes
      t.strictSame(
        causes?.map(({ reason, field }) => `${reason} ${field}`),
        [expected],
        name,
      )
    } else {
      const after = controlPlane.apply(change).object['spec'] as ServiceSpec
      t.equal(summary(after), expected, name)
      t.equal(after.clusterIP, (before['spec'] as ServiceSpec).clusterIP, 'the first address stays')
    }
    controlPlane.delete(change)
  }
  const second = controlPlane.apply(service('dual', require)).object['spec'] as ServiceSpec
  const ip = second.clusterIPs?.[1] ?? ''
  controlPlane.apply(service('dual', single))
  t.ok(controlPlane.apply(service('heir', { clusterIP: ip })), 'a released second address is free')
})
