// kube-relay ready: whether the agent beside this command serves; for the startup probe of a pod. During a rolling update
// two agents share the metrics address, and the kernel gives a connection to either of them: only the one in this
// command's own PID namespace counts.

import http from 'node:http'
import { Command } from 'commander'
import { RelayError, reasonOf } from '../lib/model/error.ts'
import type { Readiness } from '../lib/ops/observability-routes.ts'
import { pidScope } from '../lib/ops/pid-scope.ts'
import { defaultAgent } from './fetch-status.ts'

/** With two agents, all of these come to the other one once in 65,000 times; the next probe then finds it. */
const attempts = 16
const timeoutMs = 2000

export function readyCommand(): Command {
  return new Command('ready')
    .description('whether the agent of this container serves: exit status 0 if it does')
    .option('--agent <url>', "the agent's metrics address", defaultAgent)
    .addHelpText(
      'after',
      '\nAn agent in another container that answers at the same address, as during a rolling update, does not count.' +
        '\n\nExamples:\n  kube-relay ready',
    )
    .action(async ({ agent }: { readonly agent: string }) => {
      const url = readyUrl(agent)
      const own = await ownReadiness(url)
      if (!own.ready) {
        throw new RelayError(
          'ABORTED',
          `the agent (PID ${own.agent?.pid}) at ${url.origin} doesn't serve yet`,
        )
      }
      process.stdout.write(`ready: the agent (PID ${own.agent?.pid}) serves\n`)
    })
}

function readyUrl(agent: string): URL {
  const base = agent.startsWith('http://') ? agent : `http://${agent}`
  if (URL.canParse('/readyz', base)) return new URL('/readyz', base)
  throw new RelayError('INVALID_CONFIG', `--agent ${agent} is not a URL such as http://127.0.0.1:10249`)
}

/** During a reload of the agent, its successor and it answer for one process: either will do. */
async function ownReadiness(url: URL): Promise<Readiness> {
  const scope = pidScope()
  let own: Readiness | null = null
  for (let attempt = 0; attempt < attempts; attempt++) {
    const readiness = await ask(url)
    if (readiness.agent?.pidScope === scope) own = readiness
    if (own?.ready === true) return own
  }
  if (own !== null) return own
  throw new RelayError(
    'UNREACHABLE',
    `the agent at ${url.origin} is in another container or on another machine: none of this one answers there yet`,
  )
}

/** On a connection of its own, so that each one may come to another agent. */
function ask(url: URL): Promise<Readiness> {
  const { promise, resolve, reject } = Promise.withResolvers<Readiness>()
  const fail = (why: string, cause?: unknown): void =>
    reject(new RelayError('UNREACHABLE', `${url.href}: ${why}`, { cause }))
  const request = http.get(url, { agent: false, timeout: timeoutMs }, response => {
    let text = ''
    response.setEncoding('utf8').on('data', (part: string) => (text += part))
    response.on('error', error => fail(reasonOf(error), error))
    response.on('end', () => {
      const { statusCode } = response
      if (statusCode !== 200 && statusCode !== 503) {
        return fail(`answered ${statusCode}, is that a kube-relay agent of this version?`)
      }
      try {
        resolve(JSON.parse(text) as Readiness)
      } catch (error) {
        fail('did not answer with JSON, is that a kube-relay agent?', error)
      }
    })
  })
  request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)))
  request.on('error', error =>
    fail(`no agent answers (${reasonOf(error)}): is kube-relay running here?`, error),
  )
  return promise
}
