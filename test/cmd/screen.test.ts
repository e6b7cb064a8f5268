import { test } from 'tap'
import { frame } from '../../cmd/screen.ts'

/** The lines that a frame writes, without what it does to the terminal. */
function linesOf(text: string, rows: number, columns: number): readonly string[] {
  const shown = frame(text, rows, columns)
  if (!shown.startsWith('\x1b[H') || !shown.endsWith('\x1b[K\x1b[J')) throw new Error(JSON.stringify(shown))
  return shown.slice(3, -6).split('\x1b[K\r\n')
}

void test('what fits is shown as it is, what does not is cut off', async t => {
  t.strictSame(linesOf('one\ntwo\n', 3, 10), ['one', 'two'])
  t.strictSame(linesOf('one\ntwo\nthree\n', 3, 10), ['one', 'two', 'three'])
  t.strictSame(linesOf('one\ntwo\nthree\nfour\n', 3, 40), [
    'one',
    'two',
    '… 2 more lines: make the window higher',
  ])
  t.strictSame(linesOf('a long line\nü\u{1f600}ö\n', 3, 2), ['a ', 'ü\u{1f600}'])
  t.strictSame(linesOf('one\ntwo\n', 1, 20), ['… 2 more lines: make'])
})
