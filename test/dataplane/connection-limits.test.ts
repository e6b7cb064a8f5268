import t from 'tap'
import { ConnectionLimits } from '../../lib/dataplane/connection-limits.ts'

const web = 'default/web'

function create() {
  const changes: string[] = []
  const limits: ConnectionLimits = new ConnectionLimits(service =>
    changes.push(`${service} ${limits.isFull(service) ? 'full' : 'room'}`),
  )
  return { limits, changes: () => changes.splice(0) }
}

void t.test('told once when it is full, and once when there is room', async t => {
  const { limits, changes } = create()
  limits.setLimit(web, 2)
  limits.take(web)
  t.strictSame(changes(), [])
  limits.take(web)
  t.strictSame(changes(), ['default/web full'])
  limits.giveBack(web)
  t.strictSame(changes(), ['default/web room'])
  limits.giveBack(web)
  t.strictSame(changes(), [])
})

void t.test('a Service without a limit is never full', async t => {
  const { limits, changes } = create()
  for (let count = 0; count < 1000; count++) limits.take(web)
  t.equal(limits.isFull(web), false)
  t.strictSame(changes(), [])
})

void t.test('a limit that comes, changes and goes counts the connections that are open', async t => {
  const { limits, changes } = create()
  for (let count = 0; count < 5; count++) limits.take(web)
  limits.setLimit(web, 3)
  t.strictSame(changes(), ['default/web full'])
  limits.giveBack(web)
  t.strictSame(changes(), [], 'four of three')
  limits.setLimit(web, 5)
  t.strictSame(changes(), ['default/web room'])
  limits.setLimit(web, 4)
  limits.setLimit(web, null)
  t.strictSame(changes(), ['default/web full', 'default/web room'])
  t.equal(limits.isFull(web), false)
})

void t.test('a Service that is deleted and comes back has the connections it still has', async t => {
  const { limits, changes } = create()
  limits.setLimit(web, 1)
  limits.take(web)
  limits.setLimit(web, null)
  limits.setLimit(web, 1)
  t.equal(limits.isFull(web), true)
  limits.giveBack(web)
  t.strictSame(changes(), ['default/web full', 'default/web room', 'default/web full', 'default/web room'])
})
