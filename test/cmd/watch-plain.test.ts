// kube-relay status --watch where there is no terminal: one after the other, as text or a document a line.

import { test } from 'tap'
import { nodeName, startAgent } from './asked-agent.ts'
import { run, start } from './program.ts'

void test('where there is no terminal', async t => {
  const place = { port: 20_264, id: 64 }
  const agent = `127.0.0.1:${place.port}`
  await startAgent(t, place)

  await t.test('again and again, where there is no terminal', async t => {
    const plain = start(t, ['status', 'web', '--watch=100ms', '--agent', agent])
    const lines = start(t, ['status', '--watch', '0.1', '-o', 'json', '--agent', agent])
    const unread = start(t, ['status', '--watch', 'default/web', '--agent', agent])
    await plain.prints(/(?:^--- \d{4}-.*Z\ndefault\/web[^]*?){3}/m)
    plain.child.kill('SIGTERM')
    t.equal((await plain.exited).code, 0)
    t.match(plain.stdout(), /per second: /)
    t.notOk(plain.stdout().includes('\x1b'))

    await lines.prints(/\n[^]*\n/)
    lines.child.kill('SIGINT')
    const { code, stdout } = await lines.exited
    t.equal(code, 0)
    for (const line of stdout.trimEnd().split('\n')) t.match(JSON.parse(line), { node: nodeName })

    await unread.prints(/default\/web/)
    unread.child.stdout?.destroy()
    t.equal((await unread.exited).code, 0, 'it ends when nobody reads any more')
  })

  await t.test('what can not be watched', async t => {
    for (const [args, message] of [
      [['status', 'web', '--watch=soon'], /--watch "soon": expected a duration/],
      [['status', '--watch=1ms'], /at least 100ms/],
    ] as const) {
      const { code, stderr } = await run(t, [...args, '--agent', agent])
      t.equal(code, 2)
      t.match(stderr, message)
    }
  })
})
