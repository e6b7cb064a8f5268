// Runs a container of the DaemonSet in deploy/ with runc, with the settings that the kubelet and containerd would make of the
// same manifest: capabilities, read-only root, mounts, environment. The test's own network is the node's.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { V1Container, V1DaemonSet } from '@kubernetes/client-node'
import type { Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { root } from './built.ts'

export interface Bundle {
  /** The unpacked root file system. */
  readonly rootfs: string
  readonly entrypoint: readonly string[]
  readonly env: readonly string[]
}

export interface ContainerOptions {
  readonly bundle: Bundle
  readonly daemonSet: V1DaemonSet
  /** Of the DaemonSet's containers, init containers included. */
  readonly container: string
  /** Added to those of the manifest. */
  readonly args?: readonly string[]
  /** Folders of the test's, by where the container has them; also what stands for the manifest's hostPath volumes. */
  readonly folders?: Readonly<Record<string, string>>
}

export interface Finished {
  readonly code: number | null
  readonly output: string
}

export interface Container {
  /** Of its first process, outside. */
  pid(): number
  /** Runs a program beside it, as a probe does. */
  exec(...command: readonly string[]): Promise<Finished>
  signal(name: 'TERM' | 'KILL'): void
  readonly ended: Promise<Finished>
  output(): string
}

/** What `kubectl apply` would be given, of the overlay. */
export function daemonSetOf(overlay: string): V1DaemonSet {
  const text = execFileSync('kubectl', ['kustomize', path.join(root, 'deploy/overlays', overlay)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const objects = parseAllDocuments(text).map(each => each.toJS() as V1DaemonSet)
  const found = objects.find(({ kind }) => kind === 'DaemonSet')
  if (found === undefined) throw new Error(`deploy/overlays/${overlay} has no DaemonSet`)
  return found
}

/** Unpacks an OCI archive with umoci, which checks every digest in it. */
export function unpackImage(t: Test, archive: string, tag: string): Bundle {
  const folder = mkdtempSync(path.join(tmpdir(), 'kube-relay-image-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  const layout = path.join(folder, 'layout')
  mkdirSync(layout)
  execFileSync('tar', ['-C', layout, '-xf', archive])
  const bundle = path.join(folder, 'bundle')
  execFileSync('umoci', ['unpack', '--image', `${layout}:${tag}`, bundle])
  const { config } = imageConfig(layout)
  return { rootfs: path.join(bundle, 'rootfs'), entrypoint: config.Entrypoint, env: config.Env }
}

interface ImageConfig {
  readonly config: { readonly Entrypoint: readonly string[]; readonly Env: readonly string[] }
}

function imageConfig(layout: string): ImageConfig {
  const read = (file: string): unknown => JSON.parse(execFileSync('cat', [file], { encoding: 'utf8' }))
  const blob = (digest: string): unknown => read(path.join(layout, 'blobs', ...digest.split(':')))
  const index = read(path.join(layout, 'index.json')) as { manifests: { digest: string }[] }
  const manifest = blob(index.manifests[0]?.digest ?? '') as { config: { digest: string } }
  return blob(manifest.config.digest) as ImageConfig
}

let made = 0

/** Starts it; it is killed, if it is still there, when the test ends. */
export function startContainer(t: Test, options: ContainerOptions): Container {
  const id = `kube-relay-test-${process.pid}-${++made}`
  const folder = mkdtempSync(path.join(tmpdir(), 'kube-relay-container-'))
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(runtimeConfig(options)))
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'runc', 'run', '--bundle', folder, id], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (text: string): void => void (output += text)
  child.stdout.setEncoding('utf8').on('data', keep)
  child.stderr.setEncoding('utf8').on('data', keep)
  const ended = once(child, 'close').then(([code]): Finished => ({ code: code as number | null, output }))
  t.teardown(async () => {
    await finish('runc', ['delete', '--force', id])
    await ended
    if (!t.passing()) t.comment(output.slice(-4000))
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  return {
    pid: () => (JSON.parse(execFileSync('runc', ['state', id], { encoding: 'utf8' })) as { pid: number }).pid,
    exec: (...command) => finish('runc', ['exec', id, ...command]),
    signal: name => void execFileSync('runc', ['kill', id, name]),
    ended,
    output: () => output,
  }
}

async function finish(program: string, args: readonly string[]): Promise<Finished> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}

/** https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config-linux.md */
function runtimeConfig(options: ContainerOptions): object {
  const { bundle, daemonSet, container: name, args = [], folders = {} } = options
  const pod = daemonSet.spec?.template.spec
  const container = [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])].find(
    each => each.name === name,
  )
  if (container === undefined) throw new Error(`the DaemonSet has no container ${name}`)
  const { securityContext = {} } = container
  const privileged = securityContext.privileged === true
  const capabilities = privileged ? allCapabilities() : (securityContext.capabilities?.add ?? [])
  const given = capabilities.map(each => `CAP_${each}`)
  const env = environmentOf(container)
  const shared = (container.volumeMounts ?? []).some(each => each.mountPropagation === 'Bidirectional')
  return {
    ociVersion: '1.0.2',
    root: { path: bundle.rootfs, readonly: securityContext.readOnlyRootFilesystem === true },
    process: {
      terminal: false,
      cwd: '/',
      user: { uid: securityContext.runAsUser ?? 0, gid: 0 },
      args: [...bundle.entrypoint, ...(container.args ?? []).map(each => expand(each, env)), ...args],
      env: [...bundle.env, ...[...env].map(([key, value]) => `${key}=${value}`)],
      capabilities: { bounding: given, effective: given, permitted: given },
      noNewPrivileges: securityContext.allowPrivilegeEscalation === false,
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 16_384, hard: 16_384 }],
    },
    mounts: [
      ...systemMounts(privileged),
      ...Object.entries(folders).map(([destination, source]) => bind(destination, source, container)),
    ],
    linux: {
      // hostNetwork: no network of its own.
      namespaces: ['pid', 'ipc', 'uts', 'mount'].map(type => ({ type })),
      ...(shared && { rootfsPropagation: 'rshared' }),
      ...(!privileged && { maskedPaths, readonlyPaths }),
    },
  }
}

function bind(destination: string, source: string, { volumeMounts = [] }: V1Container): object {
  const mount = volumeMounts.find(each => each.mountPath === destination)
  const propagation = mount?.mountPropagation === 'Bidirectional' ? 'rshared' : 'rprivate'
  const access = mount === undefined || mount.readOnly === true ? 'ro' : 'rw'
  return { destination, source, type: 'bind', options: ['rbind', propagation, access] }
}

function environmentOf({ env = [] }: V1Container): ReadonlyMap<string, string> {
  return new Map(env.map(({ name, value = 'node-1' }) => [name, value]))
}

function expand(text: string, env: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\((\w+)\)/g, (all, name: string) => env.get(name) ?? all)
}

/** As containerd has them (oci/mounts.go, oci/spec.go). */
function systemMounts(privileged: boolean): readonly object[] {
  const quiet = ['nosuid', 'noexec', 'nodev']
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: quiet },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...quiet, 'mode=1777', 'size=65536k'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...quiet, privileged ? 'rw' : 'ro'] },
  ]
}

const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/sys/firmware',
  '/proc/scsi',
]
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/** Those that the test itself has, by their names without CAP_: more can't be given. */
function allCapabilities(): readonly string[] {
  const text = execFileSync('setpriv', ['--dump'], { encoding: 'utf8' })
  const names = /^Capability bounding set: (.*)$/m.exec(text)?.[1] ?? ''
  return names
    .split(',')
    .filter(each => /^[a-z_]+$/.test(each))
    .map(each => each.toUpperCase())
}
