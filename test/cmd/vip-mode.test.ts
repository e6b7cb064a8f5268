// What --vip-mode comes to: picked once, told with the reason, shown by /configz, and refused where it can't work.

import { execFile } from 'node:child_process'
import { test } from 'tap'
import type { AgentConfiguration } from '../../lib/config/agent-configuration.ts'
import { readNode } from '../../lib/vip/node-readings.ts'
import { chooseVipMode } from '../../lib/vip/requirements.ts'
import { startCluster, startServingAgent, type AgentProcess } from './agent-under-test.ts'
import { programOf } from './program.ts'

const flags = ['--workers=0', '--nodeport-addresses=localhost', '--state-dir=off']

async function configured(agent: AgentProcess): Promise<Partial<AgentConfiguration>> {
  const response = await fetch(`http://${agent.metrics}/configz`, { headers: { connection: 'close' } })
  const { 'kube-relay': own } = (await response.json()) as { 'kube-relay': Partial<AgentConfiguration> }
  return own
}

void test('auto says what it has picked and why, and a reload keeps it', async t => {
  const { mode, reason } = chooseVipMode(await readNode())
  const agent = await startServingAgent(t, await startCluster(t, 241), flags)
  const line = ` VIP mode ${mode}: ${reason}`
  t.equal(agent.stderr().split(line).length, 2, agent.stderr())
  t.match(await configured(agent), { vipMode: mode, vipExclude: [] })
  agent.kill('SIGHUP')
  await agent.prints(/reloaded: /)
  t.match(await configured(agent), { vipMode: mode })
  t.equal(agent.stderr().split(line).length, 2, 'it is not looked for again')
})

void test('a mode that is named is taken without a word, with what is excluded', async t => {
  const exclude = '--vip-exclude=203.0.113.0/24, 192.0.2.7,fd00:2::7'
  const agent = await startServingAgent(t, await startCluster(t, 242), [...flags, '--vip-mode=none', exclude])
  t.notMatch(agent.stderr(), /VIP mode/)
  const vipExclude = ['203.0.113.0/24', '192.0.2.7/32', 'fd00:2::7/128']
  t.strictSame((await configured(agent)).vipExclude, vipExclude)
  t.match(await configured(agent), { vipMode: 'none' })
})

void test('a mode that is named and cannot work ends the start with one line', async t => {
  const { capabilities } = await readNode()
  const without = capabilities === 0n ? [] : ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin']
  const [program, ...args] = [...without, ...programOf(), 'run', '--vip-mode=netns']
  const env = { ...process.env, NODE_OPTIONS: '', HOME: '/nonexistent' }
  const finished = await new Promise<{ code: unknown; stderr: string }>(resolve => {
    execFile(program, [...args, '--master=http://127.0.0.1:9'], { env }, (error, _, stderr) => {
      resolve({ code: error?.code, stderr })
    })
  })
  t.equal(finished.code, 2, finished.stderr)
  t.match(
    finished.stderr,
    /^kube-relay: --vip-mode netns can't work here: .*CAP_SYS_ADMIN is missing: run it as root.*\n$/,
  )
})
