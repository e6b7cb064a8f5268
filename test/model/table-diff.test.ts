import * as fc from 'fast-check'
import { test } from 'tap'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { applyDiff, diffServicePorts } from '../../lib/model/table-diff.ts'
import { anyTable, servicePort, tableOf, type Table } from './table.ts'

function text(table: Table): string {
  return JSON.stringify([...table.entries()].sort(([a], [b]) => (a < b ? -1 : 1)))
}

void test('applying diff(old, new) to old gives new', async () => {
  fc.assert(
    fc.property(anyTable, anyTable, (before, after) => {
      const table = new Map(before)
      const diff = diffServicePorts(before, after)
      if (diff !== null) applyDiff(table, diff)
      return text(table) === text(after)
    }),
  )
})

void test('equal tables have no difference, though they share no object', async () => {
  fc.assert(fc.property(anyTable, table => diffServicePorts(table, structuredClone(table)) === null))
})

void test('a diff names only what differs', async () => {
  fc.assert(
    fc.property(anyTable, anyTable, (before, after) => {
      const { changed, removed } = diffServicePorts(before, after) ?? { changed: [], removed: [] }
      return (
        changed.every(port => JSON.stringify(before.get(port.key)) !== JSON.stringify(port)) &&
        removed.every(key => before.has(key) && !after.has(key)) &&
        new Set([...changed.map(({ key }) => key), ...removed]).size === changed.length + removed.length
      )
    }),
  )
})

const [frontend] = servicePort('a').frontends
const changes: readonly [string, Partial<ServicePort>][] = [
  ['type', { type: 'NodePort' }],
  ['affinity', { affinityTimeoutSeconds: 5 }],
  ['an endpoint more', { cluster: ['10.1.0.1:8080', '10.1.0.2:8080'] }],
  ['an endpoint less', { cluster: [] }],
  ['a list no longer used is not an empty one', { cluster: null }],
  ['a list used and empty', { local: [] }],
  ['serving', { serving: [] }],
  ['no frontend', { frontends: [] }],
  ['a frontend in conflict', { frontends: [{ ...frontend!, conflict: 'default/b' }] }],
  ['a frontend on another list', { frontends: [{ ...frontend!, list: 'local' }] }],
]

void test('each field counts', async t => {
  const before = tableOf([servicePort('a'), servicePort('b')])
  for (const [name, fields] of changes) {
    const changed = servicePort('a', fields)
    const diff = diffServicePorts(before, tableOf([changed, servicePort('b')]))
    t.strictSame(diff, { changed: [changed], removed: [] }, name)
  }
})
