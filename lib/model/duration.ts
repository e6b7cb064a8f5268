// Durations as Kubernetes writes them, which is as Go's time.ParseDuration reads them: "250ms", "1h30m", "0".

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/y

/** For messages: "must be …". */
export const durationExample = 'a duration such as 500ms, 30s or 1h30m'

/** Milliseconds; null for a text that isn't a duration, and for a negative one, which nothing here can mean. */
export function readDuration(text: string): number | null {
  if (text === '0' || text === '+0') return 0
  let total = 0
  part.lastIndex = text.startsWith('+') ? 1 : 0
  if (text.length === part.lastIndex || text.length > 100) return null
  while (part.lastIndex < text.length) {
    const match = part.exec(text)
    if (match === null) return null
    total += Number(match[1]) * (unitMs[match[2] ?? ''] ?? 0)
  }
  return Number.isSafeInteger(Math.ceil(total)) ? total : null
}

/** The inverse of readDuration, in Go's own form: "15m0s", "1h0m0s", "1.5s", "250ms", "0s". */
export function formatDuration(ms: number): string {
  if (ms > 0 && ms < 1000) return `${ms}ms`
  const minutes = Math.floor(ms / 60_000)
  const seconds = `${Number(((ms % 60_000) / 1000).toFixed(6))}s`
  if (minutes === 0) return seconds
  const hours = Math.floor(minutes / 60)
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`
}
