import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'tap'
import { residentMemoryOf } from '../../lib/ops/resident-memory.ts'

void test('of this process, and of one that is gone', async t => {
  const own = residentMemoryOf(process.pid)
  const asNodeSays = process.memoryUsage.rss()
  t.ok(own !== null && own > asNodeSays / 2 && own < asNodeSays * 2, `${own}, ${asNodeSays}`)
  const child = spawn('true', { stdio: 'ignore' })
  await once(child, 'exit')
  t.equal(residentMemoryOf(child.pid ?? 0), null)
})
