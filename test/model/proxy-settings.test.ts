import * as fc from 'fast-check'
import { test } from 'tap'
import {
  defaultProxySettings,
  readProxySettings,
  type ProxySettings,
} from '../../lib/model/proxy-settings.ts'

const others: ProxySettings = {
  balance: 'p2c',
  proxyProtocol: 'v2',
  maxConnections: 7,
  drainTimeoutMs: 1000,
  maxConnectionAgeMs: 2000,
}

void test('annotations change the defaults', async t => {
  const cases: readonly [key: string, value: string, settings: Partial<ProxySettings>][] = [
    ['balance', 'round-robin', { balance: 'round-robin' }],
    ['balance', 'random', { balance: 'random' }],
    ['balance', ' least-connections ', { balance: 'least-connections' }],
    ['balance', 'p2c', {}],
    ['proxy-protocol', 'v1', { proxyProtocol: 'v1' }],
    ['proxy-protocol', 'off', { proxyProtocol: null }],
    ['max-connections', '100', { maxConnections: 100 }],
    ['max-connections', '0', { maxConnections: null }],
    ['drain-timeout', '1m30s', { drainTimeoutMs: 90_000 }],
    ['drain-timeout', '0', { drainTimeoutMs: null }],
    ['max-connection-age', '480h', { maxConnectionAgeMs: 1_728_000_000 }],
    ['max-connection-age', '0s', { maxConnectionAgeMs: null }],
    ['manifest', 'a.yaml', {}],
  ]
  for (const [key, value, settings] of cases) {
    t.strictSame(
      readProxySettings({ [`kube-relay/${key}`]: value, 'example.com/balance': 'x' }, others),
      { settings: { ...others, ...settings }, problems: [] },
      `${key}: ${value}`,
    )
  }
  t.strictSame(readProxySettings({}, defaultProxySettings).settings, defaultProxySettings)
})

void test('what cannot be used keeps the default and is told in a sentence', async t => {
  const policies = 'round-robin, random, least-connections, p2c'
  const duration = 'a duration such as 30s or 1h30m, at most 480h, or 0 for never'
  const count = 'a whole number from 0 (no limit) to 2147483647'
  const cases: readonly [key: string, value: unknown, problem: string][] = [
    ['balance', 'best', `"best" is not one of ${policies}`],
    ['balance', 'Round-Robin', `"Round-Robin" is not one of ${policies} (did you mean round-robin?)`],
    ['balance', null, `null is not one of ${policies}`],
    ['balance', 7, `7 is not one of ${policies}`],
    ['proxy-protocol', 'v3', '"v3" is not one of off, v1, v2 (did you mean v1?)'],
    ['max-connections', '-1', `"-1" is not ${count}`],
    ['max-connections', '1e3', `"1e3" is not ${count}`],
    ['max-connections', '2147483648', `"2147483648" is not ${count}`],
    ['max-connections', '', `"" is not ${count}`],
    ['drain-timeout', '30', `"30" is not ${duration}`],
    ['drain-timeout', '481h', `"481h" is not ${duration}`],
    ['drain-timeout', '5us', `"5us" is not ${duration}`],
    ['max-connection-age', {}, `an object is not ${duration}`],
  ]
  for (const [key, value, problem] of cases) {
    t.strictSame(
      readProxySettings({ [`kube-relay/${key}`]: value }, others),
      { settings: others, problems: [`annotation kube-relay/${key}: ${problem}: the default is kept`] },
      `${key}: ${String(value)}`,
    )
  }
})

void test('keys that are not there, and one that is only a flag', async t => {
  const cases: readonly [key: string, problem: string][] = [
    ['kube-relay/balanse', 'unknown annotation "kube-relay/balanse", did you mean kube-relay/balance?'],
    [
      'kube-relay/max_connections',
      'unknown annotation "kube-relay/max_connections", did you mean kube-relay/max-connections?',
    ],
    ['kube-relay/weight', 'unknown annotation "kube-relay/weight"'],
    ['kube-relay/', 'unknown annotation "kube-relay/"'],
    ['kube-relay/constructor', 'unknown annotation "kube-relay/constructor"'],
    [
      'kube-relay/allow-loopback-endpoints',
      'annotation kube-relay/allow-loopback-endpoints has no effect: it is only a flag (--allow-loopback-endpoints) of the agent',
    ],
  ]
  for (const [key, problem] of cases) {
    t.strictSame(readProxySettings({ [key]: 'true' }, others), { settings: others, problems: [problem] }, key)
  }
})

void test('several annotations, good and bad', async t => {
  const { settings, problems } = readProxySettings(
    { 'kube-relay/balance': 'random', 'kube-relay/drain-timeout': 'soon', 'kube-relay/max-connections': '3' },
    others,
  )
  t.strictSame(settings, { ...others, balance: 'random', maxConnections: 3 })
  t.equal(problems.length, 1)
})

void test('property: a tenant can write what he likes; problems stay short and on one line', async t => {
  const key = fc.oneof(
    fc.constantFrom('balance', 'proxy-protocol', 'max-connections', 'drain-timeout', 'max-connection-age'),
    fc.string(),
  )
  fc.assert(
    fc.property(
      fc.dictionary(
        key.map(each => `kube-relay/${each}`),
        fc.oneof(fc.string({ maxLength: 500 }), fc.anything()),
      ),
      from => {
        const { settings, problems } = readProxySettings(from, others)
        return (
          Object.keys(settings).join() === Object.keys(others).join() &&
          problems.every(problem => problem.length < 300 && !/[\n\r]/.test(problem))
        )
      },
    ),
  )
  t.pass()
})
