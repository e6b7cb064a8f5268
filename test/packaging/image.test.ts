// The container image, assembled without a registry: it is whole, and run as a container with the very settings of the manifests
// in deploy/ it serves, in each VIP mode; and one pod takes over from another, as in the DaemonSet's rolling update.
// KUBE_RELAY_IMAGE names an archive that is built already.

import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type Test } from 'tap'
import { silentLog } from '../../lib/ops/log.ts'
import { startControlPlane } from '../../lib/standalone/control-plane.ts'
import { licensesName, manifest } from '../../packaging/binary.ts'
import { buildImage } from '../../packaging/image.ts'
import { until } from '../e2e/until.ts'
import { enterOwnNetwork, missingForOwnNetwork } from '../own-network.ts'
import { binary, notBuilt, root } from './built.ts'
import { daemonSetOf, startContainer, unpackImage, type Bundle, type Container } from './container.ts'

const missingProgram = ['mmdebstrap', 'umoci', 'runc', 'kubectl'].find(
  each => spawnSync('sh', ['-c', `command -v ${each}`]).status !== 0,
)
const skip =
  notBuilt || missingForOwnNetwork() || (missingProgram === undefined ? false : `needs ${missingProgram}`)

const vip = '10.96.40.1'
const endpointIp = '10.50.0.1'
const endpointPort = 8080

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { clusterIP: vip, ports: [{ port: 80, targetPort: endpointPort }] },
}
const slice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ name: '', port: endpointPort, protocol: 'TCP' }],
  endpoints: [{ addresses: [endpointIp], conditions: { ready: true } }],
}

/** No program is needed for what is beside it. */
void test('built twice into one folder: the checksums are of the last one, and licenses are in it', async t => {
  const [out, given] = [temporaryFolder(t), temporaryFolder(t)]
  const [base, program] = [path.join(given, 'base.tar'), path.join(given, 'kube-relay')]
  execFileSync('tar', ['-cf', base, '--files-from', '/dev/null'])
  writeFileSync(path.join(given, 'provenance.json'), '{}')
  writeFileSync(path.join(given, licensesName), '== yaml: ISC')
  for (const content of ['first', 'second']) {
    writeFileSync(program, content)
    const { archive } = await buildImage({ out, base, binary: program })
    const sums = readFileSync(path.join(out, 'SHA256SUMS'), 'utf8')
    t.match(sums, path.basename(archive))
    t.equal(spawnSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: out }).status, 0, content)
    const layers = path.join(given, content)
    mkdirSync(layers)
    execFileSync('tar', ['-C', layers, '-xf', archive])
    const blobs = path.join(layers, 'blobs/sha256')
    const listed = readdirSync(blobs).map(
      blob => spawnSync('tar', ['-tzf', path.join(blobs, blob)], { encoding: 'utf8' }).stdout,
    )
    t.ok(
      listed.some(names => names.includes(`usr/share/doc/kube-relay/${licensesName}`)),
      licensesName,
    )
  }
})

void test('the image', { skip, timeout: 900_000 }, async t => {
  const archive = process.env['KUBE_RELAY_IMAGE'] ?? (await buildImageFor(t))
  const bundle = unpackImage(t, archive, manifest.version)

  await t.test('what is in it', async t => {
    t.same(bundle.entrypoint, ['/usr/bin/kube-relay'])
    const inside = (...command: readonly string[]): string =>
      execFileSync('chroot', [bundle.rootfs, ...command], {
        encoding: 'utf8',
        // Without the test runner's NODE_OPTIONS.
        env: { PATH: process.env['PATH'] },
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    t.equal(inside('/usr/bin/kube-relay', '--version'), `${manifest.version}\n`)
    for (const program of ['ip', 'ss', 'unshare', 'nsenter', 'mount']) t.ok(inside(program, '-V'), program)
    t.match(readFileSync(path.join(bundle.rootfs, 'etc/os-release'), 'utf8'), 'VERSION_CODENAME=bookworm')
    t.match(readFileSync(path.join(bundle.rootfs, 'var/lib/dpkg/status.d/libc6'), 'utf8'), /^Version: 2\.36/m)
    const find = ['-xdev', '-perm', '/6000', '-type', 'f']
    t.equal(execFileSync('find', [bundle.rootfs, ...find], { encoding: 'utf8' }), '', 'nothing is setuid')
  })

  const noEngine = spawnSync('buildah', ['--version']).status === 0 ? false : 'needs buildah'
  await t.test('the Dockerfile makes one, too', { skip: noEngine }, t => buildsFromDockerfile(t, archive))
  for (const mode of ['none', 'local', 'netns'] as const) {
    await t.test(`vip-${mode}: serves a manifest's Service`, t => servesManifests(t, bundle, mode))
  }
  await t.test('a rolling update: no connection fails', t => rollsOver(t, bundle))
})

async function buildImageFor(t: Test): Promise<string> {
  const image = await buildImage({ out: temporaryFolder(t), base: null, binary })
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
  t.comment(`${megabytes(image.compressedBytes)} compressed, ${megabytes(image.unpackedBytes)} unpacked`)
  t.ok(image.compressedBytes < 100e6, 'the base adds little to the program')
  return image.archive
}

/** With a base that has all it needs, and without a network. */
async function buildsFromDockerfile(t: Test, base: string): Promise<void> {
  enterOwnNetwork()
  const folder = temporaryFolder(t)
  const context = path.join(folder, 'context')
  for (const each of ['build', 'deploy']) mkdirSync(path.join(context, each), { recursive: true })
  for (const each of ['LICENSE', 'deploy/Dockerfile', 'deploy/Dockerfile.dockerignore']) {
    copyFileSync(path.join(root, each), path.join(context, each))
  }
  copyFileSync(binary, path.join(context, 'build/kube-relay'))
  for (const name of ['provenance.json', licensesName]) {
    copyFileSync(path.join(path.dirname(binary), name), path.join(context, 'build', name))
  }
  const storage = [
    '--root',
    path.join(folder, 'root'),
    '--runroot',
    path.join(folder, 'run'),
    '--storage-driver',
    'vfs',
  ]
  const buildah = (...args: readonly string[]): string =>
    execFileSync('buildah', [...storage, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const chroot = ['--isolation', 'chroot']
  const files = ['--file', path.join(context, 'deploy/Dockerfile'), '--build-arg', `BASE=oci-archive:${base}`]
  buildah('bud', ...chroot, ...files, '--tag', 'kube-relay:test', context)
  const container = buildah('from', 'kube-relay:test').trim()
  t.teardown(() => buildah('rm', container))
  t.equal(buildah('run', ...chroot, container, '--', 'kube-relay', '--version').trim(), manifest.version)
  const { config } = (JSON.parse(buildah('inspect', '--type', 'image', 'kube-relay:test')) as Inspected).OCIv1
  t.same([config.Entrypoint, config.Cmd], [['/usr/bin/kube-relay'], ['run']])
}

interface Inspected {
  readonly OCIv1: {
    readonly config: { readonly Entrypoint: readonly string[]; readonly Cmd: readonly string[] }
  }
}

async function servesManifests(t: Test, bundle: Bundle, mode: 'none' | 'local' | 'netns'): Promise<void> {
  const node = await openNode(t)
  if (mode === 'none') ip('route', 'add', 'local', `${vip}/32`, 'dev', 'lo')
  const manifests = path.join(temporaryFolder(t), 'manifests')
  mkdirSync(manifests)
  writeFileSync(
    path.join(manifests, 'web.yaml'),
    [service, slice].map(each => JSON.stringify(each)).join('\n---\n'),
  )
  const daemonSet = daemonSetOf(`vip-${mode}`)
  const folders = { '/var/lib/kube-relay': temporaryFolder(t), '/manifests': manifests }
  const namespaces = mode === 'netns' ? sharedMount(t) : null
  const settings = await startContainer(t, { bundle, daemonSet, container: 'node-settings' }).ended
  t.equal(settings.code, 0, settings.output)
  t.equal(setting('ipv4/tcp_migrate_req'), '1', 'set for the agent, which may not')

  const container = startContainer(t, {
    bundle,
    daemonSet,
    container: 'kube-relay',
    args: ['--manifests=/manifests', '--service-cluster-ip-range=10.96.0.0/16', '--workers=2'],
    folders: { ...folders, ...(namespaces !== null && { '/run/netns': namespaces }) },
  })
  await untilReady(container)
  t.equal(await ask(), node.answer, 'a client reaches the Service')
  t.match((await container.exec('kube-relay', 'status')).output, new RegExp(`web .*${vip}:80 +listening`))
  t.match((await container.exec('sh', '-c', 'echo >/usr/bin/new')).output, 'Read-only file system')
  const status = readFileSync(`/proc/${container.pid()}/status`, 'utf8')
  const has = (capability: number): boolean =>
    (BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(status)?.[1] ?? '0'}`) >> BigInt(capability)) % 2n === 1n
  t.same(
    { netBindService: has(10), netAdmin: has(12), sysAdmin: has(21), dacOverride: has(1) },
    {
      netBindService: true,
      netAdmin: mode !== 'none',
      sysAdmin: mode === 'netns',
      dacOverride: mode === 'netns',
    },
    'no more rights than the manifest says',
  )
  t.match(status, new RegExp(`^NoNewPrivs:\\s*${mode === 'netns' ? 0 : 1}$`, 'm'))
  if (namespaces !== null) t.ok(isMounted(path.join(namespaces, 'kube-relay')), 'the node has the namespace')
  t.notMatch(container.output(), /"level":"(warn|error)"/, 'nothing is amiss')

  container.signal('TERM')
  t.equal((await container.ended).code, 0)
  t.equal(ipRoutes(), '', 'no route is left')
  t.notOk(namespaces !== null && isMounted(path.join(namespaces, 'kube-relay')), 'nor a namespace')
}

/** As the DaemonSet controller and the kubelet do it with maxSurge 1: started, ready by its own probe, then the old one ended. */
async function rollsOver(t: Test, bundle: Bundle): Promise<void> {
  const node = await openNode(t)
  const controlPlane = await startControlPlane({
    host: '127.0.0.1',
    port: 0,
    serviceCidrs: ['10.96.0.0/16'],
    nodeName: 'node-1',
    log: silentLog,
  })
  t.teardown(() => controlPlane.close())
  controlPlane.apply(service)
  controlPlane.apply(slice)
  const daemonSet = daemonSetOf('vip-local')
  const state = temporaryFolder(t)
  const start = async (): Promise<Container> => {
    t.equal((await startContainer(t, { bundle, daemonSet, container: 'node-settings' }).ended).code, 0)
    return startContainer(t, {
      bundle,
      daemonSet,
      container: 'kube-relay',
      args: [`--master=${controlPlane.url}`, '--workers=2'],
      folders: { '/var/lib/kube-relay': state },
    })
  }
  let old = await start()
  await untilReady(old)
  const load = startLoad(8)
  t.teardown(() => load.stop())
  const open = await openConnection(t)
  await load.answered(200)
  for (let round = 0; round < 2; round++) {
    const next = await start()
    await untilReady(next)
    t.equal((await old.exec('kube-relay', 'ready')).code, 0, 'both are')
    await load.answered(100)
    old.signal('TERM')
    await until('the old agent takes nobody new', () =>
      /"msg":"(stopping|SIGTERM)/.test(old.output()) ? true : undefined,
    )
    await load.answered(300)
    if (round === 0) {
      t.equal(await open.ask('still there'), 'still there', 'an open connection goes on')
      open.end()
    }
    t.equal((await old.ended).code, 0, 'the old one ends when its clients have')
    old = next
  }
  await load.answered(100)
  const { answered, failed } = await load.stop()
  t.comment(`${answered} connections answered, ${failed.length} failed, in two updates`)
  t.same(failed, [])
  t.ok(node.connections() >= answered)
}

function untilReady(container: Container): Promise<true> {
  return until(
    'kube-relay ready',
    async () => ((await container.exec('kube-relay', 'ready')).code === 0 ? true : undefined),
    { deadlineMs: 120_000, detail: () => container.output() },
  )
}

interface Node {
  /** What the endpoint says first. */
  readonly answer: string
  connections(): number
}

/** A network of its own with an endpoint in it: greets, then echoes. */
async function openNode(t: Test): Promise<Node> {
  enterOwnNetwork()
  ip('address', 'add', `${endpointIp}/32`, 'dev', 'lo')
  ip('link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'other')
  ip('address', 'add', '192.0.2.1/24', 'dev', 'uplink')
  ip('link', 'set', 'uplink', 'up')
  ip('link', 'set', 'other', 'up')
  ip('route', 'add', 'default', 'via', '192.0.2.2')
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
  let connections = 0
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => {
    connections++
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
    socket.write(`hello\n`)
    socket.pipe(socket)
  })
  server.listen(endpointPort, endpointIp)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { answer: 'hello', connections: () => connections }
}

/** A client's connection from its begin to its end; resolves with the greeting, rejects where anything is amiss. */
async function ask(): Promise<string> {
  const socket = net.connect(80, vip)
  socket.setTimeout(30_000, () => socket.destroy(new Error('no answer within 30 s')))
  socket.setEncoding('utf8')
  let text = ''
  try {
    for await (const chunk of socket) {
      text += chunk as string
      if (text.endsWith('\n')) return text.trim()
    }
    throw new Error(`ended after ${JSON.stringify(text)}`)
  } finally {
    socket.destroy()
  }
}

interface Load {
  /** Resolves after this many more connections. */
  answered(count: number): Promise<void>
  stop(): Promise<{ readonly answered: number; readonly failed: readonly string[] }>
}

/** Clients that connect anew all the time. */
function startLoad(clients: number): Load {
  let answered = 0
  const failed: string[] = []
  const stopping = new AbortController()
  const client = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await ask()
        answered++
      } catch (error) {
        failed.push(String(error))
      }
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  const running = Promise.all(Array.from({ length: clients }, client))
  return {
    answered: async count => {
      const wanted = answered + count
      await until(`${count} connections answered`, () => (answered >= wanted ? true : undefined), {
        detail: () => failed.slice(-5).join('\n'),
      })
    },
    stop: async () => {
      stopping.abort()
      await running
      return { answered, failed }
    },
  }
}

async function openConnection(t: Test): Promise<{ ask(text: string): Promise<string>; end(): void }> {
  const socket = net.connect(80, vip).setEncoding('utf8')
  t.teardown(() => socket.destroy())
  const next = async (): Promise<string> => ((await once(socket, 'data')) as [string])[0].trim()
  const greeting = next()
  await once(socket, 'connect')
  await greeting
  return {
    ask: text => {
      const answer = next()
      socket.write(`${text}\n`)
      return answer
    },
    end: () => void socket.end(),
  }
}

/** What stands for the node's /run/netns: mounts in it are seen in and outside of a container. */
function sharedMount(t: Test): string {
  const folder = temporaryFolder(t)
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder])
  execFileSync('mount', ['--make-shared', folder])
  t.teardown(() => execFileSync('umount', ['--recursive', '--lazy', folder]))
  return folder
}

function isMounted(file: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${file} `)
}

function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'kube-relay-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' })
}

function ipRoutes(): string {
  return ip('route', 'show', 'table', 'all', 'proto', '143')
}

function setting(name: string): string {
  return readFileSync(`/proc/sys/net/${name}`, 'utf8').trim()
}
