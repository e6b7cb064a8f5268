// The Debian package under a real systemd, on a system that has no Node.js: the service serves a manifest's Services; a
// reload, a restart, an upgrade and a hung agent are noticed by none of its clients, whose every request is counted; and
// a stop leaves nothing behind.

import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type Test } from 'tap'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { until } from '../e2e/until.ts'
import { untilNotListening, workerPids as pidsInside } from '../resilience/faults.ts'
import { nodeIp, processesHere } from '../resilience/network.ts'
import { servesSteady, startSteadyEndpoints, steadyLoads, steadyObjects } from '../resilience/scenario.ts'
import { harm, startTraffic } from '../resilience/traffic.ts'
import { bootBareDebian, missingForBareDebian, type BareDebian } from './bare-debian.ts'
import { deb, notBuilt, root } from './built.ts'

const skip = notBuilt || (missingForBareDebian() ?? false)

const options = [
  '--manifests /etc/kube-relay/manifests',
  '--service-cluster-ip-range 10.96.0.0/16',
  // One who drains waits for its UDP flows to be idle, and a stop for no client.
  '--udp-idle-timeout 3s --udp-stream-timeout 3s --shutdown-timeout 1s',
].join(' ')

/** In seconds; the unit's own would take a test half a minute. */
const watchdogSec = 4

/** What each process has, of a set of capability(7) as /proc shows it; and what `systemd-analyze security` says. */
const modes = [
  { mode: 'none', user: 'kube-relay', capabilities: capabilitySet(10), mostExposed: 2 },
  { mode: 'local', user: 'kube-relay', capabilities: capabilitySet(10, 12), mostExposed: 2 },
  { mode: 'netns', user: 'root', capabilities: capabilitySet(10, 12, 21), mostExposed: 3.5 },
] as const

/** What systemd/README.md says of a mode's exposure: the last column of its row. */
function documentedExposure(mode: string): number {
  const rows = readFileSync(path.join(root, 'systemd/README.md'), 'utf8').split('\n')
  const row = rows.find(line => line.startsWith(`| \`${mode}\``))
  return Number(row?.split('|').at(-2))
}

function capabilitySet(...bits: readonly number[]): string {
  return bits
    .reduce((set, bit) => set | (1n << BigInt(bit)), 0n)
    .toString(16)
    .padStart(16, '0')
}

interface Installed extends BareDebian {
  readonly status: () => Promise<StatusDocument>
  readonly systemctl: (...args: readonly string[]) => Promise<string>
  /** A property of the unit. */
  readonly property: (name: string) => Promise<string>
  readonly dropIn: (name: string, text: string) => void
}

/** A system with the package in it and manifests of the steady Services, in whose network this process is from then on. */
async function install(t: Test): Promise<Installed> {
  const system = await bootBareDebian(t)
  system.enterNetwork()
  for (const command of [
    'link set lo up',
    `address add ${nodeIp}/32 dev lo`,
    'route add local 10.1.0.0/16 dev lo',
    'route add local 10.200.0.0/16 dev lo',
  ]) {
    execFileSync('ip', command.split(' '))
  }
  await startSteadyEndpoints(t)
  copyFileSync(deb, path.join(system.root, 'root/kube-relay.deb'))
  const units = path.join(system.root, 'etc/systemd/system/kube-relay.service.d')
  mkdirSync(units, { recursive: true })
  const installed: Installed = {
    ...system,
    status: getStatus,
    systemctl: (...args) => system.out('systemctl', '--no-pager', ...args),
    property: name => system.out('systemctl', 'show', '--value', '-p', name, 'kube-relay'),
    dropIn: (name, text) => writeFileSync(path.join(units, `${name}.conf`), text),
  }
  await system.out('dpkg', '-i', '/root/kube-relay.deb')
  t.equal(await installed.property('ActiveState'), 'active', 'an installation starts it')
  await installed.systemctl('stop', 'kube-relay')
  const manifests = steadyObjects().map(object => JSON.stringify(object))
  writeFileSync(path.join(system.root, 'etc/kube-relay/manifests/steady.yaml'), manifests.join('\n---\n'))
  installed.dropIn('test', `[Service]\nEnvironment="KUBE_RELAY_TEST=1"\nWatchdogSec=${watchdogSec}\n`)
  setOptions(installed, options)
  await installed.systemctl('daemon-reload')
  t.teardown(async () => {
    if (t.passing()) return
    t.comment((await system.run(['journalctl', '--no-pager', '-n', '200', '-u', 'kube-relay'])).stdout)
  })
  return installed
}

function setOptions({ root }: BareDebian, text: string): void {
  writeFileSync(path.join(root, 'etc/kube-relay/kube-relay.env'), `KUBE_RELAY_OPTIONS=${text}\n`)
}

function getStatus(): Promise<StatusDocument> {
  return new Promise((resolve, reject) => {
    const request = http.get({
      host: '127.0.0.1',
      port: 10249,
      path: '/status',
      agent: false,
      timeout: 10_000,
    })
    request.on('error', reject)
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('response', response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve(JSON.parse(text) as StatusDocument))
      response.on('error', reject)
    })
  })
}

/** Its processes, by their numbers outside. */
function relayProcesses(): readonly number[] {
  return processesHere().flatMap(({ pid, command }) =>
    /^\/usr\/bin\/kube-relay (?:run|worker)\b/.test(command) ? [pid] : [],
  )
}

/** The workers of now that take new clients, by their numbers outside. */
async function workersOutside(): Promise<readonly number[]> {
  const inside = new Set(pidsInside(await getStatus()))
  return relayProcesses().filter(pid => inside.has(insidePid(pid)))
}

function insidePid(pid: number): number {
  const numbers = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(numbers?.split(/\s+/).at(-1))
}

/** The same package, with the next version's number. */
function rebuilt(t: Test, root: string): void {
  const work = mkdtempSync(path.join(tmpdir(), 'rebuilt-'))
  t.teardown(() => rmSync(work, { recursive: true, force: true, maxRetries: 10 }))
  const tree = path.join(work, 'tree')
  execFileSync('dpkg-deb', ['-R', deb, tree])
  const control = path.join(tree, 'DEBIAN/control')
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, 'Version: 99.0.0'))
  const out = path.join(root, 'root/kube-relay-next.deb')
  execFileSync('dpkg-deb', ['-Znone', '--root-owner-group', '-b', tree, out], { stdio: 'ignore' })
}

void test('the package under systemd', { skip, timeout: 600_000 }, async t => {
  const system = await install(t)
  const { systemctl, property, status } = system

  await t.test('starts without Node.js, and is ready when it serves', async t => {
    t.not((await system.run(['sh', '-c', 'command -v node'])).status, 0, 'no Node.js here')
    await systemctl('start', 'kube-relay')
    t.ok(servesSteady(await status()), 'all Services, as soon as systemctl returns')
    t.equal(await property('ActiveState'), 'active')
    t.match(await property('StatusText'), /^Serving \d+ Services from manifests by \d+ workers$/)
    t.match((await status()).vips, { mode: 'netns', local: 4, failed: [] })
    const log = await system.out('journalctl', '--no-pager', '-u', 'kube-relay', '-p', 'err', '-o', 'cat')
    t.notMatch(log, /./, 'no errors')
  })

  await t.test('a reload, a restart, an upgrade and a hung agent: nobody notices', async t => {
    const traffic = await startTraffic(t, steadyLoads)
    const events: [string, () => Promise<unknown>][] = [
      ['reload', () => systemctl('reload', 'kube-relay')],
      ['restart', () => systemctl('restart', 'kube-relay')],
      [
        'a signal to every process',
        async () => {
          const { agent } = await status()
          await systemctl('kill', '--signal=HUP', 'kube-relay')
          await until('reloaded', async () =>
            (await status()).agent?.reloads === (agent?.reloads ?? 0) + 1 ? true : undefined,
          )
        },
      ],
      [
        'upgrade',
        () => {
          rebuilt(t, system.root)
          return system.out('dpkg', '-i', '/root/kube-relay-next.deb')
        },
      ],
      [
        'a hung agent',
        async () => {
          const before = await property('NRestarts')
          await systemctl('kill', '--kill-whom=main', '--signal=STOP', 'kube-relay')
          await until('the watchdog starts the agent anew', async () =>
            (await property('NRestarts')) !== before && (await property('SubState')) === 'running'
              ? true
              : undefined,
          )
        },
      ],
    ]
    const staysIn = new Set(['reload', 'a signal to every process'])
    for (const [name, happen] of events) {
      const agentBefore = await property('MainPID')
      const before = await workersOutside()
      t.ok(before.length >= 2, `${name}: workers serve`)
      await traffic.answered(60)
      await happen()
      t.equal(await property('ActiveState'), 'active')
      await until('all Services are served', async () => (servesSteady(await status()) ? true : undefined))
      await untilNotListening(before)
      await traffic.answered(60)
      t.equal((await property('MainPID')) === agentBefore, staysIn.has(name), `${name}: which agent it is`)
      t.same(
        harm((await traffic.report()).verdict).filter(line => !/unaccounted|nothing was answered/.test(line)),
        [],
        name,
      )
    }
    t.equal(await system.out('dpkg-query', '-W', '-f', '${Version}', 'kube-relay'), '99.0.0')
    t.same(harm(await traffic.stop()), [], 'of everything that was sent')
  })

  await t.test('a reload that fails is told, and nothing has changed', async t => {
    const file = path.join(system.root, 'etc/kube-relay/config.yaml')
    writeFileSync(file, 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n')
    setOptions(system, `${options} --config /etc/kube-relay/config.yaml`)
    await systemctl('restart', 'kube-relay')
    const agent = await property('MainPID')
    writeFileSync(file, 'kind: Nonsense\n')
    t.not((await system.run(['systemctl', 'reload', 'kube-relay'])).status, 0)
    t.equal(await property('ActiveState'), 'active')
    t.equal(await property('MainPID'), agent)
    t.match(await property('StatusText'), /; the last reload failed: .*config\.yaml/)
    t.ok(servesSteady(await status()))
  })

  await t.test('a stop leaves nothing behind, connections of former agents neither', async t => {
    // Longer than the unit gives it: the agent asks for that time.
    setOptions(system, `${options} --shutdown-timeout 6s`)
    system.dropIn('impatient', '[Service]\nTimeoutStopSec=2s\n')
    await systemctl('daemon-reload')
    await systemctl('restart', 'kube-relay')
    const traffic = await startTraffic(t, steadyLoads)
    await traffic.answered(10)
    await systemctl('restart', 'kube-relay')
    await traffic.answered(10)
    t.ok(relayProcesses().length > 3, 'workers of the former agent still have clients')
    await systemctl('stop', 'kube-relay')
    nothingLeft(t, system)
    t.equal(await property('ActiveState'), 'inactive')
    t.equal(await property('Result'), 'success')
  })

  await t.test('a stop of an agent that has to be killed, too', async t => {
    // One that hangs, as systemd sees it: it doesn't hear the signal.
    system.dropIn('impatient', '[Service]\nTimeoutStopSec=2s\nKillSignal=SIGWINCH\n')
    await systemctl('daemon-reload')
    await systemctl('start', 'kube-relay')
    await systemctl('stop', 'kube-relay')
    nothingLeft(t, system)
    t.equal(await property('Result'), 'timeout')
    await systemctl('reset-failed', 'kube-relay')
    rmSync(path.join(system.root, 'etc/systemd/system/kube-relay.service.d/impatient.conf'))
  })

  await t.test('a stop of one that is started again and again, too', async t => {
    for (let round = 0; round < 3; round++) {
      setOptions(system, options)
      await systemctl('start', 'kube-relay')
      setOptions(system, `${options} --no-such-option`)
      t.not((await system.run(['systemctl', 'restart', 'kube-relay'])).status, 0)
      t.ok(relayProcesses().length > 0, 'workers serve on')
      await until('it has failed, and is about to be tried again', async () =>
        /^(?:auto-restart|stop-post)$/.test(await property('SubState')) ? true : undefined,
      )
      await systemctl('stop', 'kube-relay')
      nothingLeft(t, system)
      t.equal(await property('SubState'), 'failed', 'and it is not tried again')
      await systemctl('reset-failed', 'kube-relay')
    }
  })

  await t.test("a namespace of somebody else's is left alone", async t => {
    await system.out('ip', 'netns', 'add', 'kube-relay')
    await system.out('ip', '-n', 'kube-relay', 'link', 'set', 'lo', 'up')
    setOptions(system, `${options} --vip-mode local`)
    await systemctl('start', 'kube-relay')
    await systemctl('stop', 'kube-relay')
    t.match(await system.out('ip', '-n', 'kube-relay', '-br', 'link'), /^lo /)
    await system.out('ip', 'netns', 'delete', 'kube-relay')
    nothingLeft(t, system)
  })

  await t.test('what an administrator has instead of its sysctls stays', async t => {
    const file = path.join(system.root, 'etc/sysctl.d/50-kube-relay.conf')
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, '')
    const setting = '/proc/sys/net/ipv6/ip_nonlocal_bind'
    await system.out('sh', '-c', `echo 0 >${setting}`)
    await system.out('/var/lib/dpkg/info/kube-relay.postinst', 'configure', '99.0.0')
    t.equal(await system.out('cat', setting), '0')
    rmSync(file)
    await system.out('/var/lib/dpkg/info/kube-relay.postinst', 'configure', '99.0.0')
    t.equal(await system.out('cat', setting), '1')
    await systemctl('stop', 'kube-relay')
  })

  await t.test('a removal in a chroot touches nothing outside of it', async t => {
    const jail = path.join(system.root, 'root/jail')
    mkdirSync(path.join(jail, 'usr'), { recursive: true })
    mkdirSync(path.join(jail, 'proc'))
    for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, path.join(jail, name))
    await system.out('mount', '--bind', '/usr', '/root/jail/usr')
    await system.out('mount', '-t', 'proc', 'proc', '/root/jail/proc')
    copyFileSync(path.join(system.root, 'var/lib/dpkg/info/kube-relay.prerm'), path.join(jail, 'prerm'))
    execFileSync('ip', ['route', 'add', 'local', '10.96.0.99/32', 'dev', 'lo', 'proto', '143'])
    const routes = (): string =>
      execFileSync('ip', ['route', 'show', 'table', 'local', 'proto', '143'], { encoding: 'utf8' })
    t.equal(await system.out('chroot', '/root/jail', 'sh', '/prerm', 'remove'), '')
    t.match(routes(), '10.96.0.99')
    await system.out('umount', '/root/jail/usr', '/root/jail/proc')
    await system.out('sh', '/var/lib/dpkg/info/kube-relay.prerm', 'remove')
    t.equal(routes(), '', 'outside it does')
  })

  setOptions(system, options)
  await systemctl('daemon-reload')

  await t.test('systemd finds nothing wrong with the unit', async t => {
    const verify = ['systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', 'kube-relay.service']
    const { status, stdout, stderr } = await system.run(verify)
    t.strictSame({ status, said: stdout + stderr }, { status: 0, said: '' })
  })

  for (const { mode, user, capabilities, mostExposed } of modes) {
    await t.test(`--vip-mode ${mode}: as few rights as it needs`, async t => {
      if (mode !== 'netns') {
        const file = `vip-${mode}.conf`
        system.dropIn(`vip-${mode}`, readFileSync(path.join(root, 'systemd', file), 'utf8'))
        t.teardown(() => rmSync(path.join(system.root, 'etc/systemd/system/kube-relay.service.d', file)))
      }
      if (mode === 'none') {
        execFileSync('ip', ['route', 'add', 'local', '10.96.0.0/16', 'dev', 'lo'])
        t.teardown(() => execFileSync('ip', ['route', 'del', 'local', '10.96.0.0/16', 'dev', 'lo']))
      }
      await systemctl('daemon-reload')
      const said = await system.out('systemd-analyze', 'security', '--no-pager', 'kube-relay')
      const level = Number(/Overall exposure level for kube-relay\.service: ([\d.]+)/.exec(said)?.[1])
      t.equal(level, documentedExposure(mode), 'as systemd/README.md has it')
      t.ok(level <= mostExposed)
      await systemctl('start', 'kube-relay')
      t.ok(servesSteady(await status()))
      t.equal((await status()).vips?.mode, mode)
      const pids = relayProcesses()
      t.ok(pids.length >= 3)
      const uid = await system.out('id', '-u', user)
      for (const pid of pids) {
        const has = readFileSync(`/proc/${pid}/status`, 'utf8')
        t.match(has, new RegExp(`^Uid:\\t${uid}\\t${uid}\\t`, 'm'))
        t.equal(/^CapBnd:\t(\w+)$/m.exec(has)?.[1], capabilities, 'no other capability, ever')
        t.match(has, /^NoNewPrivs:\t1$/m)
      }
      const traffic = await startTraffic(t, steadyLoads)
      await traffic.answered(10)
      const before = await workersOutside()
      await systemctl('restart', 'kube-relay')
      await untilNotListening(before)
      await traffic.answered(10)
      t.same(harm(await traffic.stop()), [], 'nobody notices a restart')
      await systemctl('stop', 'kube-relay')
      t.strictSame(relayProcesses(), [], 'no process')
      const warnings = await system.out(
        'journalctl',
        '--no-pager',
        '-u',
        'kube-relay',
        '-p',
        'warning',
        '-o',
        'cat',
      )
      t.notMatch(warnings, /EPERM|EACCES|not permitted|denied/i, 'nothing was forbidden that it tried')
    })
  }

  await t.test('remove and purge', async t => {
    await systemctl('start', 'kube-relay')
    await system.out('dpkg', '--remove', 'kube-relay')
    nothingLeft(t, system)
    t.notOk(existsSync(path.join(system.root, 'usr/bin/kube-relay')))
    t.ok(
      existsSync(path.join(system.root, 'var/lib/kube-relay')),
      'its state waits for the next installation',
    )
    await system.out('dpkg', '--purge', 'kube-relay')
    for (const folder of ['var/lib/kube-relay', 'var/log/kube-relay', 'etc/kube-relay/kube-relay.env']) {
      t.notOk(existsSync(path.join(system.root, folder)), folder)
    }
    t.notMatch(await system.out('systemctl', 'list-unit-files', '--no-legend', '--no-pager'), /kube-relay/)
  })
})

function nothingLeft(t: Test, { root }: BareDebian): void {
  t.strictSame(relayProcesses(), [], 'no process')
  const ip = (...args: readonly string[]): string => execFileSync('ip', args, { encoding: 'utf8' }).trim()
  t.equal(ip('route', 'show', 'table', 'all', 'proto', '143'), '', 'no route')
  t.equal(ip('-6', 'route', 'show', 'table', 'all', 'proto', '143'), '', 'no IPv6 route')
  t.notMatch(ip('-br', 'link'), /krelay0/, 'no interface')
  t.notOk(existsSync(path.join(root, 'run/netns/kube-relay')), 'no namespace')
  const listening = readFileSync('/proc/thread-self/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .filter(line => / 0A /.test(line))
  // NodePort 30080, metrics 10249, health 10256.
  t.notMatch(listening.join('\n'), /:(?:7580|2809|2810) /, 'no listener')
}
