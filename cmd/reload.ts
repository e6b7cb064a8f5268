// kube-relay reload: tells a running agent of this machine to begin anew with what is on disk now, and waits for what
// comes of it. The signal goes by the process id in the agent's status, so only where that number means the agent.

import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { RelayError, reasonOf } from '../lib/model/error.ts'
import { pidScope } from '../lib/ops/pid-scope.ts'
import { processArguments } from '../lib/ops/process-arguments.ts'
import type { AgentProcess, LastReload } from '../lib/ops/status.ts'
import { defaultAgent, fetchStatus } from './fetch-status.ts'

/** Longer than an agent gives its successor to serve and to hear from the API server, twice: one may be under way. */
const waitMs = 90_000
const lookEveryMs = 100

export function reloadCommand(): Command {
  return new Command('reload')
    .description('make a running agent begin anew with the files now on disk; connections stay')
    .option('--agent <url>', "the agent's metrics address", defaultAgent)
    .addHelpText(
      'after',
      '\nWhat it was started with stays; --config, the kubeconfig and the program itself are read again. The signal' +
        '\nSIGHUP does the same.\n\nExamples:\n  kube-relay reload\n  systemctl reload kube-relay',
    )
    .action(async ({ agent }: { readonly agent: string }) => {
      const before = await agentProcess(agent)
      if (before.pidScope !== pidScope()) {
        throw new RelayError(
          'ADDRESS',
          `the agent at ${agent} runs elsewhere (another machine or container): run "kube-relay reload" there`,
        )
      }
      signal(before, agent)
      const { ok, reason = '' } = await outcome(agent, before)
      if (!ok) throw new RelayError('ABORTED', `not reloaded, the agent goes on as before: ${reason}`)
      process.stdout.write(
        `reloaded: the agent (PID ${before.pid}) takes new connections with what is on disk now\n`,
      )
    })
}

async function agentProcess(agent: string): Promise<AgentProcess> {
  const { agent: found } = await fetchStatus(agent)
  if (found !== undefined) return found
  throw new RelayError('API', `the agent at ${agent} can't be reloaded: it is of a version without it`)
}

/** Whoever holds the address names the process: it is no reason to end another one, or (0, -1) all of them. */
function signal({ pid }: AgentProcess, agent: string): void {
  if (!isAgent(pid)) {
    throw new RelayError(
      'ADDRESS',
      `what answers at ${agent} says that it is PID ${pid}, which is no kube-relay agent: no signal was sent`,
    )
  }
  try {
    process.kill(pid, 'SIGHUP')
  } catch (error) {
    throw new RelayError('ADDRESS', `the agent (PID ${pid}) can't be told to reload: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

function isAgent(pid: unknown): boolean {
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return false
  const started = processArguments(pid)
  // Without /proc there is nothing to compare with.
  if (started === null) return process.platform !== 'linux'
  return started.some(each => each === 'run' || each === 'dev')
}

/** What came of the first reload that began after `before`. */
async function outcome(agent: string, before: AgentProcess): Promise<LastReload> {
  const deadline = performance.now() + waitMs
  while (performance.now() < deadline) {
    await delay(lookEveryMs)
    // While one agent takes over from the other, a request may meet the one that closes its server.
    const now = await agentProcess(agent).catch(() => null)
    if (now === null) continue
    if (now.pid !== before.pid || now.startedAt !== before.startedAt) {
      throw new RelayError('ABORTED', `another agent (PID ${now.pid}) answers at ${agent} now`)
    }
    if (now.lastReload !== null && now.lastReload.request > before.reloadRequests) return now.lastReload
  }
  throw new RelayError(
    'UNREACHABLE',
    `nothing is known of the reload after ${waitMs / 1000} s: see the agent's log`,
  )
}
