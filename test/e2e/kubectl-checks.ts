// Assertions on what kubectl prints. Every check has the command line as its name, so that a failure can be tried out
// by hand.

import type { Test } from 'tap'
import type { Outcome, RunOptions } from './child.ts'
import type { Kubectl } from './kubectl.ts'

export interface KubectlChecks {
  /** kubectl succeeds, and its standard output has all these patterns. */
  readonly says: (command: string, ...patterns: readonly RegExp[]) => Promise<string>
  /** kubectl fails, and its standard error has all these patterns. */
  readonly refuses: (command: string, ...patterns: readonly RegExp[]) => Promise<string>
  /** The same with an input or an environment, and without any expectation. */
  readonly outcome: (command: string, options?: RunOptions) => Promise<Outcome>
}

/** Checks of a test. A command is split at spaces; what must stay together is in single quotes. */
export function kubectlChecks(t: Test, kubectl: Kubectl): KubectlChecks {
  const outcome = (command: string, options?: RunOptions): Promise<Outcome> =>
    kubectl.outcome(argumentsOf(command), options)
  return {
    outcome,
    says: async (command, ...patterns) => {
      const { status, stdout, stderr } = await outcome(command)
      t.equal(status, 0, `kubectl ${command}`, { stderr, stdout })
      for (const pattern of patterns) t.match(stdout, pattern, `kubectl ${command}`, { stderr })
      return stdout
    },
    refuses: async (command, ...patterns) => {
      const { status, stdout, stderr } = await outcome(command)
      t.not(status, 0, `kubectl ${command}`, { stdout })
      for (const pattern of patterns) t.match(stderr, pattern, `kubectl ${command}`)
      return stderr
    },
  }
}

/** The words of a line that shows what a table's header or row holds, whatever its spacing. */
export function wordsOf(line: string | undefined): readonly string[] {
  return (line ?? '').trim().split(/\s{2,}/)
}

function argumentsOf(command: string): readonly string[] {
  return [...command.matchAll(/(?:[^\s']+|'[^']*')+/g)].map(([word]) => word.replaceAll("'", ''))
}
