// What is read from files as they look on a node, and from this very machine.

import { readFileSync } from 'node:fs'
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

const rootsCapabilities = '000001ffffffffff'
const unprivileged = '0000000000000000'
const netAdminAlone = '0000000000001000'

interface Node {
  readonly capabilities?: string
  /** What becomes of each program; one that isn't named ends well. */
  readonly programs?: Readonly<Record<string, ExecuteProblem>>
}

/** A node in files, and the programs that were run. */
async function read(
  t: Test,
  { capabilities = rootsCapabilities, programs = {} }: Node = {},
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
      ran.filter(each => each.startsWith('unshare')),
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
  const readings = await readNode({ proc: nowhere, sys: nowhere, run: nowhere, execute })
  t.match(readings, { capabilities: 0n, ip: 'missing', hasSs: false, hasIpv6: false, uplinks: [] })
  t.match(readings.netnsFolderProblem, /ENOENT/)
  t.equal(readings.sysctl('net.ipv4.ip_forward'), null)
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
