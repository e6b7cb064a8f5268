// A terminal for a program under test, of a size that can change and with keys to press: Python's pty module, as Node.js
// has none of its own.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { compileCache, entry } from './program.ts'

export interface Terminal {
  /** Everything that was written to it. */
  output(): string
  resize(rows: number, columns: number): void
  press(keys: string): void
  /** The exit code; 128 and more: the signal that ended it. */
  readonly exited: Promise<number>
}

const script = `
import fcntl, os, pty, select, struct, sys, termios
def size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
pid, fd = pty.fork()
if pid == 0:
    size(0, int(sys.argv[1]), int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
waiting = b''
inputs = [fd, 0]
while True:
    ready, _, _ = select.select(inputs, [], [])
    if fd in ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b''
        if not data:
            break
        os.write(1, data)
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            inputs.remove(0)
        waiting += data
        *lines, waiting = waiting.split(b'\\n')
        for line in lines:
            what, *rest = line.split()
            if what == b'size':
                size(fd, int(rest[0]), int(rest[1]))
            else:
                os.write(fd, bytes.fromhex(rest[0].decode()))
_, status = os.waitpid(pid, 0)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`

/** Why there can't be one here, or false. */
export const noTerminal: string | false =
  spawnSync('python3', ['-c', 'import pty']).status === 0 ? false : 'needs python3'

/** Runs `kube-relay ARGS` in a terminal; what is still running when the test ends is ended. */
export function startInTerminal(
  t: Test,
  args: readonly string[],
  { rows, columns }: { readonly rows: number; readonly columns: number },
): Terminal {
  const child = spawn(
    'python3',
    ['-c', script, String(rows), String(columns), process.execPath, entry, ...args],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...compileCache, NODE_OPTIONS: '', TERM: 'xterm' },
    },
  )
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stdin.on('error', () => {})
  // The program gets a SIGHUP when its terminal goes.
  t.teardown(() => child.kill('SIGKILL'))
  return {
    output: () => output,
    resize: (height, width) => void child.stdin.write(`size ${height} ${width}\n`),
    press: keys => void child.stdin.write(`key ${Buffer.from(keys).toString('hex')}\n`),
    exited: once(child, 'close').then(([code]) => code as number),
  }
}
