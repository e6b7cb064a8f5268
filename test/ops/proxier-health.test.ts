// kube-proxy's health answers, by a clock that is moved by hand.

import { test } from 'tap'
import { ProxierHealth, type ProxierHealthOptions } from '../../lib/ops/proxier-health.ts'
import { ManualClock } from '../manual-clock.ts'

const startMs = Date.parse('2026-01-01T00:00:00Z')

function healthOf(options: Partial<ProxierHealthOptions> = {}) {
  const clock = new ManualClock()
  const bootMs = clock.now()
  const answered: string[] = []
  const health = new ProxierHealth({
    families: ['IPv6', 'IPv4'],
    clock,
    wallClock: () => startMs + clock.now() - bootMs,
    answered: (path, code) => answered.push(`${path} ${code}`),
    ...options,
  })
  return { health, clock, answered }
}

type Step = number | 'queue 4' | 'queue 6' | 'update 4' | 'update 6' | 'not eligible' | 'eligible'

/** Steps (a number passes seconds), then the codes of /healthz and /livez, and whether it counts as healthy. */
const cases: readonly [string, readonly Step[], number, number, boolean][] = [
  ['just started', [], 200, 200, true],
  ['nothing queued for an hour', [3600], 200, 200, true],
  ['queued', ['queue 4'], 200, 200, true],
  ['queued just short of 60 s ago', ['queue 4', 59.999], 200, 200, true],
  ['queued 60 s ago', ['queue 4', 60], 503, 503, false],
  ['the oldest counts', ['queue 4', 59, 'queue 4', 1], 503, 503, false],
  ['updated in time', ['queue 4', 59, 'update 4', 60], 200, 200, true],
  ['updated, and queued again', ['queue 4', 59, 'update 4', 'queue 4', 59], 200, 200, true],
  ['updated too late', ['queue 4', 61, 'update 4'], 200, 200, true],
  ['one family is late', ['queue 4', 'queue 6', 'update 4', 60], 503, 503, false],
  ['an update of the other family does not help', ['queue 6', 59, 'update 4', 1], 503, 503, false],
  ['a node that is going', ['not eligible'], 503, 200, true],
  ['a node that is going, and late', ['not eligible', 'queue 4', 60], 503, 503, false],
  ['a node that stays after all', ['not eligible', 'eligible'], 200, 200, true],
]

void test('codes', async t => {
  for (const [name, steps, healthz, livez, healthy] of cases) {
    const { health, clock, answered } = healthOf()
    for (const step of steps) {
      if (typeof step === 'number') await clock.advanceAndSettle(step * 1000)
      else if (step === 'not eligible' || step === 'eligible') health.setNodeEligible(step === 'eligible')
      else {
        const family = step.endsWith('4') ? 'IPv4' : 'IPv6'
        if (step.startsWith('queue')) health.queued(family)
        else health.updated(family)
      }
    }
    t.equal(health.healthz().status, healthz, `${name}: healthz`)
    t.equal(health.livez().status, livez, `${name}: livez`)
    t.equal(health.healthy, healthy, `${name}: healthy`)
    t.strictSame(answered, [`healthz ${healthz}`, `livez ${livez}`], `${name}: counted`)
  }
})

const at = (seconds: number) => new Date(startMs + seconds * 1000).toISOString()

void test('a healthy body: lastUpdated is now, as since ever', async t => {
  const { health, clock } = healthOf()
  await clock.advanceAndSettle(10_000)
  health.updated('IPv4')
  await clock.advanceAndSettle(5000)
  const status =
    `"status":{"IPv4":{"lastUpdated":"${at(10)}","healthy":true},` +
    `"IPv6":{"lastUpdated":"${at(0)}","healthy":true}}}`
  const head = `{"lastUpdated":"${at(15)}","currentTime":"${at(15)}",`
  t.strictSame(health.healthz(), {
    status: 200,
    contentType: 'application/json',
    body: `${head}"nodeEligible":true,"healthy":true,${status}`,
  })
  t.equal(health.livez().body, `${head}"healthy":true,${status}`)
})

void test('an unhealthy body: lastUpdated is the latest of all families', async t => {
  const { health, clock } = healthOf()
  health.queued('IPv4')
  await clock.advanceAndSettle(30_000)
  health.updated('IPv6')
  await clock.advanceAndSettle(30_000)
  t.strictSame(JSON.parse(health.healthz().body), {
    lastUpdated: at(30),
    currentTime: at(60),
    nodeEligible: true,
    healthy: false,
    status: {
      IPv4: { lastUpdated: at(0), healthy: false },
      IPv6: { lastUpdated: at(30), healthy: true },
    },
  })
})

void test('a node that is going: not eligible, but healthy', async t => {
  const { health } = healthOf()
  health.setNodeEligible(false)
  t.match(JSON.parse(health.healthz().body), { nodeEligible: false, healthy: true })
  t.notOk('nodeEligible' in (JSON.parse(health.livez().body) as object))
})

void test('a data path that does not work: not for /livez, where a restart would cut what works', async t => {
  let problem: string | null = 'no frontend could be bound'
  const { health } = healthOf({ dataPathProblem: () => problem })
  t.equal(health.healthz().status, 503)
  t.match(JSON.parse(health.healthz().body), { healthy: false, reason: 'no frontend could be bound' })
  t.equal(health.healthy, false)
  t.equal(health.livez().status, 200)
  t.match(JSON.parse(health.livez().body), { healthy: true })
  problem = null
  t.equal(health.healthz().status, 200)
  t.notOk('reason' in (JSON.parse(health.healthz().body) as object))
})

void test('a family that is not served counts for nothing', async t => {
  const { health, clock } = healthOf({ families: ['IPv4'] })
  health.queued('IPv6')
  await clock.advanceAndSettle(60_000)
  t.equal(health.healthz().status, 200)
  t.strictSame(Object.keys((JSON.parse(health.livez().body) as { status: object }).status), ['IPv4'])
})
