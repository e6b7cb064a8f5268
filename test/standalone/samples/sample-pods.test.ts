import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { test, type Test } from 'tap'
import { silentLog } from '../../../lib/ops/log.ts'
import type { ControlPlane } from '../../../lib/standalone/control-plane.ts'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { applyManifests } from '../../../lib/standalone/manifests/manifests.ts'
import { pods, services } from '../../../lib/standalone/kinds/resources.ts'
import { startSamplePod, withFallback } from '../../../lib/standalone/samples/sample-pod.ts'
import { startSamplePods, type SamplePods } from '../../../lib/standalone/samples/sample-pods.ts'
import type { StoreEvent } from '../../../lib/standalone/store/store.ts'
import { controlPlaneFor, endpointsOf, refusal, service } from '../builders.ts'
import { ManualClock } from '../../manual-clock.ts'

const main = join(import.meta.dirname, 'sample-pod-main.ts')
const command = [process.execPath, main]

// An own range for each test process and each of its tests, so that no two ever listen on the same address.
let ranges = process.pid % 120
const nextRange = (): string => `127.${245 + (ranges % 8)}.${(ranges++ * 2) % 250}.0/24`

const samplePod = (
  name: string,
  ports: readonly object[] = [{ containerPort: 8080 }],
  image = 'kube-relay/sample-pod',
) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: 'web' } },
  spec: { containers: [{ name: 'main', image, ports }] },
})

function podsFor(
  t: Test,
  controlPlane: ControlPlane,
  options: { clock?: ManualClock; command?: readonly string[]; wallTime?: () => Date } = {},
) {
  const samples = startSamplePods({
    controlPlane,
    command,
    nodeName: 'n1',
    podCidr: nextRange(),
    log: silentLog,
    ...options,
  })
  t.teardown(() => samples.close())
  return samples
}

/** Resolves with a Pod as soon as it is as wanted. */
function podWhen(
  controlPlane: ControlPlane,
  name: string,
  wanted: (pod: KubeObject) => boolean,
): Promise<KubeObject> {
  return new Promise(resolve => {
    const { store } = controlPlane
    const present = store.get(pods, `default/${name}`)
    if (present && wanted(present)) {
      resolve(present)
      return
    }
    const stop = store.watch(pods, store.resourceVersion, ({ object }) => {
      if (object.metadata.name !== name || !wanted(object)) return
      stop()
      resolve(object)
    })
  })
}

const isReady = (pod: KubeObject): boolean =>
  ((pod['status'] as { conditions?: { type: string; status: string }[] } | undefined)?.conditions ?? []).some(
    ({ type, status }) => type === 'Ready' && status === 'True',
  )
const ipOf = (pod: KubeObject | undefined): string =>
  (pod?.['status'] as { podIP?: string } | undefined)?.podIP ?? ''

void test('a sample pod answers HTTP and UDP with its name', async t => {
  const address = nextRange().replace('.0/24', '.1')
  const pod = await startSamplePod({ name: 'p1', address, tcpPorts: [8080, 8081], udpPorts: [5300] })
  t.teardown(() => pod[Symbol.asyncDispose]())
  const agent = new Agent({ connections: 1 })
  t.teardown(() => agent.destroy())
  for (const path of ['/', '/any?x', '/']) {
    const reply = await request(`http://${address}:8080${path}`, { dispatcher: agent })
    t.equal(await reply.body.text(), 'p1\n')
    t.match(reply.headers, { 'content-length': '3', connection: 'keep-alive' })
  }
  const head = await request(`http://${address}:8081/`, { method: 'HEAD', dispatcher: agent })
  t.equal(await head.body.text(), '')
  const post = await request(`http://${address}:8080/`, { method: 'POST', body: 'x', dispatcher: agent })
  await post.body.dump()
  t.equal(post.statusCode, 405)

  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  socket.send('hello', 5300, address)
  const [datagram, peer] = (await once(socket, 'message')) as [Buffer, { address: string; port: number }]
  t.equal(datagram.toString(), 'p1: hello')
  t.match(peer, { address, port: 5300 })
  socket.send(Buffer.alloc(65_507), 5300, address)
  const [large] = (await once(socket, 'message')) as [Buffer]
  t.equal(large.length, 65_507)
})

void test('a well-known port that cannot be had goes 8000 up', async t => {
  const failing = (code: string, below: number) => (port: number) =>
    port < below ? Promise.reject(Object.assign(new Error(code), { code })) : Promise.resolve()
  t.equal(await withFallback(80, failing('EACCES', 1)), 80)
  t.equal(await withFallback(80, failing('EACCES', 1024)), 8080)
  t.equal(await withFallback(53, failing('EADDRINUSE', 1024)), 8053)
  await t.rejects(withFallback(8080, failing('EADDRINUSE', 9000)), { code: 'EADDRINUSE' })
  await t.rejects(withFallback(80, failing('EADDRNOTAVAIL', 1024)), { code: 'EADDRNOTAVAIL' })
})

void test('a port that is taken is named', async t => {
  const address = nextRange().replace('.0/24', '.1')
  const options = { name: 'p1', address, tcpPorts: [8080], udpPorts: [] }
  const pod = await startSamplePod(options)
  t.teardown(() => pod[Symbol.asyncDispose]())
  await t.rejects(startSamplePod({ ...options, name: 'p2' }), {
    code: 'ADDRESS',
    message: new RegExp(`^sample pod p2 can't listen on ${address}:8080/TCP \\(.*EADDRINUSE`),
  })
})

void test('Pods with the image become processes that answer, and others stay as they are', async t => {
  const controlPlane = await controlPlaneFor(t)
  controlPlane.apply(service('web', { ports: [{ port: 80, targetPort: 8080 }] }))
  controlPlane.apply(samplePod('a'))
  controlPlane.apply(samplePod('other', [], 'nginx'))
  controlPlane.apply({ ...samplePod('placed'), status: { podIP: '10.0.0.1' } })
  const samples = podsFor(t, controlPlane)
  controlPlane.apply(samplePod('b'))
  await samples.allReady()
  t.strictSame([...samples.pids().keys()], ['default/a', 'default/b'])
  await controlPlane.settled()
  const addresses = ['a', 'b'].map(name => ipOf(controlPlane.store.get(pods, `default/${name}`)))
  t.match(endpointsOf(controlPlane, 'web'), [
    '10.0.0.1:8080 not ready',
    ...addresses.map(ip => `${ip}:8080 ready`),
  ])
  t.match(controlPlane.store.get(pods, 'default/a'), {
    spec: { nodeName: 'n1' },
    status: { phase: 'Running' },
  })
  t.match(controlPlane.store.get(pods, 'default/other'), { status: { phase: 'Pending' } })
  for (const [i, name] of ['a', 'b'].entries()) {
    const reply = await request(`http://${addresses[i]}:8080/`)
    t.equal(await reply.body.text(), `${name}\n`)
  }
})

void test('a Pod has the status that a kubelet writes', async t => {
  const controlPlane = await controlPlaneFor(t, { nodeName: 'n1', nodeAddresses: ['127.0.0.9'] })
  controlPlane.apply(samplePod('a'))
  const samples = podsFor(t, controlPlane, { wallTime: () => new Date('2026-01-02T03:04:05.678Z') })
  const started = controlPlane.store.get(pods, 'default/a')
  const waiting = { waiting: { reason: 'ContainerCreating' } }
  t.match(started, {
    spec: { nodeName: 'n1' },
    status: { phase: 'Pending', containerStatuses: [{ ready: false, started: false, state: waiting }] },
  })
  await samples.allReady()
  const ip = ipOf(controlPlane.store.get(pods, 'default/a'))
  const time = '2026-01-02T03:04:05Z'
  const condition = (type: string) => ({
    type,
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: time,
  })
  t.strictSame(controlPlane.store.get(pods, 'default/a')?.['status'], {
    phase: 'Running',
    conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(condition),
    hostIP: '127.0.0.9',
    hostIPs: [{ ip: '127.0.0.9' }],
    podIP: ip,
    podIPs: [{ ip }],
    qosClass: 'BestEffort',
    startTime: time,
    containerStatuses: [
      {
        name: 'main',
        image: 'kube-relay/sample-pod',
        imageID: '',
        containerID: `kube-relay://${started?.metadata.uid}/0`,
        ready: true,
        started: true,
        restartCount: 0,
        state: { running: { startedAt: time } },
        lastState: {},
      },
    ],
  })
})

/** A pod's program that answers nowhere: prepared as the first text says, it reports that it is ready, then the rest. */
const programThat = (prepared: string, rest = ''): readonly string[] => [
  process.execPath,
  '-e',
  `${prepared}; process.on('message', () => 0); process.send({ type: 'listening', elsewhere: [] }); ${rest}`,
  '--',
]
const podName = { namespace: 'default', name: 'a' }

function gone(controlPlane: ControlPlane, name: string): Promise<readonly StoreEvent[]> {
  const seen: StoreEvent[] = []
  return new Promise(resolve => {
    const stop = controlPlane.store.watch(pods, controlPlane.store.resourceVersion, event => {
      if (event.object.metadata.name !== name) return
      seen.push(event)
      if (event.type !== 'DELETED') return
      stop()
      resolve(seen)
    })
  })
}

void test('a deleted Pod terminates: it stays, serving no new clients, until its process has ended', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { registry, store } = controlPlane
  controlPlane.apply(service('web', { ports: [{ port: 80, targetPort: 8080 }] }))
  controlPlane.apply(samplePod('a'))
  const samples = podsFor(t, controlPlane, {
    command: programThat(`process.on('SIGTERM', () => setTimeout(() => process.exit(0), 300))`),
  })
  await samples.allReady()
  const pid = samples.pids().get('default/a') ?? 0
  const end = gone(controlPlane, 'a')
  const { object, gone: isGone } = registry.delete(pods, podName)
  t.equal(isGone, false)
  t.match(object.metadata, { deletionGracePeriodSeconds: 30, deletionTimestamp: /Z$/ })
  t.ok(isReady(store.get(pods, 'default/a') ?? { metadata: {} }), 'it still answers')
  await controlPlane.settled()
  t.match(endpointsOf(controlPlane, 'web'), [/ terminating$/])
  t.match(
    refusal(() => registry.create(pods, samplePod('a'))),
    { code: 409, reason: 'AlreadyExists' },
  )
  t.equal(process.kill(pid, 0), true)
  const last = (await end).at(-1)?.object
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  t.match(last, {
    status: {
      phase: 'Succeeded',
      conditions: [{}, { type: 'Ready', status: 'False', reason: 'PodCompleted' }, {}, {}],
      containerStatuses: [{ ready: false, state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
    },
  })
  t.strictSame([...controlPlane.runningPods], [])
  controlPlane.apply(samplePod('a'))
  await samples.allReady()
  t.ok(isReady(store.get(pods, 'default/a') ?? { metadata: {} }), 'a new one of that name runs')
})

void test('a process that outlives the grace period is killed, sooner if a second deletion says so', async t => {
  for (const [name, second, wanted] of [
    ['grace period of the Pod', undefined, 30_000],
    ['second deletion', 2, 2000],
  ] as const) {
    const clock = new ManualClock()
    const controlPlane = await controlPlaneFor(t)
    controlPlane.apply(samplePod('a'))
    const samples = podsFor(t, controlPlane, {
      clock,
      command: programThat(`process.on('SIGTERM', () => 0)`),
    })
    await samples.allReady()
    const end = gone(controlPlane, 'a')
    controlPlane.delete(samplePod('a'))
    if (second !== undefined) controlPlane.registry.delete(pods, podName, { gracePeriodSeconds: second })
    t.strictSame(clock.delays, [wanted], name)
    clock.advance(wanted - 1)
    t.ok(controlPlane.store.get(pods, 'default/a'), name)
    clock.advance(1)
    t.match((await end).at(-1)?.object, {
      status: { phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 137 } } }] },
    })
    t.strictSame(clock.delays, [], name)
  }
})

void test('without a grace period a Pod is gone at once, and its process killed', async t => {
  const controlPlane = await controlPlaneFor(t)
  controlPlane.apply(samplePod('a'))
  const samples = podsFor(t, controlPlane, { command: programThat(`process.on('SIGTERM', () => 0)`) })
  await samples.allReady()
  const pid = samples.pids().get('default/a') ?? 0
  t.equal(controlPlane.registry.delete(pods, podName, { gracePeriodSeconds: 0 }).gone, true)
  t.strictSame([...samples.pids()], [])
  controlPlane.apply(samplePod('a'))
  await samples.allReady()
  t.not(samples.pids().get('default/a'), pid)
  await samples.close()
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

void test('a Pod that is deleted while it starts, or waits to be started again, goes', async t => {
  const controlPlane = await controlPlaneFor(t)
  controlPlane.apply(samplePod('a'))
  const starting = podsFor(t, controlPlane, {
    command: [process.execPath, '-e', 'setInterval(() => 0, 1000)', '--'],
  })
  t.equal(starting.pids().size, 1)
  const end = gone(controlPlane, 'a')
  controlPlane.delete(samplePod('a'))
  await starting.allReady()
  await end
  await starting.close()

  controlPlane.apply(samplePod('a'))
  const clock = new ManualClock()
  podsFor(t, controlPlane, { clock, command: ['/no/such/program'] })
  await podWhen(controlPlane, 'a', pod => JSON.stringify(pod['status']).includes('CrashLoopBackOff'))
  const secondEnd = gone(controlPlane, 'a')
  controlPlane.delete(samplePod('a'))
  await secondEnd
  t.strictSame(clock.delays, [])
})

void test('finalizers hold a Pod whose process is gone', async t => {
  const controlPlane = await controlPlaneFor(t)
  const { registry } = controlPlane
  const held = { ...samplePod('a'), metadata: { name: 'a', finalizers: ['example.com/hold'] } }
  registry.create(pods, held)
  const samples = podsFor(t, controlPlane)
  await samples.allReady()
  controlPlane.delete(samplePod('a'))
  const over = await podWhen(
    controlPlane,
    'a',
    ({ metadata }) => (metadata as { deletionGracePeriodSeconds?: number }).deletionGracePeriodSeconds === 0,
  )
  t.match(over, { status: { phase: 'Succeeded' }, metadata: { finalizers: ['example.com/hold'] } })
  t.strictSame([...samples.pids()], [])
  const end = gone(controlPlane, 'a')
  registry.update(pods, { ...over, metadata: { ...over.metadata, finalizers: [] } })
  await end
  t.equal(controlPlane.store.get(pods, 'default/a'), undefined)
})

void test('a Pod that is not to be restarted is over with its process', async t => {
  for (const [restartPolicy, exitCode, phase] of [
    ['Never', 0, 'Succeeded'],
    ['Never', 3, 'Failed'],
    ['OnFailure', 0, 'Succeeded'],
  ] as const) {
    const clock = new ManualClock()
    const controlPlane = await controlPlaneFor(t)
    const pod = samplePod('a')
    controlPlane.apply({ ...pod, spec: { ...pod.spec, restartPolicy } })
    const samples = podsFor(t, controlPlane, {
      clock,
      command: programThat(`process.exitCode = ${exitCode}`, 'process.disconnect()'),
    })
    const over = await podWhen(
      controlPlane,
      'a',
      ({ status }) => (status as { phase?: string }).phase === phase,
    )
    t.match(over, { status: { containerStatuses: [{ state: { terminated: { exitCode } } }] } }, restartPolicy)
    await samples.allReady()
    t.strictSame(clock.delays, [], 'nothing starts it again')
    t.equal(controlPlane.delete(samplePod('a')).gone, true, 'nor is its deletion waited for')
  }
})

void test('Pods of an earlier life: the live ones run again, the terminating ones go', async t => {
  const controlPlane = await controlPlaneFor(t)
  controlPlane.apply(samplePod('a'))
  controlPlane.apply(samplePod('b'))
  const before = podsFor(t, controlPlane)
  await before.allReady()
  controlPlane.delete(samplePod('b'))
  await before.close()
  t.ok(controlPlane.store.get(pods, 'default/b'), 'its deletion was not finished')
  const after = podsFor(t, controlPlane)
  t.equal(controlPlane.store.get(pods, 'default/b'), undefined)
  await after.allReady()
  t.strictSame([...after.pids().keys()], ['default/a'])
  t.match(controlPlane.store.get(pods, 'default/a'), { status: { containerStatuses: [{ ready: true }] } })
})

void test('Pods of other nodes, and those that wait for somebody, are left alone', async t => {
  const controlPlane = await controlPlaneFor(t)
  const samples = podsFor(t, controlPlane)
  const pod = samplePod('a')
  controlPlane.apply({ ...pod, spec: { ...pod.spec, nodeName: 'n2' } })
  controlPlane.apply({
    ...samplePod('b'),
    spec: { ...pod.spec, schedulingGates: [{ name: 'example.com/wait' }] },
  })
  t.strictSame([...samples.pids()], [])
  t.match(controlPlane.store.get(pods, 'default/a'), { status: { phase: 'Pending' } })
})

void test('a killed pod is not ready at once, and is back after a pause that grows', async t => {
  const clock = new ManualClock()
  const controlPlane = await controlPlaneFor(t)
  controlPlane.apply(samplePod('a'))
  const samples = podsFor(t, controlPlane, { clock })
  const ip = ipOf(await podWhen(controlPlane, 'a', isReady))
  for (const [restarts, pauseMs] of [
    [1, 1000],
    [2, 2000],
  ] as const) {
    process.kill(samples.pids().get('default/a') ?? 0, 'SIGKILL')
    const down = await podWhen(controlPlane, 'a', pod => !isReady(pod))
    t.match(down, { status: { podIP: ip, containerStatuses: [{ ready: false, restartCount: restarts }] } })
    t.strictSame(clock.delays, [pauseMs])
    t.strictSame([...samples.pids()], [])
    clock.advance(pauseMs)
    t.equal(ipOf(await podWhen(controlPlane, 'a', isReady)), ip)
  }
})

void test('a pod that cannot run says why, and is tried again', async t => {
  const cases: readonly (readonly [name: string, command: readonly string[], message: RegExp])[] = [
    ['no such program', ['/no/such/program'], /ENOENT/],
    [
      'a program that fails',
      [process.execPath, '-e', 'console.error("no luck"); process.exitCode = 3', '--'],
      /exit code 3: no luck/,
    ],
  ]
  for (const [name, failing, message] of cases) {
    const clock = new ManualClock()
    const controlPlane = await controlPlaneFor(t)
    controlPlane.apply(samplePod('a'))
    podsFor(t, controlPlane, { clock, command: failing })
    const reasoned = (pod: KubeObject): boolean => JSON.stringify(pod['status']).includes('CrashLoopBackOff')
    const pod = await podWhen(controlPlane, 'a', reasoned)
    t.match(pod, { status: { conditions: [{}, { type: 'Ready', status: 'False', message }, {}, {}] } }, name)
    t.strictSame(clock.delays, [1000])
  }
})

void test('close ends every process, twice is fine', async t => {
  const controlPlane = await controlPlaneFor(t)
  for (const name of ['a', 'b', 'c']) controlPlane.apply(samplePod(name))
  const samples = podsFor(t, controlPlane)
  await samples.allReady()
  const pids = [...samples.pids().values()]
  t.equal(pids.length, 3)
  await samples.close()
  await samples.close()
  for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

void test('no pod outlives a parent that is killed', async t => {
  const script = `
    import { startControlPlane } from ${JSON.stringify(join(import.meta.dirname, '../../../lib/standalone/control-plane.ts'))}
    import { startSamplePods } from ${JSON.stringify(join(import.meta.dirname, '../../../lib/standalone/samples/sample-pods.ts'))}
    import { silentLog as log } from ${JSON.stringify(join(import.meta.dirname, '../../../lib/ops/log.ts'))}
    const controlPlane = await startControlPlane({ host: '127.0.0.1', port: 0, serviceCidrs: ['127.96.0.0/16'], log })
    controlPlane.apply(${JSON.stringify(samplePod('a'))})
    const samples = startSamplePods({ controlPlane, command: ${JSON.stringify(command)}, nodeName: 'n', podCidr: '${nextRange()}', log })
    await samples.allReady()
    process.stdout.write(samples.pids().get('default/a') + '\\n')`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  t.ok(process.kill(pid, 0), 'it runs')
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      break // gone; the test's own time limit is the bound
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  t.pass()
})

void test('the examples load without a problem, and all their Pods answer', async t => {
  const controlPlane = await controlPlaneFor(t)
  const problems = await applyManifests(controlPlane, join(import.meta.dirname, '../../../examples'))
  t.strictSame(problems, [])
  const samples: SamplePods = podsFor(t, controlPlane)
  await samples.allReady()
  await controlPlane.settled()
  t.match(controlPlane.store.get(services, 'default/myapp-service'), {
    spec: {
      type: 'NodePort',
      ports: [{ port: 80, targetPort: 80, nodePort: 30_008 }],
      selector: { app: 'myapp', type: 'front-end' },
    },
  })
  const counts: Readonly<Record<string, number>> = {
    'myapp-service': 3,
    'back-end': 2,
    'web-public': 2,
    'udp-echo': 2,
    'multi-port': 6,
  }
  for (const [name, count] of Object.entries(counts)) {
    const endpoints = endpointsOf(controlPlane, name)
    t.equal(endpoints.filter(endpoint => endpoint.endsWith(' ready')).length, count, name)
  }
})
