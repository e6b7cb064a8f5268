// run --cleanup ends workers that wait for an agent: all that can be told to, and nobody who merely has the number of one.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type Test } from 'tap'
import { orphanSocket } from '../../lib/workers/orphan.ts'
import { endOrphans } from '../../lib/workers/orphans.ts'

/** With a short path: a unix socket's may have 107 bytes. */
function stateDirectory(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'orphans-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  mkdirSync(path.join(folder, 'workers'))
  return folder
}

/** Listens in a worker's place; the lines that it is told come into what this resolves with. */
async function waits(t: Test, stateDir: string, pid: number): Promise<readonly string[]> {
  const told: string[] = []
  const server = net.createServer(socket => {
    socket
      .on('error', () => {})
      .setEncoding('utf8')
      .on('data', (line: string) => {
        told.push(line)
        socket.end()
      })
  })
  t.teardown(() => server.close())
  await once(server.listen(orphanSocket(stateDir, pid)), 'listening')
  return told
}

void test('a number that is another process: it is neither waited for nor ended', async t => {
  const stateDir = stateDirectory(t)
  const bystander = spawn('sleep', ['600'], { stdio: 'ignore' })
  const ended = once(bystander, 'exit')
  t.teardown(async () => {
    bystander.kill('SIGKILL')
    await ended
  })
  const told = await waits(t, stateDir, bystander.pid ?? 0)
  t.equal(await endOrphans(stateDir), 1)
  t.strictSame(told, ['{"type":"drain","timeoutMs":0}\n'])
  t.equal(bystander.signalCode, null)
})

void test('one that can not be told is named, and the others end all the same', async t => {
  const stateDir = stateDirectory(t)
  const told = await waits(t, stateDir, 2 ** 22 + 2)
  const broken = orphanSocket(stateDir, 2 ** 22 + 1)
  symlinkSync(broken, broken)
  await t.rejects(endOrphans(stateDir), {
    code: 'ABORTED',
    message: new RegExp(
      `the worker that waits at ${broken} can't be told to end \\(.*: kill it, and try again$`,
    ),
  })
  t.equal(told.length, 1)
  t.ok(lstatSync(broken), 'it is found again')
  t.notOk(existsSync(orphanSocket(stateDir, 2 ** 22 + 2)))
})
