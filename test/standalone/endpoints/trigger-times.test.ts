import { test } from 'tap'
import { TriggerTimes } from '../../../lib/standalone/endpoints/trigger-times.ts'
import type { Pod } from '../../../lib/standalone/kinds/api-types.ts'
import { pod, service } from '../builders.ts'

const created = (creationTimestamp: string) => ({
  ...service('web'),
  metadata: { name: 'web', creationTimestamp },
})
const readySince = (name: string, lastTransitionTime?: string): Pod =>
  pod(name, {
    app: 'web',
    ip: '10.0.0.1',
    status: {
      conditions: [{ type: 'Ready', status: 'True', ...(lastTransitionTime ? { lastTransitionTime } : {}) }],
    },
  })

void test('what a change goes back to', async t => {
  const times = new TriggerTimes()
  const web = created('2026-01-01T00:00:00Z')
  const since = (...pods: readonly Pod[]): string | undefined => times.since('default/web', web, pods)
  t.equal(since(readySince('a', '2025-12-01T00:00:00Z')), '2026-01-01T00:00:00Z', 'at first, the Service')
  t.equal(since(readySince('a', '2025-12-01T00:00:00Z')), undefined, 'nothing that has a time')
  t.equal(
    since(readySince('a', '2026-01-02T00:00:09Z'), readySince('b', '2026-01-02T00:00:05.120000Z')),
    '2026-01-02T00:00:05.12Z',
    'the earliest of several Pods',
  )
  t.equal(since(readySince('b', '2026-01-02T00:00:05.12Z')), undefined, 'a Pod that went has no time')
  t.equal(since(readySince('b', '2026-01-01T00:00:00Z')), undefined, 'time does not run backwards')
  t.equal(since(readySince('c'), readySince('d', 'soon')), undefined, 'no time, and no such time')
  t.equal(
    times.since('default/web', created('2026-01-03T00:00:00Z'), []),
    '2026-01-03T00:00:00Z',
    'a new Service of the same name',
  )
  times.forget('default/web')
  t.equal(since(), '2026-01-01T00:00:00Z', 'forgotten: as at first')
  t.equal(times.since('default/odd', created(''), []), undefined)
})
