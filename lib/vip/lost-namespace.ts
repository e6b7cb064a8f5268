// A network namespace that has lost its name (`ip netns del`) lives on as long as a process has it open, as workers have
// that listen in it. Its name can be given back: by such a descriptor, as /proc shows it.

import { existsSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync, type Stats } from 'node:fs'
import { basename } from 'node:path'
import { reasonOf, RelayError } from '../model/error.ts'
import { runProgram } from './run-program.ts'

const timeoutMs = 10_000

export interface LostNamespace {
  /** The interface that leads there. */
  readonly link: string
  /** Whether what has this name in `ip netns` is the one. */
  readonly isRight: (name: string) => Promise<boolean>
}

/**
 * Mounts it at the path again. Others are tried by another name beside it: whoever opens the path finds the right one or none.
 * @throws VIP if no process has it open that can be seen from here; then nothing has the name.
 */
export async function giveNameBack(path: string, { link, isRight }: LostNamespace): Promise<void> {
  const trial = trialPath(path)
  await removeTrial(path)
  const tried = new Set<number>()
  for (const { file, ino } of openNamespaces()) {
    if (tried.has(ino)) continue
    tried.add(ino)
    await mountAt(trial, file)
    try {
      if (!(await isRight(basename(trial)))) continue
      await mountAt(path, trial)
      return
    } finally {
      await removeName(trial)
    }
  }
  throw new RelayError(
    'VIP',
    `the interface ${link} leads to a network namespace without a name that no process here has open: if it is of a ` +
      "kube-relay in another container, mount the host's /run/netns into both (mountPropagation: Bidirectional); else " +
      `ip link delete ${link}`,
  )
}

/** What is left of one who was killed while it tried. */
export async function removeTrial(path: string): Promise<void> {
  if (existsSync(trialPath(path))) await removeName(trialPath(path))
}

function trialPath(path: string): string {
  return `${path}.trial`
}

async function removeName(path: string): Promise<void> {
  if (isNamespace(statSync(path))) await run('umount', [path])
  rmSync(path)
}

async function mountAt(path: string, file: string): Promise<void> {
  writeFileSync(path, '', { flag: 'wx' })
  try {
    // Not made canonical: what the descriptor's link says isn't a path any more.
    await run('mount', ['--no-canonicalize', '--bind', file, path])
  } catch (error) {
    rmSync(path)
    throw error
  }
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { status, stderr } = await runProgram(program, args, { timeoutMs }, 'install util-linux (mount)')
  if (status === 0) return
  throw new RelayError('VIP', `\`${[program, ...args].join(' ')}\`: ${stderr.trim() || `status ${status}`}`)
}

/** Namespaces that a process has opened by a name, wherever that name is or was. */
function openNamespaces(): readonly { readonly file: string; readonly ino: number }[] {
  return entries('/proc')
    .filter(pid => /^\d+$/.test(pid))
    .flatMap(pid => entries(`/proc/${pid}/fd`).map(fd => `/proc/${pid}/fd/${fd}`))
    .flatMap(file => {
      try {
        const named = readlinkSync(file).startsWith('/')
        const stats = statSync(file)
        return named && isNamespace(stats) ? [{ file, ino: stats.ino }] : []
      } catch {
        return [] // closed since it was listed
      }
    })
}

export function isNamespace({ dev }: Stats): boolean {
  return dev === statSync('/proc/self/ns/net').dev
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'EACCES') return []
    if (reasonOf(error).includes('ENOENT')) return [] // ended since it was listed
    throw error
  }
}
