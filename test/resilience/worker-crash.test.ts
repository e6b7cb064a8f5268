// kill -9 of a worker breaks the connections that it had and no other; whoever comes after that is served, and another
// worker has its place soon.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hangWorker, isExplained, killWorker } from './faults.ts'
import type { LoadVerdict } from './outcomes.ts'
import { resilienceTest } from './resilience-test.ts'
import { steadyLoads } from './scenario.ts'
import { harm, startTraffic } from './traffic.ts'

/**
 * From a worker's end to its successor's listening, by the pool's own clock: a second, unless the machine is so busy
 * that a process that does nothing takes a noticeable part of that.
 */
function backWithinMs(idleProcessMs: number): number {
  return Math.max(1000, 15 * idleProcessMs)
}

/** From start to end of a Node process without a program, at best of three. */
async function idleProcessMs(): Promise<number> {
  const times: number[] = []
  for (let run = 0; run < 3; run++) {
    const startedAt = performance.now()
    await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit')
    times.push(performance.now() - startedAt)
  }
  return Math.min(...times)
}

for (const [name, end, restarts] of [
  ['kill -9 of a worker', killWorker, { crashed: 1, hung: 0 }],
  ['a worker that hangs', hangWorker, { crashed: 0, hung: 1 }],
] as const) {
  resilienceTest(`${name}: only its own connections break`, async (t, { startAgent: start }) => {
    const agent = await start()
    const traffic = await startTraffic(t, steadyLoads)
    await traffic.answered(60)
    const open = Object.values((await traffic.report()).open).flat()
    const total = connectionsOf(await agent.status())
    const kill = await end(agent, 0)
    const { killedAt, replacedAt, clients, pid } = kill
    await traffic.answered(60)
    const allowedMs = backWithinMs(await idleProcessMs())
    const verdict = await traffic.stop()
    const gapMs = (await agent.status()).workerRestarts.lastGapMs ?? Infinity
    t.comment(
      `worker ${pid} was back after ${gapMs} ms, and known to be after ${Math.round(replacedAt - killedAt)} ms`,
    )
    t.ok(gapMs < allowedMs, `it is back within ${Math.round(allowedMs)} ms`)

    const its = open.filter(client => clients.has(client))
    t.ok(
      its.length > 0 && its.length < open.length,
      `${its.length} of ${open.length} open connections were its`,
    )
    for (const [name, load] of Object.entries(verdict)) {
      // One that had just been begun may have been its without being established yet.
      const others = load.broken.filter(failure =>
        open.includes(failure.client) ? !clients.has(failure.client) : !isExplained(failure, load.kind, kill),
      )
      t.same(others, [], `${name}: no connection of another worker broke`)
      t.equal(load.answered + load.failed, load.sent, `${name}: everything is accounted for`)
      const unexplained = load.failures.filter(failure => !isExplained(failure, load.kind, kill))
      t.same(unexplained, [], `${name}: nothing that was begun later failed`)
    }
    t.equal((verdict['clients with affinity'] as LoadVerdict).moved, 0, 'clients stay with their endpoints')

    const after = await agent.status()
    t.ok(connectionsOf(after) > total, 'counters never go down')
    t.match(after.workerRestarts, restarts)
    const calm = await startTraffic(t, steadyLoads)
    await calm.answered(20)
    t.same(harm(await calm.stop()), [], 'all is well afterwards')
  })
}

function connectionsOf({
  services,
}: {
  readonly services: readonly { connections: { total: number } }[]
}): number {
  return services.reduce((sum, { connections }) => sum + connections.total, 0)
}
