import { array, assert, constantFrom, nat, oneof, property, tuple, uniqueArray } from 'fast-check'
import { test } from 'tap'
import type { ServicePort, ServicePortKey, TableUpdate } from '../../lib/model/proxy-table.ts'
import { applyDiff } from '../../lib/model/table-diff.ts'
import { joinUpdate, mergeUpdates, portsPerPart, splitUpdate } from '../../lib/workers/pending-update.ts'
import { delta, snapshot, tcpService } from '../dataplane/table.ts'

type Table = ReadonlyMap<ServicePortKey, ServicePort>

/** What a data plane has after an update. */
function applied(table: Table, update: TableUpdate): Table {
  if (update.type === 'snapshot') return new Map(update.servicePorts.map(port => [port.key, port]))
  const after = new Map(table)
  applyDiff(after, update)
  return after
}

const port = (name: string, version: number): ServicePort =>
  tcpService('10.96.0.1:80', [`10.0.0.1:${version + 1}`], { name })

const names = constantFrom('a', 'b', 'c', 'd')
const ports = uniqueArray(tuple(names, nat(50)), { selector: ([name]) => name }).map(list =>
  list.map(([name, version]) => port(name, version)),
)
const updates = array(
  oneof(
    { weight: 1, arbitrary: ports.map(list => snapshot(0, ...list)) },
    {
      weight: 4,
      arbitrary: tuple(ports, array(names)).map(([changed, removed]) => {
        const keys = new Set(changed.map(({ key }) => key))
        return delta(
          0,
          changed,
          removed.map(name => port(name, 0).key).filter(key => !keys.has(key)),
        )
      }),
    },
  ),
  { minLength: 1, maxLength: 12 },
)

const sorted = (table: Table): unknown => [...table].sort(([a], [b]) => (a < b ? -1 : 1))

void test('merged updates come to the same table as each in turn', async t => {
  assert(
    property(ports, updates, (before, list) => {
      const start: Table = new Map(before.map(each => [each.key, each]))
      const numbered = list.map((update, index) => ({ ...update, generation: index + 2 }))
      const inTurn = numbered.reduce<Table>(applied, start)
      const merged = numbered.reduce<TableUpdate | null>(mergeUpdates, null)
      t.ok(merged)
      if (merged === null) return
      t.equal(merged.generation, list.length + 1)
      t.strictSame(sorted(applied(start, merged)), sorted(inTurn))
    }),
    { numRuns: 300 },
  )
})

void test('a large update is split, and is the same when it has been put together', async t => {
  const many = Array.from({ length: portsPerPart * 2 + 1 }, (_, index) => port(`s${index}`, 1))
  for (const update of [
    snapshot(3, ...many),
    delta(4, many, [port('gone', 1).key]),
    snapshot(5, ...many.slice(0, portsPerPart)),
    snapshot(6),
  ]) {
    const { parts, last } = splitUpdate(update)
    const lastPorts = last.type === 'snapshot' ? last.servicePorts : last.changed
    t.ok([...parts, lastPorts].every(part => part.length <= portsPerPart))
    t.strictSame(joinUpdate(parts.flat(), last), update)
  }
  t.equal(splitUpdate(snapshot(3, ...many)).parts.length, 2)
  t.equal(splitUpdate(snapshot(5, ...many.slice(0, portsPerPart))).parts.length, 0)
})
