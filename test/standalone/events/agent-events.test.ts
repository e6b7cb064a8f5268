import { test } from 'tap'
import { anonymousAccess } from '../../../lib/kube/cluster-access.ts'
import { KubeClient } from '../../../lib/kube/client.ts'
import { EventRecorder } from '../../../lib/kube/event-recorder.ts'
import { serviceReference } from '../../../lib/model/object-event.ts'
import { systemClock } from '../../../lib/ops/clock.ts'
import { silentLog } from '../../../lib/ops/log.ts'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { services } from '../../../lib/standalone/kinds/resources.ts'
import { controlPlaneFor, service } from '../builders.ts'
import { call, type Reply } from '../http-client.ts'

/** What `kubectl get events` asks for, and `kubectl describe service` with its field selector. */
async function eventsAt(url: string, fieldSelector = ''): Promise<readonly KubeObject[]> {
  const query = new URLSearchParams(fieldSelector === '' ? {} : { fieldSelector })
  const reply: Reply<{ items: readonly KubeObject[] }> = await call(
    `${url}/api/v1/namespaces/default/events?${query.toString()}`,
  )
  return reply.body.items
}

void test("the agent's own events are what kubectl get events and describe service show", async t => {
  const controlPlane = await controlPlaneFor(t)
  const { registry, url } = controlPlane
  const [web, other] = ['web', 'other'].map(name => registry.create(services, service(name)))
  const client = new KubeClient(anonymousAccess(new URL(url)))
  const recorder = new EventRecorder({
    client,
    reportingInstance: 'n1',
    log: silentLog,
    clock: systemClock,
    wallClock: () => Date.parse('2026-01-02T03:04:05.678Z'),
    random: () => 0,
  })
  t.teardown(async () => {
    await recorder.close()
    await client.close()
  })
  const reference = (object: KubeObject | undefined) =>
    serviceReference({
      namespace: 'default',
      name: object?.metadata.name ?? '',
      uid: object?.metadata.uid ?? '',
    })
  const fields = { type: 'Warning', reason: 'FailedToBind', action: 'Listen' } as const
  recorder.record({ ...fields, regarding: reference(web), note: 'port 80 is taken' })
  recorder.record({ ...fields, regarding: reference(other), note: 'port 81 is taken' })
  await recorder.idle()
  t.match(recorder.counts, { created: 2, failed: 0 })

  t.equal((await eventsAt(url)).length, 2)
  const uid = web?.metadata.uid ?? ''
  const selector = `involvedObject.name=web,involvedObject.namespace=default,involvedObject.kind=Service,involvedObject.uid=${uid}`
  t.match(await eventsAt(url, selector), [
    {
      metadata: { name: /^web\./, namespace: 'default' },
      involvedObject: { kind: 'Service', name: 'web', uid },
      type: 'Warning',
      reason: 'FailedToBind',
      message: 'port 80 is taken',
      eventTime: '2026-01-02T03:04:05.678000Z',
      reportingComponent: 'kube-relay',
      reportingInstance: 'n1',
    },
  ])
  t.strictSame(await eventsAt(url, selector.replace(uid, 'another')), [])
})
