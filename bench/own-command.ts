// How the benchmark starts this program again: its own parts, and the agent that it measures.

import { ownCommand as commandOf } from '../lib/own-program.ts'

/** `kube-relay ARGS`, without the options of the Node.js that runs the benchmark. */
export function ownCommand(...args: readonly string[]): readonly string[] {
  return commandOf(args)
}

/** The environment for it: without options for Node.js that were meant for this process (a profiler, a test runner). */
export function ownEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_OPTIONS: '' }
}
