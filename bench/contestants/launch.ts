// Starts a contestant's processes and ends them: files in a temporary folder, an address checked before it is used, the
// last words of what fails, and nothing left behind, whatever ends first.

import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { RelayError, reasonOf } from '../../lib/model/error.ts'
import type { ConfigFile, RunningContestant, Setup } from '../contestant.ts'
import { ownEnvironment } from '../own-command.ts'
import { familyOf, markVariable } from './family.ts'
import { startGuard, type Guard } from './guard.ts'
import { areListening, failUnlessFree } from './sockets.ts'

export interface LaunchOptions {
  readonly name: string
  readonly setup: Setup
  /** Written to a temporary folder. */
  readonly files: readonly ConfigFile[]
  /** Programs with all their arguments, given that folder. They have to stay in the foreground. */
  readonly commands: (folder: string) => readonly (readonly string[])[]
  /** Beside the benchmark's own environment. */
  readonly env?: Readonly<Record<string, string>>
  /** How long it may take until every route is listened on; 10 s unless it is known to be longer. */
  readonly startLimitMs?: number
  /** Whether it is ready beside listening; `said` is what it has written last. */
  readonly isReady?: (said: string) => Promise<boolean>
}

export interface Launched extends RunningContestant {
  /** The processes that were started; their children are not among them. */
  readonly mains: readonly number[]
}

const usualStartLimitMs = 10_000
const lookEveryMs = 20
const keptOutputChars = 4000
/** What the output of a process that has ended gets to arrive. */
const lastWordsMs = 200
/** What a program gets to end by itself. */
const graceMs = 5000

/** @throws BENCH with what it said, and the remedy; nothing of it is left then. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const { name, setup, isReady = () => Promise.resolve(true) } = options
  await failUnlessFree(name, setup.routes)
  const started = startProcesses(options)
  const over = new AbortController()
  try {
    const limitMs = options.startLimitMs ?? usualStartLimitMs
    const tooLate = performance.now() + limitMs
    const ready = async (): Promise<void> => {
      while (!over.signal.aborted && (!areListening(setup.routes) || !(await isReady(started.tail())))) {
        if (performance.now() > tooLate) {
          throw failure(name, `has not come up in ${limitMs / 1000} s`, started.tail())
        }
        await delay(lookEveryMs)
      }
    }
    await Promise.race([ready(), started.ended])
  } catch (error) {
    over.abort()
    await started.stop()
    throw error
  }
  return { ...started, listens: setup.routes.map(({ listen }) => listen) }
}

function startProcesses(options: LaunchOptions): Omit<Launched, 'listens'> {
  const { name, files, commands, env = {} } = options
  const mark = randomUUID()
  const folder = temporaryFolder(name)
  const guard = startGuard(mark, folder)
  const children: ChildProcess[] = []
  const { promise: ended, reject } = Promise.withResolvers<never>()
  // Whoever doesn't wait for it is not to be ended by it.
  ended.catch(() => {})
  let output = ''
  let stopping: Promise<void> | null = null
  const tail = (): string => output.trim()
  try {
    for (const file of files) writeFileSync(path.join(folder, file.name), file.text, { mode: 0o600 })
    for (const command of commands(folder)) children.push(begin(command))
  } catch (error) {
    reject(failure(name, `can't be started: ${reasonOf(error)}`, ''))
  }

  function begin([program = '', ...args]: readonly string[]): ChildProcess {
    const child = spawn(program, args, {
      cwd: folder,
      // The leader of a process group: what it forks is found by that.
      detached: true,
      env: { ...ownEnvironment(), ...env, [markVariable]: mark },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-keptOutputChars)
      })
    }
    child.on('error', error => {
      if (child.pid === undefined) reject(failure(name, `can't be started: ${reasonOf(error)}`, tail()))
    })
    // 'close' comes after the last of its output, but not while others that it has forked hold that open.
    child.once('exit', (code, signal) => {
      const how = `has ended (${signal ?? `exit code ${code}`})`
      if (stopping !== null) return
      void Promise.race([closed(child), delay(lastWordsMs)]).then(() => reject(failure(name, how, tail())))
    })
    if (child.pid !== undefined) guard.watch(child.pid)
    return child
  }

  const mains = children.flatMap(({ pid }) => pid ?? [])
  const family = (): readonly number[] => familyOf(mains, mark)
  return {
    mains,
    pids: family,
    tail,
    ended,
    stop: () => (stopping ??= endAll({ children, family, guard, folder })),
  }
}

interface Leftovers {
  readonly children: readonly ChildProcess[]
  readonly family: () => readonly number[]
  readonly guard: Guard
  readonly folder: string
}

async function endAll({ children, family, guard, folder }: Leftovers): Promise<void> {
  for (const child of children) signal(-(child.pid ?? 0), 'SIGTERM')
  const patience = performance.now() + graceMs
  for (let left = family(); left.length > 0; left = family()) {
    // Those that the first one hasn't told to end have nobody who will.
    const orphaned = children.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)
    if (orphaned || performance.now() > patience) for (const pid of left) signal(pid, 'SIGKILL')
    await delay(lookEveryMs)
  }
  for (const child of children) {
    child.stdout?.destroy()
    child.stderr?.destroy()
  }
  guard.dismiss()
  rmSync(folder, { recursive: true, force: true })
}

function temporaryFolder(name: string): string {
  try {
    return mkdtempSync(path.join(tmpdir(), 'kube-relay-bench-'))
  } catch (error) {
    throw new RelayError(
      'BENCH',
      `${name} needs a temporary folder in ${tmpdir()} (TMPDIR names another): ${reasonOf(error)}`,
      { cause: error },
    )
  }
}

/** A process group where `pid` is negative; one that is gone needs none. */
function signal(pid: number, name: NodeJS.Signals): void {
  if (pid === 0) return
  try {
    process.kill(pid, name)
  } catch {
    // It has ended.
  }
}

function closed(child: ChildProcess): Promise<unknown> {
  return new Promise(resolve => child.once('close', resolve))
}

const remedies: readonly (readonly [RegExp, string])[] = [
  [/EADDRINUSE|address already in use|Address in use/i, 'end what listens there'],
  [/EMFILE|too many open files|FD limit|file descriptors/i, 'raise the limit of open files (ulimit -n)'],
  [/EACCES|EPERM|permission denied|not permitted/i, 'run the benchmark as a user who may do that'],
  [/ENOENT/, 'install it, or put it into the PATH'],
]

/** The last lines that it wrote are mostly why, unless one before them is what there is a remedy for. */
const lastLines = 4

function failure(name: string, what: string, said: string): RelayError {
  const lines = said
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
  const telling = lines.find(line => remedyFor(line) !== undefined)
  const last = lines.slice(-lastLines)
  const words = telling === undefined || last.includes(telling) ? last.join(' / ') : telling
  return new RelayError(
    'BENCH',
    `${name} ${what}${words === '' ? '' : `; it said: ${words}`}: ` +
      (remedyFor(`${what} ${words}`) ?? 'see what it is started with (--show-config)'),
  )
}

function remedyFor(text: string): string | undefined {
  return remedies.find(([pattern]) => pattern.test(text))?.[1]
}
