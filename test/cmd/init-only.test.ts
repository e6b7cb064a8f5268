// `run --init-only`: what the agent sets on the node where it may, set beforehand by somebody who may.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { enterOwnNetwork, missingForOwnNetwork } from '../own-network.ts'
import { run } from './program.ts'

const setting = (name: string): string => readFileSync(`/proc/sys/net/${name}`, 'utf8').trim()

void test(
  'settings of the node are made once, and it ends',
  { skip: missingForOwnNetwork() ?? false },
  async t => {
    enterOwnNetwork()
    t.equal(setting('ipv4/tcp_migrate_req'), '0', 'as the kernel has it')
    const first = await run(t, ['run', '--init-only', '--vip-mode=local', '--log-format=text'])
    t.equal(first.code, 0, first.stderr)
    t.match(first.stderr, /tcp_migrate_req set to 1/)
    t.equal(setting('ipv4/tcp_migrate_req'), '1')
    t.equal(setting('ipv6/ip_nonlocal_bind'), '0', 'without IPv6 there is nothing to bind')

    execFileSync('ip', ['-6', 'address', 'add', '2001:db8::1/64', 'dev', 'lo', 'nodad'])
    for (const mode of ['none', 'netns', 'auto']) await run(t, ['run', '--init-only', `--vip-mode=${mode}`])
    t.equal(setting('ipv6/ip_nonlocal_bind'), '0', 'only mode local binds what no interface has')
    const second = await run(t, ['run', '--init-only', '--vip-mode=local', '--log-format=text'])
    t.equal(second.code, 0, second.stderr)
    t.equal(setting('ipv6/ip_nonlocal_bind'), '1')
    t.notMatch(second.stderr, /tcp_migrate_req set/, 'what is set already is left alone')
  },
)
