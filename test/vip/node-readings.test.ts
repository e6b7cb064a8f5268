// What is read from files as they look on a node, and from this very machine.

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import {
  capNetAdmin,
  capSysAdmin,
  isCapable,
  readNode,
  type ExecuteProblem,
  type NodeReadings,
} from '../../lib/vip/node-readings.ts'
import { missingForOwnNetwork } from '../own-network.ts'

const rootsCapabilities = '000001ffffffffff'
const unprivileged = '0000000000000000'
const netAdminAlone = '0000000000001000'

interface Node {
  readonly capabilities?: string
  /** What becomes of each program; one that isn't named ends well. */
  readonly programs?: Readonly<Record<string, ExecuteProblem>>
  /** What commands write; one that isn't named isn't there. */
  readonly outputs?: Readonly<Record<string, string>>
}

/** A node in files, and the programs that were run. */
async function read(
  t: Test,
  { capabilities = rootsCapabilities, programs = {}, outputs = {} }: Node = {},
): Promise<{ readonly readings: NodeReadings; readonly ran: readonly string[] }> {
  const root = t.testdir({
    proc: {
      self: { status: `Name:\tnode\nCapPrm:\t${rootsCapabilities}\nCapEff:\t${capabilities}\n` },
      net: {
        if_inet6:
          '00000000000000000000000000000001 01 80 10 80       lo\n' +
          'fd000000000000000000000000000002 03 40 00 80     eth0\n',
      },
      sys: { net: { ipv4: { ip_forward: '1\n', conf: { eth0: { rp_filter: '2\n' } } } } },
    },
    sys: { class: { net: { eth0: { device: {} }, lo: {}, veth1: {} } } },
    run: {},
  })
  const ran: string[] = []
  const readings = await readNode({
    proc: path.join(root, 'proc'),
    sys: path.join(root, 'sys'),
    run: path.join(root, 'run'),
    execute: async (program, args) => {
      ran.push([program, ...args].join(' '))
      return programs[program] ?? null
    },
    output: async (program, args) => {
      ran.push([program, ...args].join(' '))
      return outputs[[program, ...args].join(' ')] ?? null
    },
  })
  return { readings, ran }
}

void test('a node with everything', async t => {
  const { readings } = await read(t)
  t.match(readings, {
    nodeVersion: process.versions.node,
    ip: 'works',
    hasSs: true,
    netnsFolderProblem: null,
    namespaceProblem: null,
    hasIpv6: true,
    uplinks: ['eth0'],
    forwardDrops: [],
  })
  t.ok(isCapable(readings, capNetAdmin))
  t.ok(isCapable(readings, capSysAdmin))
  t.equal(readings.sysctl('net.ipv4.ip_forward'), '1')
  t.equal(readings.sysctl('net.ipv4.conf.eth0.rp_filter'), '2')
  t.equal(readings.sysctl('net.ipv4.conf.eth9.rp_filter'), null)
  t.equal(readings.maySet('net.ipv4.ip_forward'), true)
  t.equal(readings.maySet('net.ipv4.conf.eth9.rp_filter'), false)
})

void test('capabilities are the effective ones, and without them nothing is tried', async t => {
  for (const [capabilities, netAdmin] of [
    [unprivileged, false],
    [netAdminAlone, true],
  ] as const) {
    const { readings, ran } = await read(t, { capabilities })
    t.equal(isCapable(readings, capNetAdmin), netAdmin, capabilities)
    t.equal(isCapable(readings, capSysAdmin), false, capabilities)
    t.equal(readings.namespaceProblem, null)
    t.strictSame(
      ran.filter(each => /^(unshare|iptables-save|nft)/.test(each)),
      [],
    )
  }
})

void test('what becomes of the programs', async t => {
  const failed = (reason: string): ExecuteProblem => ({ kind: 'failed', reason })
  const missing = (reason: string): ExecuteProblem => ({ kind: 'missing', reason })
  const cases: readonly (readonly [Node['programs'] & object, Partial<NodeReadings>])[] = [
    [{ ip: missing('no such program') }, { ip: 'missing', hasSs: true }],
    [{ ip: failed("ip: unrecognized option '-force'") }, { ip: 'basic' }],
    [{ ss: missing('no such program') }, { ip: 'works', hasSs: false }],
    [{ unshare: failed('Unknown device type.') }, { namespaceProblem: 'Unknown device type.' }],
    [{ unshare: missing('no such program') }, { namespaceProblem: null }],
  ]
  for (const [programs, expected] of cases) t.match((await read(t, { programs })).readings, expected)
})

void test('nothing of it there: no reading fails', async t => {
  const nowhere = t.testdir({}) + '/nowhere'
  const execute = async (): Promise<ExecuteProblem> => ({ kind: 'missing', reason: '' })
  const output = async (): Promise<null> => null
  const readings = await readNode({ proc: nowhere, sys: nowhere, run: nowhere, execute, output })
  t.match(readings, { capabilities: 0n, ip: 'missing', hasSs: false, hasIpv6: false, uplinks: [] })
  t.match(readings.netnsFolderProblem, /ENOENT/)
  t.equal(readings.sysctl('net.ipv4.ip_forward'), null)
})

void test('chains that drop what is forwarded', async t => {
  const saved = (policy: string, ...rules: readonly string[]): string =>
    ['*filter', ':INPUT DROP [0:0]', `:FORWARD ${policy} [0:0]`, ...rules, 'COMMIT', ''].join('\n')
  const chains = (table: string, policy: string): string =>
    `table inet other {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n` +
    `table ${table} {\n\tchain x {\n\t}\n\tchain FORWARD {\n` +
    `\t\ttype filter hook forward priority filter; policy ${policy};\n\t}\n}\n`
  const mangle = '*mangle\n:FORWARD DROP [0:0]\nCOMMIT\n'
  const accept = '-A ufw-user-forward -o krelay0 -j ACCEPT'
  const cases: readonly (readonly [string, Node['outputs'] & object, readonly string[]])[] = [
    ['no tools', {}, []],
    ['accepting', { 'iptables-save': `${mangle}${saved('ACCEPT')}` }, []],
    ['dropping', { 'iptables-save': `${saved('DROP')}${mangle}` }, ['iptables (FORWARD)']],
    ['IPv6', { 'iptables-save': saved('ACCEPT'), 'ip6tables-save': saved('DROP') }, ['ip6tables (FORWARD)']],
    ['let through', { 'iptables-save': saved('DROP', accept) }, []],
    [
      'another let through',
      { 'iptables-save': saved('DROP', accept.replace('0', '01')) },
      ['iptables (FORWARD)'],
    ],
    [
      'nftables',
      { 'nft list chains': chains('inet fw', 'drop'), 'nft list table inet fw': 'oifname "eth0" accept' },
      ['nftables (inet fw FORWARD)'],
    ],
    ['nftables, accepting', { 'nft list chains': chains('inet fw', 'accept') }, []],
    [
      'nftables, let through',
      {
        'nft list chains': chains('inet fw', 'drop'),
        'nft list table inet fw': 'oifname { "cni0", "krelay0" } accept',
      },
      [],
    ],
    [
      'iptables made of nftables',
      {
        'iptables-save': saved('DROP'),
        'nft list chains': chains('ip filter', 'drop'),
        'nft list table ip filter': '',
      },
      ['iptables (FORWARD)'],
    ],
  ]
  for (const [name, outputs, expected] of cases) {
    const { readings } = await read(t, { outputs })
    t.strictSame(
      readings.forwardDrops.map(({ by }) => by),
      expected,
      name,
    )
  }
  const { readings } = await read(t, { outputs: { 'iptables-save': saved('DROP') } })
  t.equal(
    readings.forwardDrops[0]?.remedy,
    'iptables -I FORWARD -o krelay0 -j ACCEPT; iptables -I FORWARD -i krelay0 -j ACCEPT',
  )
})

/** The trial itself, with a program in front of the real one. */
async function problemWith(t: Test, program: string, script: string): Promise<string | null> {
  const folder = t.testdir({})
  writeFileSync(path.join(folder, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  const before = process.env['PATH']
  process.env['PATH'] = `${folder}:${before ?? ''}`
  try {
    return (await readNode()).namespaceProblem
  } finally {
    process.env['PATH'] = before
  }
}

void test('a profile that forbids mounts', { skip: missingForOwnNetwork() ?? false }, async t => {
  t.equal(await problemWith(t, 'nothing', ''), null, 'here it may be done')
  t.equal(
    await problemWith(t, 'mount', 'echo "mount: permission denied." >&2; exit 32'),
    'mount: permission denied.',
  )
  t.match(await problemWith(t, 'mount', 'exit 0'), /Invalid argument|not a namespace/, 'nothing was mounted')
  t.equal(await problemWith(t, 'mount', 'exit 127'), null, 'no such program: nothing was tried')
  t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), process.execPath)
})

void test('this machine', async t => {
  const readings = await readNode()
  t.equal(
    readings.sysctl('net.ipv4.ip_forward'),
    readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim(),
  )
  t.equal(readings.canBindInNamespace, Number(process.versions.node.split('.')[0]) >= 26)
  t.ok(['works', 'basic', 'missing'].includes(readings.ip))
  if (process.getuid?.() !== 0) t.equal(readings.namespaceProblem, null, 'not tried without the right')
})
