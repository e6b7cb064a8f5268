// All processes that come of one start: whatever forks, makes a session of its own or loses its parent is still found,
// by descent, by process group and by a mark in the environment.

import { readdirSync, readFileSync } from 'node:fs'

/** In the environment of everything that the benchmark starts. */
export const markVariable = 'KUBE_RELAY_BENCH'

interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly session: number
  readonly startedAt: number
}

/**
 * The processes that are there now: `mains` are those that were started, each the leader of a process group; `mark` is
 * what their environment has. Zombies are not counted.
 */
export function familyOf(mains: readonly number[], mark: string): readonly number[] {
  const all = processes()
  const roots = new Set(mains)
  // What is older than the first of them can't come of it; its environment need not be read.
  const since = Math.min(
    ...all.filter(({ pid }) => roots.has(pid)).map(({ startedAt }) => startedAt),
    Infinity,
  )
  const family = new Set(
    all
      .filter(
        ({ pid, group, session, startedAt }) =>
          roots.has(pid) ||
          roots.has(group) ||
          roots.has(session) ||
          ((startedAt >= since || since === Infinity) && isMarked(pid, mark)),
      )
      .map(({ pid }) => pid),
  )
  for (let before = -1; before !== family.size;) {
    before = family.size
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid)
  }
  return [...family]
}

function processes(): readonly ProcessEntry[] {
  return readdirSync('/proc').flatMap(name => {
    const stat = /^\d+$/.test(name) ? textOf(`/proc/${name}/stat`) : ''
    if (stat === '') return []
    // The program's name, in parentheses, may contain anything; what follows are the fields from 3 on (man 5 proc).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return []
    const [parent = 0, group = 0, session = 0] = fields.slice(1, 4).map(Number)
    return [{ pid: Number(name), parent, group, session, startedAt: Number(fields[19]) }]
  })
}

function isMarked(pid: number, mark: string): boolean {
  return textOf(`/proc/${pid}/environ`).split('\0').includes(`${markVariable}=${mark}`)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // It has ended, or belongs to somebody else.
    return ''
  }
}
