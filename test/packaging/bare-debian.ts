// A bare Debian 12 with systemd as its process 1, in namespaces of its own: what a package is installed on that must
// bring all it needs. The tree is made once, by mmdebstrap from where this machine has its packages from, and kept in
// the user's cache; each boot has a copy of its own, which is gone with its owner.

import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { renameSync, rmSync, rmdirSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { libcFunction } from '../../lib/ops/libc.ts'
import { until } from '../e2e/until.ts'
import type { Owner } from '../resilience/owner.ts'

export interface ProgramResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface BareDebian {
  /** Its files, seen from outside: as its process 1 has them, tmpfs and all. */
  readonly root: string
  /** Its process 1, seen from outside. */
  readonly init: number
  /** Runs a program in it, as root; resolves when that has ended, whatever its status. */
  run(command: readonly string[], options?: { readonly timeoutMs?: number }): Promise<ProgramResult>
  /** The same; resolves with what it prints, without spaces at the ends, and rejects where its status isn't 0. */
  out(...command: readonly string[]): Promise<string>
  /** The network of this process's main thread, and of what it starts, is that of the system from then on. */
  enterNetwork(): void
}

const suite = 'bookworm'
/** Besides Essential: yes and apt: an init, and what the package depends on. */
const packages = ['systemd', 'systemd-sysv', 'dbus', 'iproute2', 'procps', 'libatomic1', 'libstdc++6']
const cloneNewNet = 0x40000000

/** Why there can be none here; null where there can. */
export function missingForBareDebian(): string | null {
  if (process.getuid?.() !== 0) return 'needs root, to boot a system in namespaces'
  for (const [program, from] of [
    ['mmdebstrap', 'mmdebstrap'],
    ['systemd-nspawn', 'systemd-container'],
  ] as const) {
    if (spawnSync(program, ['--version']).status !== 0) return `needs ${program}: install ${from}`
  }
  return libcFunction('setns', 2) === null ? 'needs node:ffi (Node.js 26), to enter its network' : null
}

/** The tree as a tar archive, made where it isn't there yet. */
export function bareDebianArchive(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache')
  const folder = path.join(cache, 'kube-relay', 'bare-debian')
  const architecture = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim()
  const what = createHash('sha256').update(packages.join()).digest('hex').slice(0, 8)
  const archive = path.join(folder, `${suite}-${architecture}-${what}.tar`)
  if (existsSync(archive)) return archive
  mkdirSync(folder, { recursive: true })
  const unfinished = `${archive}.${process.pid}`
  try {
    execFileSync(
      'mmdebstrap',
      [
        '--variant=minbase',
        `--include=${packages.join()}`,
        '--aptopt=APT::Install-Recommends "false"',
        ...proxySettings().map(setting => `--aptopt=${setting}`),
        '--format=tar',
        suite,
        unfinished,
        ...packageSources(),
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
    renameSync(unfinished, archive)
  } finally {
    rmSync(unfinished, { force: true })
  }
  return archive
}

/** The files that say where this machine has Debian's own packages of this release from. */
function packageSources(): readonly string[] {
  const folder = '/etc/apt/sources.list.d'
  const files = ['/etc/apt/sources.list', ...readdirSync(folder).map(name => path.join(folder, name))]
  const found = files.filter(
    file => /\.(?:list|sources)$/.test(file) && existsSync(file) && isDebians(readFileSync(file, 'utf8')),
  )
  if (found.length === 0) throw new Error(`/etc/apt names no source of Debian's ${suite}`)
  return found
}

function isDebians(text: string): boolean {
  return new RegExp(`^(?:deb .*/debian/? ${suite} |Suites:.*\\b${suite}\\b)`, 'm').test(text)
}

function proxySettings(): readonly string[] {
  const settings = execFileSync('apt-config', ['dump'], { encoding: 'utf8' })
  return settings
    .split('\n')
    .flatMap(line => (/^Acquire::https?::Proxy .*;$/i.test(line) ? [line.slice(0, -1)] : []))
}

/** Resolves once it has booted; it ends, with all that runs in it, with its owner. */
export async function bootBareDebian(owner: Owner): Promise<BareDebian> {
  const archive = bareDebianArchive()
  const root = mkdtempSync(path.join(tmpdir(), 'bare-debian-'))
  owner.teardown(() => rmSync(root, { recursive: true, force: true, maxRetries: 10 }))
  execFileSync('tar', ['-C', root, '--exclude=./dev/*', '-xf', archive])
  const name = path.basename(root).toLowerCase()
  // Ends with this process, whatever way that ends; and the system with it.
  const settings =
    '--boot --quiet --private-network --register=no --keep-unit --console=pipe ' +
    '--link-journal=no --resolv-conf=off --timezone=off'
  const command = ['systemd-nspawn', ...settings.split(' '), `--directory=${root}`, `--machine=${name}`]
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)))
  }
  const exited = once(child, 'exit')
  owner.teardown(async () => {
    await endSystem(child, exited)
    removeFolder(`/run/systemd/nspawn/propagate/${name}`)
  })
  const ended = (): string | undefined =>
    child.exitCode === null && child.signalCode === null ? undefined : `it has ended: ${said}`
  const init = await until('the first process', () => initOf(child.pid), { hopeless: ended })
  const run: BareDebian['run'] = (command, { timeoutMs = 120_000 } = {}) => runIn(init, command, timeoutMs)
  await until(
    'the system has booted',
    async () =>
      /^(?:running|degraded)$/.test((await run(['systemctl', 'is-system-running'])).stdout.trim())
        ? true
        : undefined,
    { hopeless: ended, detail: () => said },
  )
  return {
    root: `/proc/${init}/root`,
    init,
    run,
    async out(...command) {
      const { status, stdout, stderr } = await run(command)
      if (status !== 0) throw new Error(`${command.join(' ')}: status ${status}: ${stdout}${stderr}`)
      return stdout.trim()
    },
    enterNetwork() {
      const descriptor = openSync(`/proc/${init}/ns/net`, 'r')
      const result = libcFunction('setns', 2)?.(descriptor, cloneNewNet)
      closeSync(descriptor)
      if (result !== 0) throw new Error(`the network of process ${init} can't be entered`)
    },
  }
}

const endPatienceMs = 20_000

async function endSystem(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  // It halts; what hangs in it doesn't matter any more.
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), endPatienceMs)
  await exited
  clearTimeout(timer)
}

function removeFolder(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // It has been removed with the system.
  }
}

/** The child that is process 1 to itself: there is another one before it, which prepares its place. */
function initOf(pid: number | undefined): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  return children.map(Number).find(child => {
    const status = readFileSync(`/proc/${child}/status`, 'utf8')
    return /^NSpid:.*\t1$/m.test(status) && /^Name:\tsystemd$/m.test(status)
  })
}

function runIn(init: number, command: readonly string[], timeoutMs: number): Promise<ProgramResult> {
  const namespaces = ['-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w']
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LC_ALL: 'C.UTF-8',
  }
  return new Promise((resolve, reject) => {
    const child = spawn('nsenter', ['-t', String(init), ...namespaces, '--', ...command], {
      env: { ...env, DEBIAN_FRONTEND: 'noninteractive', SYSTEMD_COLORS: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    child.on('error', reject)
    child.on('close', (status, signal) => {
      if (signal === null) resolve({ status, ...output })
      else reject(new Error(`${command.join(' ')} was ended by ${signal}: ${output.stdout}${output.stderr}`))
    })
  })
}
