// `ip` of iproute2, in the node's own network or in a named namespace: one command, a query answered in JSON,
// or many changes in one run. Errors name the command and, where there is one, the remedy.

import { RelayError } from '../model/error.ts'
import { runProgram } from './run-program.ts'

export interface IpCommand {
  /** Runs `ip ARGS` and returns what it writes. @throws VIP */
  run(args: readonly string[]): Promise<string>
  /** The objects that `ip -json ARGS` lists. A table that doesn't exist yet is empty. @throws VIP */
  list(args: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]>
  /**
   * Runs every line, as "route add …", whatever becomes of the others; returns the message of each that
   * failed, by its place in `lines`. Both families may be mixed.
   * @throws VIP if it isn't known what became of them, or none may be run.
   */
  batch(lines: readonly string[]): Promise<ReadonlyMap<number, string>>
}

const timeoutMs = 30_000
/** 20 ms' worth on an idle machine, so that the time limit means a hang. */
const linesPerRun = 2000

const remedyIfMissing = 'install iproute2'
const noPermission = /Operation not permitted|Permission denied/
const noTable = /^Error: ipv[46]: FIB table does not exist\.\s+Dump terminated\s*$/
const remedyIfForbidden = 'it needs CAP_NET_ADMIN (and CAP_SYS_ADMIN for a network namespace)'

/** `namespace`: a name as `ip netns` has it, not a path. */
export function ipCommand(namespace: string | null = null): IpCommand {
  const prefix = namespace === null ? [] : ['-n', namespace]

  const start = (args: readonly string[], input?: string) =>
    runProgram(
      'ip',
      [...prefix, ...args],
      { timeoutMs, ...(input !== undefined && { input }) },
      remedyIfMissing,
    )
  const failure = (args: readonly string[], message: string) => {
    const remedy = noPermission.test(message) ? `: ${remedyIfForbidden}` : ''
    return new RelayError('VIP', `\`ip ${[...prefix, ...args].join(' ')}\`: ${message}${remedy}`)
  }
  const complaint = (stderr: string, status: number | null) =>
    oneLine(stderr) || (status === null ? 'it was killed' : `it ended with status ${status}`)

  const runBatch = async (lines: readonly string[]): Promise<ReadonlyMap<number, string>> => {
    const args = ['-force', '-batch', '-']
    const { stderr, status } = await start(args, `${lines.join('\n')}\n`)
    const failed = failedLines(stderr)
    const unclear = status === null || (status !== 0 && failed.size === 0)
    if (unclear || [...failed.keys()].some(index => index < 0 || index >= lines.length)) {
      throw failure(args, complaint(stderr, status))
    }
    for (const [index, message] of failed) {
      if (noPermission.test(message)) throw failure([lines[index] ?? ''], message)
    }
    return failed
  }

  return {
    run: async args => {
      const { stdout, stderr, status } = await start(args)
      if (status !== 0) throw failure(args, complaint(stderr, status))
      return stdout
    },
    list: async args => {
      const { stdout, stderr, status } = await start(['-json', ...args])
      if (status !== 0 && noTable.test(stderr)) return []
      if (status !== 0) throw failure(['-json', ...args], complaint(stderr, status))
      const objects = readObjects(stdout)
      if (objects === null) throw failure(['-json', ...args], 'its output is no list of JSON objects')
      return objects
    },
    batch: async lines => {
      const failed = new Map<number, string>()
      for (let from = 0; from < lines.length; from += linesPerRun) {
        const part = await runBatch(lines.slice(from, from + linesPerRun))
        for (const [index, message] of part) failed.set(from + index, message)
      }
      return failed
    },
  }
}

/**
 * "RTNETLINK answers: File exists\nCommand failed -:3\n": what is told before the number belongs to that
 * line.
 */
function failedLines(stderr: string): ReadonlyMap<number, string> {
  const failed = new Map<number, string>()
  let told: string[] = []
  for (const line of stderr.split('\n')) {
    const number = /^Command failed -:(\d+)$/.exec(line.trim())?.[1]
    if (number === undefined) {
      told.push(line)
    } else {
      failed.set(Number(number) - 1, oneLine(told.join('\n')) || 'failed')
      told = []
    }
  }
  return failed
}

function oneLine(text: string): string {
  return text
    .split('\n')
    .map(line => line.replace(/^(RTNETLINK answers|Error): /, '').trim())
    .filter(line => line !== '')
    .join('; ')
}

function readObjects(text: string): readonly Readonly<Record<string, unknown>>[] | null {
  if (text.trim() === '') return []
  try {
    const value: unknown = JSON.parse(text)
    if (!Array.isArray(value)) return null
    const all = value.every(each => typeof each === 'object' && each !== null && !Array.isArray(each))
    return all ? (value as Readonly<Record<string, unknown>>[]) : null
  } catch {
    return null
  }
}
