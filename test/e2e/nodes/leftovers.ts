// What a node's network is made of, to be compared: after a clean stop it must be what it was before the first start,
// foreign routes and addresses included.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Node } from './topology.ts'

/** A line for each route (of every table), address, rule, link, permanent neighbour and named namespace. */
export type NetworkState = readonly string[]

const questions: readonly (readonly string[])[] = [
  ['-4', 'route', 'show', 'table', 'all'],
  ['-6', 'route', 'show', 'table', 'all'],
  ['-4', 'rule', 'show'],
  ['-6', 'rule', 'show'],
  ['-o', 'address', 'show'],
  ['-o', 'link', 'show'],
  ['neighbour', 'show', 'nud', 'permanent'],
  ['netns', 'list'],
]

/** What somebody else could have put on a node. None of it may be touched. */
const foreign: readonly string[] = [
  'address add 10.98.0.1/32 dev lo',
  'address add fd98::1/128 dev lo nodad',
  'route add local 10.98.7.0/24 dev lo proto 99',
  'route add local fd98:7::/64 dev lo proto 99',
  'route add blackhole 10.98.8.8/32 proto 99',
  'route add local 10.98.9.9/32 dev lo',
]

export async function addForeign(node: Node): Promise<void> {
  await node.place.ip(...foreign)
}

export async function networkState(node: Node): Promise<NetworkState> {
  const answers = await Promise.all(questions.map(question => node.place.run('ip', ...question)))
  return answers.flatMap((answer, index) =>
    answer
      .split('\n')
      .filter(line => line.trim() !== '')
      .map(line => `${questions[index]?.join(' ')}: ${line.trim()}`)
      .sort(),
  )
}

/** One line for each thing that is new or missing. */
export function networkChanges(before: NetworkState, after: NetworkState): readonly string[] {
  return [
    ...after.filter(line => !before.includes(line)).map(line => `new: ${line}`),
    ...before.filter(line => !after.includes(line)).map(line => `missing: ${line}`),
  ]
}

/** Ends the processes that `processesOf` names. */
export function endProcessesOf(node: Node): void {
  for (const each of processesOf(node)) {
    try {
      process.kill(Number.parseInt(each, 10), 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/** The pids and command lines of the processes that have the node's view of the file system, but for the harness's own. */
export function processesOf(node: Node): readonly string[] {
  const mounts = readlinkSync(`/proc/${node.place.pid}/ns/mnt`)
  return readdirSync('/proc')
    .filter(entry => /^\d+$/.test(entry) && Number(entry) !== node.place.pid)
    .flatMap(pid => {
      try {
        if (readlinkSync(`/proc/${pid}/ns/mnt`) !== mounts) return []
        return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()}`]
      } catch {
        // Gone since the folder was read.
        return []
      }
    })
}
