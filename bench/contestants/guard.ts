// A watchman for the case that the benchmark itself is killed: a shell that waits for the end of a pipe from it, and
// then kills what was started and removes its temporary folder. A clean end sends it away first.

import { spawn } from 'node:child_process'
import { markVariable } from './family.ts'

export interface Guard {
  /** One more process group to watch. */
  watch(pid: number): void
  /** All is gone: nothing is left to do. */
  dismiss(): void
}

/** Two passes: what was just being forked in the first is seen in the second. */
const script = `
trap '' HUP INT TERM
groups=
while read -r word; do
  [ "$word" = dismiss ] && exit 0
  groups="$groups $word"
done
for pass in 1 2; do
  for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
  for file in $(grep -slaF "${markVariable}=$1" /proc/[0-9]*/environ); do
    pid=\${file#/proc/}
    kill -s KILL "\${pid%/environ}" 2>/dev/null
  done
done
rm -rf -- "$2"
`

/** `mark` is in the environment of everything that is watched; `folder` is removed with it. */
export function startGuard(mark: string, folder: string): Guard {
  // In a session of its own: Ctrl-C in a terminal, or a kill of the benchmark's group, must not end it first.
  const shell = spawn('sh', ['-c', script, 'sh', mark, folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without a shell there is no guard; everything else works.
  shell.on('error', () => {})
  shell.stdin.on('error', () => {})
  shell.unref()
  return {
    watch: pid => void shell.stdin.write(`${pid}\n`),
    dismiss: () => void shell.stdin.end('dismiss\n'),
  }
}
