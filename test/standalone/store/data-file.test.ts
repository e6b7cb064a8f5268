import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as nodeFs from 'node:fs'
import { crc32 } from 'node:zlib'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { test, type Test } from 'tap'
import { objectKey, type KubeObject } from '../../../lib/model/objects.ts'
import { silentLog, type Log } from '../../../lib/ops/log.ts'
import { endpoints, events, pods, resourceOfKind, services } from '../../../lib/standalone/kinds/resources.ts'
import { StatusError } from '../../../lib/standalone/kinds/status.ts'
import { openDataFile, type DataFile, type DataFileOptions } from '../../../lib/standalone/store/data-file.ts'
import { Store } from '../../../lib/standalone/store/store.ts'
import { ManualClock } from '../../manual-clock.ts'
import { refusal } from '../builders.ts'

const { readFileSync, statSync, writeFileSync } = nodeFs

const object = (name: string, fields: Record<string, unknown> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default', uid: `uid of ${name}` },
  ...fields,
})

interface Opened {
  readonly file: DataFile
  readonly store: Store
}

/** A store on a data file, as the control plane has it; closed when the test ends. */
async function open(t: Test, path: string, options: Partial<DataFileOptions> = {}): Promise<Opened> {
  const file = await openDataFile(path, { log: silentLog, ...options })
  t.teardown(() => file.close())
  const store = new Store({ firstResourceVersion: file.firstResourceVersion, journal: file })
  for (const found of file.restored) {
    const type = resourceOfKind(found.apiVersion ?? '', found.kind ?? '')
    if (!type) throw new Error(`no resource for ${found.kind}`)
    store.restore(type, found)
  }
  return { file, store }
}

/** What is in a data file, by name. Opens and closes it. */
async function contents(path: string, log: Log = silentLog): Promise<ReadonlyMap<string, KubeObject>> {
  const file = await openDataFile(path, { log })
  await file.close()
  return new Map(file.restored.map(found => [objectKey(found), found]))
}

/** A path in a folder that goes with the test. */
function pathFor(t: Test): string {
  return join(t.testdir(), 'objects')
}

/** The code and text with which a file isn't opened. */
async function whyNot(path: string): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await (await openDataFile(path, { log: silentLog })).close()
  } catch (error) {
    return error as { readonly code: string; readonly message: string }
  }
  throw new Error('it was opened')
}

/** A log that keeps its warnings and errors. */
function keepingLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = []
  const keep = (fields: unknown, text?: unknown): void => {
    lines.push(String(typeof fields === 'string' ? fields : text))
  }
  return { lines, log: { debug() {}, info: keep, warn: keep, error: keep } }
}

/** A disk whose calls can be made to fail. */
function failingDisk(): {
  fail: { write?: (fd: number, bytes: Uint8Array, offset: number, at: number) => number; sync?: Error }
  readonly disk: NonNullable<DataFileOptions['disk']>
} {
  const state: ReturnType<typeof failingDisk>['fail'] = {}
  const disk = {
    writeSync: ((fd: number, bytes: Uint8Array, offset: number, length: number, at: number) =>
      state.write?.(fd, bytes, offset, at) ??
      nodeFs.writeSync(fd, bytes, offset, length, at)) as typeof nodeFs.writeSync,
    fdatasync: ((fd: number, done: (error: Error | null) => void) => {
      if (state.sync) setImmediate(done, state.sync)
      else nodeFs.fdatasync(fd, done)
    }) as typeof nodeFs.fdatasync,
  }
  return { fail: state, disk }
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: the disk failed`), { code })
}

void test('what was written is there again, with everything that identifies it', async t => {
  const path = pathFor(t)
  const first = await open(t, path)
  first.store.create(services, object('kept', { spec: { ports: [{ port: 80 }] } }))
  const changed = first.store.update(services, object('kept', { spec: { ports: [{ port: 81 }] } }))
  first.store.create(services, object('deleted'))
  first.store.delete(services, 'default/deleted')
  const pod = first.store.create(pods, { metadata: { name: 'pod', namespace: 'default' } })
  await first.file.close()
  const { store, file } = await open(t, path)
  t.strictSame(store.list(services).items, [changed])
  t.match(store.get(pods, 'default/pod'), pod)
  t.ok(file.firstResourceVersion > first.store.resourceVersion, 'versions go on above those given away')
  t.match(
    refusal(() => store.watch(services, first.store.resourceVersion, () => undefined)),
    { code: 410 },
    'a watch of the earlier life has to start over',
  )
})

void test('events and derived Endpoints are not kept, and their versions are not given away again', async t => {
  const path = pathFor(t)
  const clock = { wallTimeMs: () => 1000 } // stands still, as a clock that was set back would
  const first = await open(t, path, clock)
  for (let i = 0; i < 120_000; i++) {
    const type = i % 2 === 0 ? events : endpoints
    first.store.create(type, { metadata: { name: `e${i}`, namespace: 'default' } })
    first.store.delete(type, `default/e${i}`)
  }
  const given = first.store.resourceVersion
  await first.file.close()
  const { file } = await open(t, path, clock)
  t.strictSame(file.restored, [])
  t.ok(file.firstResourceVersion >= given, `${file.firstResourceVersion} >= ${given}`)
  t.ok(statSync(path).size < 1000, 'nothing but reservations was written')
})

void test('the file is its owner’s alone, also after compaction, and a link to it stays one', async t => {
  const folder = t.testdir({ real: {}, link: t.fixture('symlink', 'real/objects') })
  const path = join(folder, 'real/objects')
  const { store, file } = await open(t, path, { compactAboveBytes: 1 })
  for (let i = 0; i < 100; i++)
    store.update(services, store.get(services, 'default/a') ?? store.create(services, object('a')))
  for (let i = 0; i < 50; i++) store.update(services, object('a', { spec: i }))
  await file.close()
  t.equal(statSync(path).mode & 0o777, 0o600)
  const linked = await open(t, join(folder, 'link'), { compactAboveBytes: 1 })
  for (let i = 0; i < 50; i++) linked.store.update(services, object('a', { spec: i }))
  await linked.store.committed()
  await linked.file.compacted()
  await linked.file.close()
  t.ok(nodeFs.lstatSync(join(folder, 'link')).isSymbolicLink())
  t.strictSame((await contents(path)).get('default/a')?.['spec'], 49)
})

void test('a file that ends within its last record, at whichever byte, has all the others', async t => {
  const path = pathFor(t)
  const { store, file } = await open(t, path)
  for (const name of ['a', 'b']) store.create(services, object(name))
  await store.committed()
  const before = statSync(path).size
  store.create(services, object('last', { spec: { externalName: 'zürich.example' } }))
  await file.close()
  const whole = readFileSync(path)
  for (let size = before; size < whole.length; size++) {
    writeFileSync(path, whole.subarray(0, size))
    const { log, lines } = keepingLog()
    const found = await contents(path, log)
    if ([...found.keys()].join() !== 'default/a,default/b')
      t.fail(`cut at ${size}: ${[...found.keys()].join()}`)
    if ((lines.length === 0) !== (size === before)) t.fail(`cut at ${size}: ${lines.join()}`)
    // What is written next stands behind the last whole record.
    const again = await open(t, path)
    again.store.create(services, object('next'))
    await again.file.close()
    if (!(await contents(path)).has('default/next')) t.fail(`cut at ${size}: the next record is lost`)
  }
  t.ok(whole.length - before > 100, 'there were offsets to cut at')
})

void test('property: one changed byte is never taken for data', async t => {
  const path = pathFor(t)
  const { store, file } = await open(t, path)
  for (const name of ['a', 'b', 'c']) store.create(services, object(name))
  await file.close()
  const whole = readFileSync(path)
  const original = await contents(path)
  const lastRecord = whole.lastIndexOf(0x0a, whole.length - 2) + 1
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, by) => {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] ?? 0) ^ by
      writeFileSync(path, changed)
      const found = await contents(path).catch(() => null)
      if (found === null) {
        // A new line's end makes two records of the last one, and so the first of them damage in the middle.
        if (at >= lastRecord && changed[at] !== 0x0a) throw new Error('the last record may be damaged')
        if (!readFileSync(path).equals(changed)) throw new Error('a damaged file was changed')
        return
      }
      for (const [key, value] of found) {
        if (JSON.stringify(value) !== JSON.stringify(original.get(key))) throw new Error(`${key} differs`)
      }
      if (found.size < original.size - 1 || at < lastRecord) throw new Error('records are lost silently')
    }),
    { numRuns: 300 },
  )
  t.pass()
})

void test('damage before the last record stops the start, and says where and what to do', async t => {
  const path = pathFor(t)
  const { store, file } = await open(t, path)
  for (const name of ['a', 'b', 'c']) store.create(services, object(name))
  await file.close()
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace('"uid of b"', '"uid of x"'))
  const at = text.lastIndexOf('\n', text.indexOf('"uid of b"')) + 1
  const { code, message } = await whyNot(path)
  t.equal(code, 'INVALID_CONFIG')
  t.match(message, `byte ${at}`)
  t.match(message, `truncate --size=${at} '${nodeFs.realpathSync(path)}'`)
  nodeFs.truncateSync(path, at)
  t.strictSame([...(await contents(path)).keys()], ['default/a'], 'the remedy works')
})

const line = (value: object): string => {
  const text = JSON.stringify(value)
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`
}
const header = line({ format: 'kube-relay data file', version: 1 })

void test('files that are no data files stay as they are', async t => {
  for (const [what, text, expected] of [
    ['another program’s file', 'root:x:0:0:root\n', /is not a data file of kube-relay/],
    ['one without a line', 'x', /is not a data file of kube-relay/],
    ['a header alone, cut short', header.slice(0, -5), /is not a data file of kube-relay/],
    ['a later format', line({ format: 'kube-relay data file', version: 2 }), /has the format 2/],
    ['a record of no known sort', header + line({ resourceVersion: 5 }), /of no known sort/],
    [
      'an object without a name',
      header + line({ put: { metadata: { resourceVersion: '5' } } }),
      /names no object/,
    ],
    [
      'an object without a version',
      header + line({ put: { metadata: { name: 'a' } } }),
      /no resourceVersion/,
    ],
    ['a number', header + line([1]), /no resourceVersion/],
  ] as const) {
    const path = join(t.testdir({ file: text }), 'file')
    t.match(await whyNot(path), { code: 'INVALID_CONFIG', message: expected }, what)
    t.equal(readFileSync(path, 'utf8'), text, `${what} is untouched`)
  }
})

void test('paths that can’t be a data file are refused, an empty file is taken', async t => {
  const folder = t.testdir({ empty: '', folder: {} })
  t.match(await whyNot(join(folder, 'folder')), { code: 'INVALID_CONFIG', message: /not a regular file/ })
  t.match(await whyNot(join(folder, 'none/file')), {
    code: 'INVALID_CONFIG',
    message: /there is no folder .*none/,
  })
  t.match(await whyNot('/dev/null'), { code: 'INVALID_CONFIG', message: /not a regular file/ })
  t.equal((await contents(join(folder, 'empty'))).size, 0)
})

void test('a file has one process at a time', async t => {
  const path = pathFor(t)
  const { file } = await open(t, path)
  const taken = { code: 'INVALID_CONFIG', message: /another kube-relay uses .*objects: stop it/ }
  t.match(await whyNot(path), taken, 'in this process')
  const program = `
    import { openDataFile } from ${JSON.stringify(new URL('../../../lib/standalone/store/data-file.ts', import.meta.url).href)}
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    try {
      await openDataFile(process.argv[1], { log })
      process.stdout.write('opened\\n')
      setInterval(() => {}, 1000)
    } catch (error) {
      process.stdout.write(error.message + '\\n')
    }`
  const start = async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    const [said] = (await once(child.stdout, 'data')) as [Buffer]
    return { child, said: said.toString() }
  }
  t.match((await start()).said, /another kube-relay uses/, 'in another process')
  await file.close()
  const holder = await start()
  t.equal(holder.said, 'opened\n')
  t.match(await whyNot(path), taken)
  holder.child.kill('SIGKILL')
  await once(holder.child, 'exit')
  t.equal((await contents(path)).size, 0, 'a killed holder holds nothing')
})

void test('compaction under writes loses nothing and bounds the file', async t => {
  const path = pathFor(t)
  const { store, file } = await open(t, path, { compactAboveBytes: 20_000 })
  const expected = new Map<string, number>()
  let swaps = 0
  let { ino } = statSync(path)
  for (let i = 0; i < 3000; i++) {
    const name = `s${i % 40}`
    const key = `default/${name}`
    if (i % 7 === 3 && store.get(services, key)) {
      store.delete(services, key)
      expected.delete(name)
    } else {
      if (store.get(services, key)) store.update(services, object(name, { spec: i }))
      else store.create(services, object(name, { spec: i }))
      expected.set(name, i)
    }
    if (i % 10 === 0) {
      await store.committed()
      const now = statSync(path).ino
      if (now !== ino) swaps++
      ino = now
    }
    if (i % 100 === 0) t.ok(statSync(path).size < 200_000)
  }
  await store.committed()
  t.ok(swaps > 3, `the file was replaced ${swaps} times`)
  await file.close()
  const found = await contents(path)
  t.strictSame(
    Object.fromEntries([...found].map(([key, { spec }]) => [key.slice(8), spec])),
    Object.fromEntries(expected),
  )
  t.notOk(nodeFs.existsSync(`${path}.new`))
})

void test('a full disk refuses the write and nothing else, until there is room', async t => {
  const path = pathFor(t)
  const { fail, disk } = failingDisk()
  const { log, lines } = keepingLog()
  const { store, file } = await open(t, path, { disk, log })
  store.create(services, object('a'))
  const { resourceVersion } = store
  const seen: string[] = []
  store.watch(services, resourceVersion, event => seen.push(event.object.metadata.name ?? ''))
  // Half of the record gets there, as on a disk that fills up just then.
  fail.write = (fd, bytes, offset, at) => {
    if (offset > 0) throw failure('ENOSPC')
    return nodeFs.writeSync(fd, bytes, 0, 40, at)
  }
  for (const name of ['b', 'c']) {
    t.match(
      refusal(() => store.create(services, object(name))),
      { code: 500, reason: 'InternalError', message: /the data file .*objects can't be written \(ENOSPC/ },
    )
  }
  t.equal(store.get(services, 'default/b'), undefined)
  t.equal(store.resourceVersion, resourceVersion)
  t.strictSame(seen, [])
  t.equal(lines.length, 1, 'said once')
  delete fail.write
  store.create(services, object('d'))
  t.match(lines[1], /can be written again/)
  await file.close()
  t.strictSame([...(await contents(path)).keys()], ['default/a', 'default/d'])
})

void test('a failed sync is told to who waits, and the file is written anew before anything else', async t => {
  const path = pathFor(t)
  const { fail, disk } = failingDisk()
  const clock = new ManualClock()
  const { file, store } = await open(t, path, { disk, clock })
  store.create(services, object('a'))
  await store.committed()
  const { ino } = statSync(path)
  fail.sync = failure('EIO')
  store.create(services, object('b'))
  const refused = await store.committed().then(
    () => null,
    (error: unknown) => error,
  )
  t.ok(refused instanceof StatusError)
  t.match((refused as StatusError).status, { code: 500, message: /EIO/ })
  await t.rejects(store.committed(), /EIO/, 'as long as it lasts')
  fail.write = () => {
    throw failure('EIO')
  }
  t.match(
    refusal(() => store.create(services, object('c'))),
    { code: 500 },
  )
  t.equal(store.get(services, 'default/c'), undefined)
  delete fail.sync
  delete fail.write
  t.match(
    refusal(() => store.create(services, object('d'))),
    { code: 500 },
    'it is not tried again at once',
  )
  clock.advance(1000)
  store.create(services, object('e'))
  await store.committed()
  t.not(statSync(path).ino, ino, 'it is a new file')
  await file.close()
  t.strictSame([...(await contents(path)).keys()], ['default/a', 'default/b', 'default/e'])
})

void test('a compaction that fails leaves the file as it is, and growing', async t => {
  const path = pathFor(t)
  const { log, lines } = keepingLog()
  const { file, store } = await open(t, path, { compactAboveBytes: 2000, log })
  // A folder in the way of the new file.
  nodeFs.mkdirSync(`${path}.new`)
  for (let i = 0; i < 30; i++) {
    if (store.get(services, 'default/a')) store.update(services, object('a', { spec: i }))
    else store.create(services, object('a', { spec: i }))
    await store.committed()
  }
  t.match(lines[0], /can't be compacted now .*, and grows on/)
  nodeFs.rmdirSync(`${path}.new`)
  const { size } = statSync(path)
  for (let i = 0; i < 200; i++) {
    store.update(services, object('a', { spec: `again ${i}` }))
    await store.committed()
  }
  // Not by its inode: that of the file before last may be used again.
  t.ok(statSync(path).size < 3 * size, 'it has become a new file')
  await file.close()
  t.equal((await contents(path)).get('default/a')?.['spec'], 'again 199')
})

void test('one sync serves all who wait for it', async t => {
  let syncs = 0
  const disk = {
    writeSync: nodeFs.writeSync,
    fdatasync: ((fd: number, done: (error: Error | null) => void) => {
      syncs++
      nodeFs.fdatasync(fd, done)
    }) as typeof nodeFs.fdatasync,
  }
  const { store } = await open(t, pathFor(t), { disk })
  await store.committed()
  const before = syncs
  await Promise.all(
    Array.from({ length: 100 }, (_, i) => {
      store.create(services, object(`s${i}`))
      return store.committed()
    }),
  )
  t.ok(syncs - before <= 2, `${syncs - before} syncs for 100 writes`)
})

void test('property: a reopened file holds what the store held, whatever was written', async t => {
  const change = fc.record({
    type: fc.constantFrom(services, pods),
    name: fc.constantFrom('a', 'b', '__proto__', 'constructor'),
    remove: fc.boolean(),
    commit: fc.boolean(),
    value: fc.jsonValue({ maxDepth: 3 }),
  })
  const folder = t.testdir({})
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(change, { maxLength: 10 }), { maxLength: 4 }), async lives => {
      const path = join(folder, `${run++}`)
      let expected = '[[],[]]'
      for (const changes of lives) {
        const { store, file } = await open(t, path, { compactAboveBytes: 300 })
        const state = (): string => JSON.stringify([services, pods].map(type => store.list(type).items))
        if (state() !== expected) throw new Error(`${state()} is not ${expected}`)
        for (const { type, name, remove, value, commit } of changes) {
          const next = { ...object(name, { kind: type.kind }), value }
          const known = store.get(type, `default/${name}`)
          if (known && remove) store.delete(type, `default/${name}`)
          else if (known) store.update(type, next)
          else store.create(type, next)
          if (commit) await store.committed()
        }
        expected = state()
        await file.close()
      }
    }),
    { numRuns: 40 },
  )
  t.pass()
})
