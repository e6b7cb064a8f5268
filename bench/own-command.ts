// How the benchmark starts this program again: its own parts, and the agent that it measures. From the source tree and
// from the built package alike, whatever program runs the benchmark.

import { fileURLToPath } from 'node:url'

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const entry = fileURLToPath(new URL(`../cmd/kube-relay.${extension}`, import.meta.url))

/** `kube-relay ARGS`, on the Node.js that runs now. */
export function ownCommand(...args: readonly string[]): readonly string[] {
  return [process.execPath, entry, ...args]
}

/** The environment for it: without options for Node.js that were meant for this process (a profiler, a test runner). */
export function ownEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_OPTIONS: '' }
}
