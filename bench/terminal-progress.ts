// Progress on a terminal: one line that is written over, and lines that stay. In a pipe or a file, only the latter.

import type { ProgressReporter } from './progress.ts'

export interface ProgressOutput {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const clearLine = '\r\u001B[K'

export function terminalProgress(output: ProgressOutput): ProgressReporter {
  let shown = ''
  const clear = (): void => {
    if (shown !== '') output.write(clearLine)
  }
  return {
    update(line) {
      if (!output.isTTY) return
      clear()
      // A line that wraps could not be taken back.
      shown = line.slice(0, (output.columns ?? 80) - 1)
      output.write(shown)
    },
    say(line) {
      clear()
      output.write(`${line}\n${shown}`)
    },
    done() {
      clear()
      shown = ''
    },
  }
}
