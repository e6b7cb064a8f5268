// A control plane with a data file: what comes back after a restart, and that nothing acknowledged is lost when its
// process is killed in the middle of its work.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type Test } from 'tap'
import { objectKey, type KubeObject } from '../../lib/model/objects.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { startControlPlane, type ControlPlane } from '../../lib/standalone/control-plane.ts'
import type { Pod, Service } from '../../lib/standalone/kinds/api-types.ts'
import { endpointSlices, namespaces, nodes, pods, services } from '../../lib/standalone/kinds/resources.ts'
import { applyManifests } from '../../lib/standalone/manifests/manifests.ts'
import { samplePodImage } from '../../lib/standalone/samples/sample-pods.ts'
import { controlPlaneFor, endpointsOf, namespace, pod, refusal, service } from './builders.ts'
import { call } from './http-client.ts'

/** One life of a control plane on a data file. */
async function life(
  t: Test,
  dataFile: string,
  live: (controlPlane: ControlPlane) => unknown,
  options: Parameters<typeof controlPlaneFor>[1] = {},
): Promise<void> {
  const controlPlane = await controlPlaneFor(t, { dataFile, ...options })
  await live(controlPlane)
  await controlPlane.close()
}

void test('a restart keeps objects, what they hold, and the order of versions', async t => {
  const dataFile = join(t.testdir(), 'objects')
  const options = { nodeName: 'node-1' }
  let before: ReadonlyMap<string, KubeObject> = new Map()
  let version = 0
  const types = [services, pods, namespaces, nodes, endpointSlices]
  const objectsOf = ({ store }: ControlPlane): Map<string, KubeObject> =>
    new Map(
      types.flatMap(type =>
        store.list(type).items.map((item): [string, KubeObject] => [`${type.kind} ${objectKey(item)}`, item]),
      ),
    )
  await life(
    t,
    dataFile,
    async controlPlane => {
      const { registry } = controlPlane
      registry.create(namespaces, namespace('mine'))
      registry.create(services, service('web', { type: 'NodePort' }))
      registry.create(services, service('gone', { clusterIP: '127.96.0.77' }))
      registry.delete(services, { namespace: 'default', name: 'gone' })
      controlPlane.apply(pod('web-1', { app: 'web', ip: '10.0.0.1' }))
      const node = registry.get(nodes, { namespace: '', name: 'node-1' })
      registry.update(nodes, {
        ...node,
        metadata: { ...node.metadata, labels: { ...node.metadata.labels, mine: 'yes' } },
      })
      await controlPlane.settled()
      before = objectsOf(controlPlane)
      version = controlPlane.store.resourceVersion
    },
    options,
  )
  await life(
    t,
    dataFile,
    async controlPlane => {
      await controlPlane.settled()
      const after = objectsOf(controlPlane)
      t.strictSame([...after.keys()].sort(byText), [...before.keys()].sort(byText))
      for (const [key, object] of after) {
        const was = before.get(key)
        t.equal(object.metadata.uid, was?.metadata.uid, `${key} is the same object`)
        // The node's status is new: it is this process that says how it is.
        if (!key.startsWith('Node ')) t.strictSame(object, was, `${key} is as it was`)
      }
      t.match(after.get('Node node-1')?.metadata.labels, { mine: 'yes' })
      t.ok(controlPlane.store.resourceVersion >= version)
      const held = after.get('Service default/web') as Service
      t.match(
        refusal(() =>
          controlPlane.registry.create(services, service('other', { clusterIP: held.spec.clusterIP ?? '' })),
        ),
        { code: 422 },
        'its cluster IP is taken',
      )
      const nodePort = held.spec.ports?.[0]?.nodePort
      t.match(
        refusal(() =>
          controlPlane.registry.create(
            services,
            service('other', { type: 'NodePort', ports: [{ port: 80, ...(nodePort ? { nodePort } : {}) }] }),
          ),
        ),
        { code: 422 },
        'and so is its node port',
      )
      controlPlane.registry.create(services, service('other', { clusterIP: '127.96.0.77' }))
      t.match(
        refusal(() => controlPlane.store.watch(services, version - 1, () => undefined)),
        { code: 410 },
        'a watch of the earlier life starts over',
      )
    },
    options,
  )
})

void test('a sample pod comes back without the process that it had', async t => {
  const dataFile = join(t.testdir(), 'objects')
  const containers = [{ name: 'c', image: `${samplePodImage}:1`, ports: [{ containerPort: 80 }] }]
  await life(t, dataFile, async controlPlane => {
    controlPlane.registry.create(services, service('web'))
    for (const [name, extra] of [
      [
        'run-here',
        { containerStatuses: [{ name: 'c', ready: true, restartCount: 0, image: '', imageID: '' }] },
      ],
      ['author-s', {}],
    ] as const) {
      const given = pod(name, {
        app: 'web',
        ip: name === 'run-here' ? '127.244.0.1' : '10.0.0.9',
        spec: { containers },
      })
      controlPlane.apply({ ...given, status: { ...given.status, ...extra } })
    }
    await controlPlane.settled()
    t.equal(endpointsOf(controlPlane, 'web').length, 2)
  })
  await life(t, dataFile, async controlPlane => {
    await controlPlane.settled()
    const status = (name: string): Pod['status'] =>
      (controlPlane.store.get(pods, `default/${name}`) as Pod).status
    t.match(status('run-here'), { phase: 'Pending', podIP: undefined, containerStatuses: undefined })
    t.match(status('author-s'), { phase: 'Running', podIP: '10.0.0.9' })
    t.strictSame(endpointsOf(controlPlane, 'web'), ['10.0.0.9:80 ready'], 'and has no endpoint until it is')
  })
})

void test('objects of manifests that went while nobody looked are deleted, others stay', async t => {
  const folder = t.testdir({ manifests: {} })
  const dataFile = join(folder, 'objects')
  const manifests = join(folder, 'manifests')
  for (const name of ['stays', 'goes', 'changes']) {
    writeFileSync(join(manifests, `${name}.yaml`), JSON.stringify(service(name)))
  }
  await life(t, dataFile, async controlPlane => {
    t.strictSame(await applyManifests(controlPlane, manifests), [])
    controlPlane.registry.create(services, service('by-hand'))
  })
  rmSync(join(manifests, 'goes.yaml'))
  writeFileSync(
    join(manifests, 'changes.yaml'),
    JSON.stringify(service('changes', { ports: [{ port: 81 }] })),
  )
  await life(t, dataFile, async controlPlane => {
    const uid = controlPlane.store.get(services, 'default/stays')?.metadata.uid
    t.strictSame(await applyManifests(controlPlane, manifests), [])
    const found = controlPlane.store.list(services).items as readonly Service[]
    t.strictSame(
      found.map(({ metadata, spec }) => [metadata.name, spec.ports?.[0]?.port]),
      [
        ['by-hand', 80],
        ['changes', 81],
        ['stays', 80],
      ],
    )
    t.equal(found.at(-1)?.metadata.uid, uid)
  })
})

void test('a start that fails leaves the file free', async t => {
  const dataFile = join(t.testdir(), 'objects')
  const options = { host: '127.0.0.1', port: 0, dataFile, log: silentLog }
  await t.rejects(startControlPlane({ ...options, serviceCidrs: ['nonsense'] }), { code: 'INVALID_CONFIG' })
  await life(t, dataFile, async ({ port }) => {
    const other = join(t.testdirName, 'other')
    const start = startControlPlane({ ...options, port, dataFile: other, serviceCidrs: ['127.96.0.0/16'] })
    await t.rejects(start, { code: 'ADDRESS' })
    await life(t, other, () => undefined)
  })
  t.pass('each could be opened again')
})

const program = `
  import { startControlPlane } from ${JSON.stringify(new URL('../../lib/standalone/control-plane.ts', import.meta.url).href)}
  import { silentLog } from ${JSON.stringify(new URL('../../lib/ops/log.ts', import.meta.url).href)}
  const { url } = await startControlPlane({
    host: '127.0.0.1', port: 0, serviceCidrs: ['127.96.0.0/16'], log: silentLog,
    dataFile: process.argv[1],
  })
  process.stdout.write(url + '\\n')`

async function startProcess(t: Test, dataFile: string): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, dataFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { child, url }
}

void test('kill -9, again and again: every acknowledged write is there', { timeout: 100_000 }, async t => {
  const kills = 10
  const clients = 8
  const dataFile = join(t.testdir(), 'objects')
  /** What each client was last told of its own objects; null for a deletion. Of the newest request it may not know. */
  const acknowledged = new Map<string, KubeObject | null>()
  const inDoubt = new Set<string>()
  let writes = 0
  for (let kill = 0; kill < kills; kill++) {
    const { child, url } = await startProcess(t, dataFile)
    const list = await call<{ items: readonly KubeObject[] }>(`${url}/api/v1/namespaces/default/services`)
    const found = new Map(list.body.items.map(item => [item.metadata.name ?? '', item]))
    for (const [name, expected] of acknowledged) {
      if (inDoubt.has(name)) continue
      const object = found.get(name)
      if (expected === null) t.equal(object, undefined, `${name} stays deleted`)
      else t.strictSame({ ...object, apiVersion: 'v1', kind: 'Service' }, expected, name)
    }
    for (const name of found.keys()) {
      if (!acknowledged.has(name) && !inDoubt.has(name)) t.fail(`${name} was never written`)
    }
    for (const name of inDoubt) acknowledged.set(name, withKind(found.get(name)))
    inDoubt.clear()

    const enough = 20 + kill * 13
    let done = 0
    const killed = Promise.withResolvers<void>()
    const client = async (id: number): Promise<void> => {
      for (let i = 0; ; i++) {
        const name = `s${id}-${i % 9}`
        const known = acknowledged.get(name) ?? null
        const collection = `${url}/api/v1/namespaces/default/services`
        inDoubt.add(name)
        const reply = await (known === null
          ? call<KubeObject>(collection, 'POST', service(name))
          : i % 5 === 4
            ? call<KubeObject>(`${collection}/${name}`, 'DELETE')
            : call<KubeObject>(`${collection}/${name}`, 'PUT', {
                ...known,
                metadata: { ...known.metadata, annotations: { turn: `${kill} ${i}` } },
              }))
        if (reply.code > 201) throw new Error(`${reply.code} ${JSON.stringify(reply.body)}`)
        inDoubt.delete(name)
        acknowledged.set(name, known !== null && i % 5 === 4 ? null : reply.body)
        writes++
        if (++done === enough) killed.resolve()
      }
    }
    const working = Array.from({ length: clients }, (_, id) =>
      client(id).catch((error: unknown) => {
        // Only the kill may end it.
        if (done < enough) killed.reject(error)
      }),
    )
    await killed.promise
    child.kill('SIGKILL')
    await Promise.all([...working, once(child, 'exit')])
  }
  t.ok(acknowledged.size > 40, `${writes} writes, ${kills} kills, ${readFileSync(dataFile).length} bytes`)
})

void test('a deletion that a crash has interrupted is gone on with', async t => {
  const dataFile = join(t.testdir(), 'objects')
  const deletionTimestamp = '2026-01-31T12:00:00Z'
  await life(t, dataFile, ({ registry, store }) => {
    registry.create(namespaces, namespace('mine'))
    registry.create(namespaces, namespace('held'))
    for (const [name, finalizers] of Object.entries({ mine: [], held: ['example.com/held'] })) {
      const inside = service('web')
      registry.create(services, { ...inside, metadata: { name: 'web', namespace: name, finalizers } })
      const object = registry.get(namespaces, { namespace: '', name })
      store.update(namespaces, { ...object, metadata: { ...object.metadata, deletionTimestamp } })
    }
    const web = registry.create(services, service('web', { clusterIP: '127.96.0.77' }))
    store.update(services, { ...web, metadata: { ...web.metadata, deletionTimestamp } })
  })
  await life(t, dataFile, ({ registry, store }) => {
    const keys = (type: typeof services) => store.list(type).items.map(object => objectKey(object))
    t.strictSame(keys(services), ['held/web'])
    t.strictSame(keys(namespaces), ['default', 'held', 'kube-system'])
    const held = registry.get(services, { namespace: 'held', name: 'web' })
    const { finalizers: _, ...metadata } = held.metadata as Record<string, unknown>
    registry.update(services, { ...held, metadata })
    t.strictSame(keys(namespaces), ['default', 'kube-system'])
    t.equal(registry.create(services, service('next', { clusterIP: '127.96.0.77' })).metadata.name, 'next')
  })
})

function withKind(object: KubeObject | undefined): KubeObject | null {
  return object === undefined ? null : { ...object, apiVersion: 'v1', kind: 'Service' }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
