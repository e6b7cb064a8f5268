import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'
import { openVips } from '../../lib/vip/vips.ts'
import { captureLog } from '../control/captured-log.ts'
import { until } from '../dataplane/until.ts'
import { ManualClock } from '../manual-clock.ts'
import { startOtherAgent } from './other-agent.ts'
import {
  addAddress,
  delta,
  ip,
  localRoutes,
  manyVips,
  nodeIps,
  removeAddress,
  snapshot,
  vipTest,
} from './vip-test.ts'

const [a, b, c] = ['10.96.0.1', '10.96.0.2', 'fd00::3'] as const

function setUp(t: Test) {
  const clock = new ManualClock()
  const log = captureLog()
  const vips = openVips({ mode: 'local', log, clock, formerPlaces: [] })
  t.teardown(() => vips.close())
  return { clock, log, vips }
}

const nobodyElses = (route: string) => !route.endsWith('foreign')

/** Advances the clock until the routes are these: commands of the real system take their time. */
async function untilRoutes(clock: ManualClock, expected: readonly string[], what: string): Promise<void> {
  const wanted = [...expected].sort().join()
  await until(
    async () => {
      if (localRoutes().join() === wanted) return true
      await clock.advanceAndSettle(1000)
      return false
    },
    what,
    10,
  )
}

/** From now on the shell command runs before each `ip`; returns what ends that. */
function wrapIp(before: string): () => void {
  const folder = mkdtempSync(path.join(tmpdir(), 'kube-relay-programs.'))
  const found = process.env['PATH'] ?? ''
  const script = `#!/bin/sh\n${before}\nPATH=/usr/sbin:/usr/bin:/sbin:/bin exec ip "$@"\n`
  writeFileSync(path.join(folder, 'ip'), script, { mode: 0o755 })
  process.env['PATH'] = `${folder}:${found}`
  return () => {
    process.env['PATH'] = found
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
}

vipTest('both families are there as long as they are wanted, and nothing of it stays', async t => {
  const { clock, vips } = setUp(t)
  const before = ip('route', 'show', 'table', 'all')
  vips.setSources(nodeIps)
  const user = vips.user()
  await user.want(snapshot({ a: [a], c: [c] }))
  t.strictSame(localRoutes(), [`${a} src ${nodeIps[0]}`, `${c} src ${nodeIps[1]}`])
  user.applied()
  await user.want(delta({ a: null, b: [b] }))
  user.applied()
  await untilRoutes(clock, [`${b} src ${nodeIps[0]}`, `${c} src ${nodeIps[1]}`], 'the first one to go')
  t.strictSame(vips.status(), { mode: 'local', local: 2, failed: [] })
  await vips.close()
  t.equal(ip('route', 'show', 'table', 'all'), before)
})

vipTest('routes and addresses of others are not touched', async t => {
  const { vips, log } = setUp(t)
  ip('route', 'add', 'local', `${a}/32`, 'dev', 'lo')
  ip('route', 'add', 'local', `${c}/128`, 'dev', 'lo')
  ip('route', 'add', 'local', '10.96.9.0/24', 'dev', 'lo', 'proto', '143')
  ip('route', 'add', 'unreachable', '10.97.0.0/16', 'proto', '42')
  addAddress('10.96.0.9')
  const before = ip('route', 'show', 'table', 'all')
  const user = vips.user()
  await user.want(snapshot({ a: [a, c, '10.96.0.9', b] }))
  const { local, failed } = vips.status()
  t.equal(local, 1)
  t.strictSame(failed.map(each => each.ip).sort(), [a, '10.96.0.9', c])
  t.match(log.take().at(-1), /^warn VIP .*, and 2 more can't be made local: already local/)
  await vips.close()
  t.equal(ip('route', 'show', 'table', 'all'), before)
})

vipTest('killed in the middle of adding: the next agent has exactly what it wants', async t => {
  const many = [...manyVips('IPv4', 10_000), ...manyVips('IPv6', 10_000)]
  const unwrap = wrapIp('sleep 0.5')
  t.teardown(unwrap)
  const killed = startOtherAgent(t, many)
  await until(() => localRoutes().length > 100, 'the first routes', 1)
  await killed.kill()
  unwrap()
  const left = localRoutes()
  t.ok(left.length > 0 && left.length < many.length, `${left.length} are there, not all`)

  const { clock, vips } = setUp(t)
  const wanted = [...many.filter((_, n) => n % 100 === 0), a, c]
  const user = vips.user()
  await user.want(snapshot({ all: wanted }))
  const there = new Set(localRoutes())
  t.ok(
    wanted.every(each => there.has(each)),
    'all that is wanted is there at once',
  )
  user.applied()
  await untilRoutes(clock, wanted, 'the rest to go')
  await vips.close()
  t.strictSame(localRoutes(), [])
})

vipTest('two agents overlap: the first takes nothing along, the last one clears', async t => {
  const first = startOtherAgent(t, [a, b])
  t.match(await first.settled, { local: 2, failed: [] })
  const { clock, vips } = setUp(t)
  const user = vips.user()
  await user.want(snapshot({ a: [a], c: [c] }))
  user.applied()
  t.strictSame(localRoutes(), [a, b, c])
  await first.stop()
  t.strictSame(localRoutes(), [a, b, c])
  await untilRoutes(clock, [a, c], 'what only the first one wanted to go')
  const third = startOtherAgent(t, [a])
  await third.settled
  await vips.close()
  t.strictSame(localRoutes(), [a, c])
  await third.stop()
  t.strictSame(localRoutes(), [])
})

vipTest('two agents that stop at once leave nothing', async t => {
  const agents = [startOtherAgent(t, [a, b]), startOtherAgent(t, [a, c])]
  await Promise.all(agents.map(each => each.settled))
  await Promise.all(agents.map(each => each.stop()))
  t.strictSame(localRoutes(), [])
})

vipTest('an established connection keeps its VIP', async t => {
  const { clock, vips } = setUp(t)
  const user = vips.user()
  await user.want(snapshot({ a: [a], c: [c] }))
  const server = net.createServer()
  await once(server.listen(80, a), 'listening')
  const client = net.connect(80, a)
  const [accepted] = (await once(server, 'connection')) as [net.Socket]
  server.close()
  user.leave()
  await untilRoutes(clock, [a], 'the unused one to go')
  for (let asked = 0; asked < 3; asked += 1) {
    clock.advance(10_000)
    await vips.user().want(delta({ marker: [`10.96.1.${asked}`] }))
    t.ok(localRoutes().includes(a))
  }
  accepted.end('still here')
  const [heard] = (await once(client, 'data')) as [Buffer]
  t.equal(heard.toString(), 'still here')
  client.destroy()
  await untilRoutes(clock, ['10.96.1.0', '10.96.1.1', '10.96.1.2'], 'it to go with its connection')
})

vipTest('what somebody flushes is back after the next look', async t => {
  const { clock, vips } = setUp(t)
  await vips.user().want(snapshot({ a: [a, b, c] }))
  ip('-4', 'route', 'flush', 'table', 'local', 'proto', '143')
  ip('-6', 'route', 'flush', 'table', 'local', 'proto', '143')
  t.strictSame(localRoutes(), [])
  clock.advance(30_000)
  await clock.armed(delay => delay === 30_000)
  t.strictSame(localRoutes(), [a, b, c])
})

vipTest('an address of the node goes that was the source', async t => {
  const { vips } = setUp(t)
  const others = ['192.0.2.7', '2001:db8::7']
  others.forEach(addAddress)
  vips.setSources(nodeIps)
  const user = vips.user()
  await user.want(snapshot({ a: [a], c: [c] }))
  nodeIps.forEach(removeAddress)
  vips.setSources(others)
  await user.want(delta({ b: [b] }))
  t.strictSame(localRoutes(), [`${a} src 192.0.2.7`, `${b} src 192.0.2.7`, `${c} src 2001:db8::7`])
})

vipTest('without the privilege: why, and what to do', async t => {
  const without = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin']
  const agent = startOtherAgent(t, [a, c], without)
  const { local, failed } = await agent.settled
  t.equal(local, 0)
  t.strictSame(failed.map(each => each.ip).sort(), [a, c])
  for (const { reason } of failed) t.match(reason, /Operation not permitted: it needs CAP_NET_ADMIN/)
  await agent.stop()
})

/** Counts the runs of `ip` from now on. */
function countRuns(t: Test): () => number {
  const runs = path.join(t.testdir({ runs: '' }), 'runs')
  t.teardown(wrapIp(`echo run >> '${runs}'`))
  return () => {
    const count = readFileSync(runs, 'utf8').split('\n').length - 1
    writeFileSync(runs, '')
    return count
  }
}

vipTest('10,000 VIPs, and one more', async t => {
  const takeRuns = countRuns(t)
  const { vips } = setUp(t)
  vips.setSources(nodeIps)
  const user = vips.user()
  const many = [...manyVips('IPv4', 5000), ...manyVips('IPv6', 5000)]
  const update = snapshot(Object.fromEntries(many.map(vip => [vip, [vip]])))
  const begin = performance.now()
  await user.want(update)
  const all = performance.now()
  t.equal(localRoutes().filter(nobodyElses).length, 10_000)
  t.ok(takeRuns() < 20, 'in few commands')
  const beforeOne = performance.now()
  await user.want(delta({ one: [a] }))
  const one = performance.now()
  t.equal(takeRuns(), 2, 'one more: whether there is a route to it, and ours')
  const beforeNone = performance.now()
  await user.want(delta({ other: [a] }))
  const none = performance.now()
  t.equal(takeRuns(), 0)
  const beforeClose = performance.now()
  await vips.close()
  const closed = performance.now()
  t.strictSame(localRoutes(), [])
  const ms = (from: number, to: number) => `${(to - from).toFixed(1)} ms`
  t.comment(`all ${ms(begin, all)}, one ${ms(beforeOne, one)}, none ${ms(beforeNone, none)}`)
  t.comment(`close ${ms(beforeClose, closed)}`)
})
