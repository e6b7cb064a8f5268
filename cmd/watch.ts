// Shows a document of an agent again and again until the person has seen enough: drawn over in place on a terminal, one
// after the other elsewhere. An agent that goes away is waited for; what it said last stays on the screen meanwhile.

import { reasonOf, RelayError } from '../lib/model/error.ts'
import { formatDuration } from '../lib/model/duration.ts'
import { pause, type Clock } from '../lib/ops/clock.ts'
import { printable, printableJson } from '../lib/ops/text-table.ts'
import { openScreen, type Screen } from './screen.ts'

export interface WatchOptions<T> {
  readonly intervalMs: number
  readonly json: boolean
  readonly fetch: (signal: AbortSignal) => Promise<T>
  /** `before`: the last document and how many seconds ago it was; null where there is none to compare with. */
  readonly render: (now: T, before: Earlier<T> | null) => string
}

export interface Earlier<T> {
  readonly document: T
  readonly seconds: number
}

interface Seen<T> {
  readonly document: T
  /** On the monotonic clock, in milliseconds. */
  readonly at: number
}

/** Unlike the agent's clock, this one keeps the process alive. */
const clock: Clock = {
  now: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

/** Resolves on SIGINT, SIGTERM and SIGHUP, or when nobody reads any more. A question that means nothing rejects. */
export async function watch<T>(options: WatchOptions<T>): Promise<void> {
  const stop = new AbortController()
  const end = (): void => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
  process.stdout.on('error', end)
  const display = options.json ? jsonLines() : process.stdout.isTTY ? live(options) : plain()
  try {
    await lookUntil(stop.signal, options, display)
  } finally {
    display.close()
  }
}

/** Where documents and troubles go. */
interface Display {
  /** `document` is what `text` was made of. */
  show(text: string, document: unknown): void
  trouble(reason: string): void
  close(): void
}

async function lookUntil<T>(
  signal: AbortSignal,
  { intervalMs, fetch, render }: WatchOptions<T>,
  display: Display,
): Promise<void> {
  let before: Seen<T> | null = null
  let first = true
  while (!signal.aborted) {
    const startedAt = clock.now()
    try {
      const document = await fetch(signal)
      const at = clock.now()
      const earlier: Earlier<T> | null =
        before === null ? null : { document: before.document, seconds: (at - before.at) / 1000 }
      display.show(render(document, earlier), document)
      before = { document, at }
    } catch (error) {
      if (signal.aborted) return
      // Mistyped, and so for good. Later on, it may come back.
      if (first && isMistake(error)) throw error
      display.trouble(reasonOf(error))
      before = null
    }
    first = false
    await pause(clock, Math.max(0, intervalMs - (clock.now() - startedAt)), signal)
  }
}

function isMistake(error: unknown): boolean {
  return !(error instanceof RelayError) || error.code === 'INVALID_CONFIG'
}

function live({ intervalMs }: Pick<WatchOptions<unknown>, 'intervalMs'>): Display {
  let screen: Screen | null = null
  let text = ''
  let since: Date | null = null
  const draw = (notice: string): void => {
    // Not before there is something to show: a mistake is told on the person's own screen.
    screen ??= openScreen(process.stdout)
    const headline = `every ${formatDuration(intervalMs)}   ${timeOf(new Date())}   Ctrl-C ends`
    screen.draw(printable(`${headline}\n${notice}\n${text}`))
  }
  return {
    show(next) {
      text = next
      since = null
      draw('')
    },
    trouble(reason) {
      since ??= new Date()
      const last = text === '' ? '' : '; what it said last:'
      draw(`NO ANSWER since ${timeOf(since)}, trying again${last}\n${reason}\n`)
    },
    close: () => screen?.close(),
  }
}

function plain(): Display {
  const stamped = (text: string): void => {
    process.stdout.write(printable(`--- ${new Date().toISOString()}\n${text}\n`))
  }
  return { show: stamped, trouble: reason => stamped(`no answer: ${reason}`), close() {} }
}

/** A document a line; troubles go where they don't get in the way of whoever reads that. */
function jsonLines(): Display {
  return {
    show: (_, document) => void process.stdout.write(`${printableJson(document)}\n`),
    trouble: reason => void process.stderr.write(printable(`kube-relay: ${reason}\n`)),
    close() {},
  }
}

/** "12:00:01" */
function timeOf(date: Date): string {
  return date.toTimeString().slice(0, 8)
}
