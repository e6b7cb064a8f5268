import { test } from 'tap'
import { EventNames, eventObject } from '../../lib/kube/event-object.ts'
import { nodeReference, serviceReference, type ObjectEvent } from '../../lib/model/object-event.ts'

const nowMs = Date.parse('2026-01-01T00:00:00.250Z')
const service = serviceReference({ namespace: 'shop', name: 'web', uid: 'c0ffee' })

function objectOf(event: Partial<ObjectEvent> = {}, reportingInstance = 'node-1') {
  return eventObject(
    {
      regarding: service,
      type: 'Warning',
      reason: 'FailedToBind',
      action: 'Listen',
      note: 'no',
      cause: 'not written',
      ...event,
    },
    { name: 'web.1', reportingInstance, nowMs },
  )
}

void test('an event about a Service', async t => {
  t.strictSame(objectOf(), {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace: 'shop', name: 'web.1' },
    eventTime: '2026-01-01T00:00:00.250000Z',
    reportingController: 'kube-relay',
    reportingInstance: 'node-1',
    action: 'Listen',
    reason: 'FailedToBind',
    regarding: { apiVersion: 'v1', kind: 'Service', name: 'web', namespace: 'shop', uid: 'c0ffee' },
    note: 'no',
    type: 'Warning',
  })
})

void test('an event about a Node is in the namespace default', async t => {
  const { metadata, regarding } = objectOf({ regarding: nodeReference('node-1') })
  t.equal(metadata.namespace, 'default')
  t.strictSame(regarding, { apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'node-1' })
})

void test('without a UID there is none', async t => {
  t.notOk('uid' in (objectOf({ regarding: { ...service, uid: '' } })['regarding'] as object))
})

const notes: readonly [string, string, string][] = [
  ['short', 'x', 'x'],
  ['just fits', 'x'.repeat(1024), 'x'.repeat(1024)],
  ['too long', 'x'.repeat(1025), `${'x'.repeat(1021)}…`],
  ['not cut within a character', `x${'ü'.repeat(600)}`, `x${'ü'.repeat(510)}…`],
  ['nor within one outside the BMP', '🐟'.repeat(300), `${'🐟'.repeat(255)}…`],
]

void test('notes of at most a kilobyte', async t => {
  for (const [name, note, expected] of notes) {
    const written = objectOf({ note })['note'] as string
    t.equal(written, expected, name)
    t.ok(Buffer.byteLength(written) <= 1024, name)
  }
})

void test('a reporting instance of at most 128 characters', async t => {
  t.equal((objectOf({}, 'n'.repeat(200))['reportingInstance'] as string).length, 128)
})

void test('names: the time in hexadecimal nanoseconds, never twice, never too long', async t => {
  const names = new EventNames(
    () => nowMs,
    () => 0.5,
  )
  const nanoseconds = BigInt(nowMs) * 1_000_000n + 500_000n
  t.equal(names.next('web'), `web.${nanoseconds.toString(16)}`)
  t.equal(names.next('web'), `web.${(nanoseconds + 1n).toString(16)}`)
  const long = names.next(`${'n'.repeat(235)}.${'m'.repeat(17)}`)
  t.match(long, /^n{235}\.[0-9a-f]{16}$/, 'no empty part where it is cut')
})
