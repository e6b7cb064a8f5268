import * as fc from 'fast-check'
import { test } from 'tap'
import { objectKey, type KubeObject } from '../../../lib/model/objects.ts'
import { pods, services } from '../../../lib/standalone/kinds/resources.ts'
import { refusal } from '../builders.ts'
import { Store, type StoreEvent } from '../../../lib/standalone/store/store.ts'

const object = (name: string, fields: Record<string, unknown> = {}): KubeObject => ({
  metadata: { name, namespace: 'default' },
  ...fields,
})

void test('writes count up one resourceVersion for all resources', async t => {
  const store = new Store()
  const a = store.create(services, object('a'))
  const p = store.create(pods, object('p'))
  const changed = store.update(services, object('a', { spec: 1 }))
  t.strictSame(
    [a, p, changed].map(o => Number(o.metadata.resourceVersion)),
    [2, 3, 4],
  )
  t.equal(store.delete(pods, 'default/p').metadata.resourceVersion, '5')
  t.equal(store.resourceVersion, 5)
})

void test('an update that changes nothing is no event', async t => {
  const store = new Store()
  const a = store.create(services, object('a', { spec: { x: [1] } }))
  t.equal(store.update(services, object('a', { spec: { x: [1] } })), a)
  t.equal(store.resourceVersion, 2)
})

void test('refused writes', async t => {
  const store = new Store()
  const a = store.create(services, object('a'))
  store.update(services, object('a', { spec: 1 }))
  t.match(
    refusal(() => store.create(services, object('a'))),
    { code: 409, reason: 'AlreadyExists' },
  )
  t.match(
    refusal(() => store.update(services, a)),
    { code: 409, reason: 'Conflict' },
  )
  t.match(
    refusal(() => store.update(services, object('b'))),
    { code: 404, reason: 'NotFound' },
  )
  t.match(
    refusal(() => store.delete(services, 'default/b')),
    { code: 404, message: 'services "b" not found' },
  )
})

void test('what is stored can be changed neither through the input nor through what is returned', async t => {
  const store = new Store()
  const spec = { ports: [80] }
  const stored = store.create(services, object('a', { spec }))
  spec.ports.push(81)
  t.strictSame(stored['spec'], { ports: [80] })
  t.throws(() => (stored['spec'] as typeof spec).ports.push(82), TypeError)
})

void test('a history limit and compact() make old watches and lists 410, and leave the newest alone', async t => {
  const store = new Store({ historyLimit: 4 })
  for (let i = 0; i < 20; i++) store.create(services, object(`s${i}`))
  const gone = { code: 410, reason: 'Expired' }
  t.match(
    refusal(() => store.watch(services, 1, () => undefined)),
    gone,
  )
  t.match(
    refusal(() => store.list(services, 2)),
    gone,
  )
  store.watch(services, 19, () => undefined)()
  store.compact()
  t.match(
    refusal(() => store.watch(services, 19, () => undefined)),
    gone,
  )
  store.watch(services, store.resourceVersion, () => undefined)()
  t.equal(store.list(services).items.length, 20)
  t.match(
    refusal(() => store.list(services, 1000)),
    { code: 504, reason: 'Timeout' },
  )
})

void test('a watcher that writes does not upset the order in which others see events', async t => {
  const store = new Store()
  const seen: string[] = []
  store.watch(services, 1, ({ object }) => {
    if (object.metadata.name === 'a')
      store.create(services, { metadata: { name: 'b', namespace: 'default' } })
  })
  store.watch(services, 1, ({ object }) => seen.push(object.metadata.name ?? ''))
  store.create(services, object('a'))
  t.strictSame(seen, ['a', 'b'])
})

void test('a stopped watch hears nothing more', async t => {
  const store = new Store()
  const seen: StoreEvent[] = []
  const stop = store.watch(services, 1, event => seen.push(event))
  store.create(services, object('a'))
  stop()
  store.create(services, object('b'))
  t.equal(seen.length, 1)
})

const change = fc.record({
  what: fc.constantFrom('put', 'put', 'delete'),
  type: fc.constantFrom(services, pods),
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  value: fc.integer({ min: 0, max: 3 }),
})

void test('property: any list, plus the events after it, is any later list', async t => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), fc.nat(), fc.nat(), (changes, from, to) => {
      const store = new Store()
      const lists: { readonly version: number; readonly state: Map<string, KubeObject> }[] = []
      const live = new Map<string, KubeObject>()
      store.watch(services, 1, event => apply(live, event))
      const remember = (): void => {
        lists.push({ version: store.resourceVersion, state: stateOf(store.list(services).items) })
      }
      remember()
      for (const { what, type, name, value } of changes) {
        const exists = store.get(type, `default/${name}`) !== undefined
        if (what === 'delete') {
          if (exists) store.delete(type, `default/${name}`)
        } else if (exists) store.update(type, object(name, { value }))
        else store.create(type, object(name, { value }))
        remember()
      }
      const start = lists[from % lists.length]
      const end = lists[to % lists.length]
      if (!start || !end) throw new Error('there is always one')
      // A watch from any point leads to the present state.
      const replayed = new Map(start.state)
      let last = start.version
      const stop = store.watch(services, start.version, event => {
        if (event.resourceVersion <= last) throw new Error('not in order')
        last = event.resourceVersion
        apply(replayed, event)
      })
      stop()
      const present = stateOf(store.list(services).items)
      same(replayed, present)
      same(live, present)
      // A list as of any earlier version is what the list was then.
      same(stateOf(store.list(services, end.version).items), end.state)
    }),
  )
  t.pass()
})

function stateOf(items: readonly KubeObject[]): Map<string, KubeObject> {
  return new Map(items.map(item => [objectKey(item), item]))
}

function apply(state: Map<string, KubeObject>, { type, object }: StoreEvent): void {
  const known = state.has(objectKey(object))
  if (known !== (type !== 'ADDED'))
    throw new Error(`${type} for an object that is ${known ? '' : 'not '}there`)
  if (type === 'DELETED') state.delete(objectKey(object))
  else state.set(objectKey(object), object)
}

function same(a: Map<string, KubeObject>, b: Map<string, KubeObject>): void {
  const text = (state: Map<string, KubeObject>): string =>
    JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1)))
  if (text(a) !== text(b)) throw new Error(`${text(a)} is not ${text(b)}`)
}

void test('the history of large objects is shorter, so that it stays within its memory', async t => {
  const store = new Store({ historyLimitBytes: 100_000 })
  const large = 'x'.repeat(10_000)
  store.create(services, object('a'))
  for (let i = 0; i < 100; i++) store.update(services, object('a', { large, i }))
  const replayed: number[] = []
  store.watch(services, store.resourceVersion - 8, ({ resourceVersion }) => replayed.push(resourceVersion))()
  t.equal(replayed.length, 8)
  t.match(
    refusal(() => store.watch(services, store.resourceVersion - 20, () => undefined)),
    { code: 410, reason: 'Expired' },
  )
  store.create(services, object('huge', { large: 'x'.repeat(200_000) }))
  t.equal(store.list(services).items.length, 2, 'what is stored has nothing to do with it')
  store.watch(services, store.resourceVersion, () => undefined)()
})
