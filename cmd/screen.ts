// A terminal's alternate screen, drawn over in place: the person's own screen is there again afterwards, also while the
// program is stopped by Ctrl-Z, and what doesn't fit the window is cut off.

import type { WriteStream } from 'node:tty'

export interface Screen {
  /** Shows the text instead of what was there. */
  draw(text: string): void
  /** May be called twice. */
  close(): void
}

/** Without wrapping: some characters take two cells, and a line that wraps would push the rest down. */
const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l'
const home = '\x1b[H'
const clearLine = '\x1b[K'
const clearBelow = '\x1b[J'

export function openScreen(terminal: WriteStream): Screen {
  let text = ''
  let open = true
  const paint = (): void => void terminal.write(frame(text, terminal.rows || 24, terminal.columns || 80))
  const onStop = (): void => {
    // The shell's prompt comes back only when the process really stops, which Node.js does for SIGSTOP alone.
    terminal.write(leave, () => process.kill(process.pid, 'SIGSTOP'))
  }
  const onContinue = (): void => {
    terminal.write(enter)
    paint()
  }
  terminal.write(enter)
  terminal.on('resize', paint)
  process.on('SIGTSTP', onStop)
  process.on('SIGCONT', onContinue)
  return {
    draw(next) {
      text = next
      paint()
    },
    close() {
      if (!open) return
      open = false
      terminal.off('resize', paint)
      process.off('SIGTSTP', onStop)
      process.off('SIGCONT', onContinue)
      terminal.write(leave)
    },
  }
}

/** What is written to show a text in a window of this size. */
export function frame(text: string, rows: number, columns: number): string {
  const lines = text.trimEnd().split('\n')
  const tooMany = lines.length > rows
  const shown = tooMany ? lines.slice(0, Math.max(0, rows - 1)) : lines
  const more = tooMany ? [`… ${lines.length - shown.length} more lines: make the window higher`] : []
  const cut = [...shown, ...more].map(line => `${Array.from(line).slice(0, columns).join('')}${clearLine}`)
  return `${home}${cut.join('\r\n')}${clearBelow}`
}
