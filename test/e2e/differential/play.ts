// Plays one step on one server: fills in what was remembered, sends the request or runs kubectl, and gives the answer
// as JSON, so that two answers can be compared field by field.

import { join } from 'node:path'
import { parse } from 'yaml'
import { outcomeOf } from '../child.ts'
import type { RawAnswer, RawRequest, Server } from './servers.ts'
import type { KubectlCommand, Request, Step } from './step.ts'

export interface Answer {
  /** The HTTP status, or kubectl's exit status. */
  readonly status: number
  readonly contentType?: string
  /** How many Warning headers there are. */
  readonly warnings?: number
  /** JSON, an array of watch events, or text. */
  readonly body?: unknown
  readonly stdout?: unknown
  readonly stderr?: string
}

/** One server and what its answers have left behind. */
export interface Player {
  play(step: Step): Promise<Answer>
}

export function createPlayer(server: Server): Player {
  const memory = new Map<string, string>()
  const fill = (text: string): string =>
    text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
      const value = memory.get(name)
      // The step that should have brought it has failed by itself: this one shall not end the whole test.
      return value ?? `nothing-remembered-as-${name}`
    })
  return {
    play: async ({ request, remember }) => {
      const answer =
        'kubectl' in request ? await runKubectl(server, request, fill) : await ask(server, request, fill)
      for (const [name, path] of Object.entries(remember ?? {})) {
        const value = valueAt(answer.body, path)
        if (typeof value === 'string' || typeof value === 'number') memory.set(name, String(value))
      }
      return answer
    },
  }
}

async function ask(server: Server, request: Request, fill: (text: string) => string): Promise<Answer> {
  const { method, path, headers = {}, edit } = request
  const body = edit === undefined ? request.body : await edited(server, fill(path), edit)
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  const sent: RawRequest = {
    method,
    path: fill(path),
    headers: {
      accept: 'application/json',
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: text === undefined ? undefined : fill(text),
  }
  const raw = await server.send(sent).catch((error: unknown) => `${server.name}: ${String(error)}`)
  if (typeof raw === 'string') return { status: 0, body: raw }
  return answerOf(raw, /[?&]watch=(1|true)|\/watch\//.test(path))
}

async function edited(server: Server, path: string, change: object): Promise<unknown> {
  const { text } = await server.send({ method: 'GET', path, headers: {}, body: undefined })
  return mergePatched(jsonOr(text), change)
}

/** RFC 7396. */
function mergePatched(target: unknown, change: unknown): unknown {
  if (typeof change !== 'object' || change === null || Array.isArray(change)) return change
  const merged = { ...(typeof target === 'object' && !Array.isArray(target) ? target : {}) } as Record<
    string,
    unknown
  >
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete merged[key]
    else merged[key] = mergePatched(merged[key], value)
  }
  return merged
}

function answerOf({ status, headers, text }: RawAnswer, watch: boolean): Answer {
  const warnings = [headers['warning'] ?? []].flat().length
  const contentType = String(headers['content-type'] ?? '').replace(/;\s*charset.*$/i, '')
  const lines = text.split('\n').filter(line => line !== '')
  const isYaml = contentType === 'application/yaml'
  const body =
    watch && status === 200
      ? lines.map(line => jsonOr(line))
      : isYaml
        ? (parse(text) as unknown)
        : jsonOr(text)
  return { status, contentType, warnings, body }
}

async function runKubectl(
  server: Server,
  command: KubectlCommand,
  fill: (text: string) => string,
): Promise<Answer> {
  const common = [
    '--kubeconfig',
    server.kubeconfig,
    '--cache-dir',
    join(server.folder, `${command.program}-cache`),
  ]
  const { status, stdout, stderr } = await outcomeOf(
    command.program,
    [...common, ...command.kubectl.map(arg => fill(arg))],
    {
      ...(command.input === undefined ? {} : { input: command.input }),
      timeoutMs: 30_000,
      env: { KUBE_EDITOR: 'sed -i s/before/after/', TZ: 'UTC' },
    },
  )
  return { status: typeof status === 'number' ? status : -1, stdout: parsed(stdout), stderr }
}

/** kubectl's output as an object, if it is one. */
function parsed(text: string): unknown {
  return text.startsWith('apiVersion: ') ? (parse(text) as unknown) : jsonOr(text)
}

function jsonOr(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function valueAt(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined),
      value,
    )
}
