// kube-relay status: what an agent serves now, as a whole or one Service of it; once or again and again; as text or as
// the JSON document it came from.

import { Command, Option } from 'commander'
import { readDuration } from '../lib/model/duration.ts'
import { RelayError } from '../lib/model/error.ts'
import { renderServiceDetail, type ServiceDetail } from '../lib/ops/service-detail.ts'
import { serviceRates, statusRates } from '../lib/ops/status-rates.ts'
import { renderStatus, type StatusDocument } from '../lib/ops/status.ts'
import { printable, printableJson } from '../lib/ops/text-table.ts'
import { defaultAgent, fetchDocument, fetchStatus } from './fetch-status.ts'
import { watch, type Earlier } from './watch.ts'

interface StatusFlags {
  readonly agent: string
  readonly output: 'table' | 'json'
  /** true: without an interval. */
  readonly watch?: string | true
}

const defaultIntervalMs = 2000
const leastIntervalMs = 100

export function statusCommand(): Command {
  return new Command('status')
    .description('show what an agent serves now, or one Service of it with its endpoints')
    .argument('[service]', 'NAME, NAMESPACE/NAME or NAMESPACE/NAME:PORT')
    .option('--agent <url>', "the agent's metrics address", defaultAgent)
    .addOption(
      new Option('-o, --output <format>', 'table or json').choices(['table', 'json']).default('table'),
    )
    .option('-w, --watch [interval]', 'show it again and again, with rates (default: every 2s)')
    .addHelpText('after', examples)
    .action(status)
}

const examples = `
On a terminal --watch is drawn in place; elsewhere one follows the other, with -o json as one line each. An agent that
goes away is waited for.

Examples:
  kube-relay status
  kube-relay status default/web                   its endpoints, with health, connections and failures
  kube-relay status --watch=1s                    live; Ctrl-C ends it
  kube-relay status default/web:http --watch
  kube-relay status -o json | jq .services`

async function status(service: string | undefined, flags: StatusFlags): Promise<void> {
  const { agent } = flags
  const { name, interval } = readWatch(service, flags.watch)
  if (name === undefined) {
    return await show(flags, interval, signal => fetchStatus(agent, signal), renderWithRates)
  }
  await show(
    flags,
    interval,
    async signal => (await fetchDocument(agent, '/status/service', { name }, signal)) as ServiceDetail,
    renderDetailWithRates,
  )
}

/** What follows --watch may be the Service: "status --watch default/web". */
function readWatch(
  service: string | undefined,
  watched: StatusFlags['watch'],
): { readonly name: string | undefined; readonly interval: string | true | undefined } {
  if (typeof watched === 'string' && service === undefined && intervalOf(watched) === null) {
    return { name: watched, interval: true }
  }
  return { name: service, interval: watched }
}

async function show<T>(
  { output }: StatusFlags,
  interval: string | true | undefined,
  fetch: (signal?: AbortSignal) => Promise<T>,
  render: (now: T, before: Earlier<T> | null, watched: boolean) => string,
): Promise<void> {
  if (interval !== undefined) {
    const intervalMs = interval === true ? defaultIntervalMs : parseInterval(interval)
    return await watch({
      intervalMs,
      json: output === 'json',
      fetch,
      render: (now, before) => render(now, before, true),
    })
  }
  const document = await fetch()
  process.stdout.write(
    output === 'json' ? `${printableJson(document, 2)}\n` : printable(render(document, null, false)),
  )
}

function renderWithRates(
  now: StatusDocument,
  before: Earlier<StatusDocument> | null,
  watched: boolean,
): string {
  if (!watched) return renderStatus(now)
  // After a restart or a reload, counters begin anew.
  const same =
    before?.document.agent?.startedAt === now.agent?.startedAt &&
    before?.document.agent?.reloads === now.agent?.reloads
  return renderStatus(
    now,
    before === null || !same ? new Map() : statusRates(before.document, now, before.seconds),
  )
}

function renderDetailWithRates(
  now: ServiceDetail,
  before: Earlier<ServiceDetail> | null,
  watched: boolean,
): string {
  if (!watched) return renderServiceDetail(now)
  const none = { ports: new Map(), endpoints: new Map() }
  return renderServiceDetail(now, before === null ? none : serviceRates(before.document, now, before.seconds))
}

function parseInterval(text: string): number {
  const ms = intervalOf(text)
  if (ms !== null && ms >= leastIntervalMs) return ms
  throw new RelayError(
    'INVALID_CONFIG',
    `--watch ${JSON.stringify(text)}: expected a duration such as 500ms, 2s or 1m, at least 100ms`,
  )
}

/** Seconds where there is no unit, as for watch(1). */
function intervalOf(text: string): number | null {
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : readDuration(text)
}
