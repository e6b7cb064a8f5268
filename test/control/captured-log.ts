// A log that keeps its lines: "warn Service default/web: …".

import type { Log } from '../../lib/ops/log.ts'

export interface CapturedLog extends Log {
  readonly lines: string[]
  /** The lines since the last call. */
  take(): readonly string[]
}

export function captureLog(): CapturedLog {
  const lines: string[] = []
  const at =
    (level: string) =>
    (...args: readonly unknown[]): void => {
      lines.push(`${level} ${String(args.at(-1))}`)
    }
  return {
    lines,
    take: () => lines.splice(0),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  }
}
