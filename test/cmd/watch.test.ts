// kube-relay status --watch: on a terminal, where it is drawn in place, with an agent that comes and
// goes.

import { test } from 'tap'
import { connect, until } from './agent-under-test.ts'
import { agentFor, manifestsFolder, startEndpoint } from './asked-agent.ts'
import { noTerminal, startInTerminal } from './pty.ts'

/** The alternate screen, without a cursor and without wrapping; and back. */
const enterScreen = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H'
const leaveScreen = '\x1b[?7h\x1b[?25h\x1b[?1049l'

void test('live, on a terminal', { skip: noTerminal }, async t => {
  const place = { port: 20_262, id: 62 }
  await startEndpoint(t, place)
  const folder = manifestsFolder(t, place)
  const agent = await agentFor(t, place, folder)
  const args = ['status', '--watch=100ms', '--agent', `127.0.0.1:${place.port}`]
  const terminal = startInTerminal(t, args, { rows: 30, columns: 160 })
  const frames = (): readonly string[] => terminal.output().split('\x1b[H').slice(1)
  /** A frame that was drawn after this call. */
  const shows = async (what: string, pattern: RegExp): Promise<string> => {
    const seen = frames().length
    return await until(
      what,
      async () =>
        frames()
          .slice(seen)
          .find(each => pattern.test(each)) ?? null,
    )
  }
  await shows('the table', /every 100ms[^]*NAMESPACE +SERVICE[^]*CONN\/S[^]*default +web +http\/TCP/)
  t.ok(terminal.output().startsWith(enterScreen), 'on a screen of its own, without a cursor')
  // However far apart two looks are, there are connections in between.
  const shown = new AbortController()
  const rate = shows('a rate', /web +http\/TCP.* [1-9]\d* +(?!0\.0 )\d+\.\d /).finally(() => shown.abort())
  while (!shown.signal.aborted) {
    const connection = await connect(t, `127.96.${place.id}.1`, 8080)
    await connection.ask('hello')
    connection.end()
  }
  await rate

  terminal.resize(4, 40)
  const small = await shows('a small frame', /more lines/)
  const lines = small
    .replace('\x1b[J', '')
    .split('\x1b[K')
    .map(line => line.trim())
    .filter(line => line !== '')
  t.ok(lines.length <= 4 && lines.every(line => line.length <= 40), small)
  terminal.resize(30, 160)

  const away = shows(
    'that the agent is away',
    /NO ANSWER since .*; what it said last:[^]*no agent answers[^]*default +web/,
  )
  agent.child.kill('SIGTERM')
  await away
  await agent.exited
  const back = shows('the agent again', /^(?![^]*NO ANSWER)[^]*default +web/)
  await agentFor(t, place, folder)
  await back
  t.equal(terminal.output().split('\x1b[?1049h').length, 2, 'one screen for all of it')

  terminal.press('\x03')
  t.equal(await terminal.exited, 0)
  t.ok(terminal.output().endsWith(leaveScreen), 'and the person has their own screen back')
})

void test('no agent yet: waited for, and Ctrl-C ends that too', { skip: noTerminal }, async t => {
  const terminal = startInTerminal(t, ['status', '--watch', '--agent', '127.0.0.1:20263'], {
    rows: 10,
    columns: 200,
  })
  await until('a notice', async () =>
    /NO ANSWER since .*trying again[^]*no agent answers at/.test(terminal.output()) ? true : null,
  )
  terminal.press('\x03')
  t.equal(await terminal.exited, 0)
  t.ok(terminal.output().endsWith(leaveScreen))
})
