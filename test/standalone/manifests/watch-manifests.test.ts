import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { silentLog, type Log } from '../../../lib/ops/log.ts'
import { formatManifestProblem } from '../../../lib/standalone/manifests/manifests.ts'
import { services } from '../../../lib/standalone/kinds/resources.ts'
import {
  watchManifests,
  type ManifestWatchOptions,
} from '../../../lib/standalone/manifests/watch-manifests.ts'
import { controlPlaneFor } from '../builders.ts'
import { ManualClock } from '../../manual-clock.ts'

const service = (name: string, port = 80): string =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec:\n  ports:\n    - port: ${port}\n`

async function watched(t: Test, files: Record<string, string>, options: Partial<ManifestWatchOptions> = {}) {
  const dir = t.testdir(files)
  const controlPlane = await controlPlaneFor(t)
  const watch = await watchManifests(controlPlane, dir, { log: silentLog, ...options })
  t.teardown(() => watch.close())
  const names = () => controlPlane.store.list(services).items.map(({ metadata }) => metadata.name)
  return { dir, watch, names, write: (name: string, text: string) => writeFile(join(dir, name), text) }
}

void test('an edited file is applied, without being asked', async t => {
  let applied = (): void => undefined
  const { write, names } = await watched(
    t,
    { 'a.yaml': service('a') },
    { settleMs: 1, onApplied: () => applied() },
  )
  t.strictSame(names(), ['a'])
  const again = new Promise<void>(resolve => {
    applied = () => {
      if (names().length === 2) resolve()
    }
  })
  await write('b.yaml', service('b'))
  await again
  t.strictSame(names(), ['a', 'b'])
})

void test('a rescan finds what the file system did not report', async t => {
  const clock = new ManualClock()
  let applied = (): void => undefined
  const { write, names } = await watched(
    t,
    { 'a.yaml': service('a') },
    { clock, settleMs: 1_000_000, rescanMs: 1000, onApplied: () => applied() },
  )
  await write('b.yaml', service('b'))
  const again = new Promise<void>(resolve => (applied = resolve))
  clock.advance(1000)
  await again
  t.strictSame(names(), ['a', 'b'])
})

void test('a broken file keeps the last good state, and each problem is logged once', async t => {
  const lines: string[] = []
  const note = (line: unknown): void => void lines.push(String(line))
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const clock = new ManualClock()
  const { dir, write, watch, names } = await watched(t, { 'a.yaml': service('a') }, { log, clock })
  await write('a.yaml', 'kind: [\n')
  await watch.apply()
  await watch.apply()
  t.strictSame(names(), ['a'])
  t.match(lines, [/a.yaml:\d: YAML syntax error/])
  t.equal(lines.length, 1)
  t.match(watch.problems.map(formatManifestProblem), [lines[0]])

  await write('a.yaml', service('b'))
  t.strictSame(await watch.apply(), [])
  t.strictSame(names(), ['b'])
  t.ok(dir)
})

void test('closed, it applies nothing more', async t => {
  const { write, watch, names } = await watched(t, { 'a.yaml': service('a') })
  await watch.close()
  await write('b.yaml', service('b'))
  await watch.apply()
  t.strictSame(names(), ['a'])
  await watch.close()
})
