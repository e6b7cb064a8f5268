// The single executable: it runs without Node.js and without any file of ours, starts itself again for its own commands,
// and what it says of its origin is true. test/packaging/taprc names more tests that are run with it.

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, readFileSync, readlinkSync, renameSync, symlinkSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test } from 'tap'
import type { Provenance } from '../../packaging/binary.ts'
import {
  askOnce,
  gone,
  startCluster,
  startServingAgent,
  temporaryFolder,
  until,
} from '../cmd/agent-under-test.ts'
import { run, start, startCommand } from '../cmd/program.ts'
import { enterOwnNetwork } from '../own-network.ts'
import { binary, notBuilt, root } from './built.ts'

const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }

void test('the single executable', { skip: notBuilt }, async t => {
  enterOwnNetwork()

  await t.test('needs nothing beside it: no Node.js, no package, no environment', async t => {
    const folder = temporaryFolder(t)
    const copy = path.join(folder, 'kube-relay')
    copyFileSync(binary, copy)
    const options = { cwd: folder, env: {}, encoding: 'utf8' } as const
    t.equal(execFileSync(copy, ['--version'], options), `${version}\n`)
    const help = execFileSync(copy, ['--help'], options)
    for (const command of ['run', 'dev', 'status', 'reload', 'check', 'bench', 'completion']) {
      t.match(help, new RegExp(`^  ${command} `, 'm'))
    }
    const check = spawnSync(copy, ['check', '--no-api'], options)
    t.match(check.stdout, /^ok +out of descriptors +new connections wait in the kernel$/m, 'node:ffi works')
    t.equal(check.stderr, '')
  })

  await t.test('its provenance and its checksums are right', async t => {
    const folder = path.dirname(binary)
    const provenance = JSON.parse(readFileSync(path.join(folder, 'provenance.json'), 'utf8')) as Provenance
    t.match(provenance, {
      version,
      platform: `${process.platform}-${process.arch}`,
      node: { version: process.versions.node, sha256: sha256Of(process.execPath) },
      files: {
        'package-lock.json': { sha256: sha256Of(path.join(root, 'package-lock.json')) },
        'kube-relay': { sha256: sha256Of(binary) },
      },
    })
    const checked = execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder })
    t.match(String(checked), /^kube-relay: OK\nprovenance\.json: OK\nthird-party-licenses\.txt: OK\n/)
  })

  await t.test('dev: sample pods are processes of it, and its examples go with it', async t => {
    const temporary = temporaryFolder(t)
    const dev = start(t, ['dev', '--metrics-bind-address', '127.0.0.1:0'], { TMPDIR: temporary })
    await dev.prints(/Ctrl-C/)
    const [, pid = ''] = /myapp-front-end-1 (\d+)/.exec(dev.stdout()) ?? []
    t.equal(readlinkSync(`/proc/${pid}/exe`), binary)
    const answer = await fetch('http://127.0.0.1:30008', { headers: { connection: 'close' } })
    t.match(await answer.text(), /^myapp-front-end-\d/)
    t.match(dev.stdout(), `${binary} status`)
    t.equal(examplesIn(temporary), true)
    dev.child.kill('SIGINT')
    t.equal((await dev.exited).code, 0)
    t.equal(examplesIn(temporary), false)
  })

  await t.test('workers are processes of it; after an update, of what is on disk then', async t => {
    const folder = temporaryFolder(t)
    const [first, second, link] = ['first', 'second', 'kube-relay'].map(name => path.join(folder, name))
    copyFileSync(binary, first ?? '')
    copyFileSync(binary, second ?? '')
    symlinkSync(first ?? '', link ?? '')
    const cluster = await startCluster(t, 1)
    const agent = await startServingAgent(t, cluster, ['--workers=2', `--state-dir=${folder}`], link)
    const workersRun = async (): Promise<readonly string[]> => {
      const { workers } = await agent.status()
      return workers.filter(({ draining }) => !draining).map(({ pid }) => readlinkSync(`/proc/${pid}/exe`))
    }
    t.same(await workersRun(), [first, first])
    t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')

    const [killed] = (await agent.status()).workers
    process.kill(killed?.pid ?? 0, 'SIGKILL')
    await agent.statusWhen(
      'another worker is there',
      ({ workers }) =>
        workers.length === 2 && workers.every(each => each.pid !== killed?.pid && each.responding),
    )

    symlinkSync(second ?? '', `${link}.new`)
    renameSync(`${link}.new`, link ?? '')
    const reload = await run(t, ['reload', '--agent', agent.metrics])
    t.equal(reload.code, 0, reload.stderr)
    t.same(await workersRun(), [second, second])
    t.equal(await askOnce(t, cluster.clusterIp, cluster.port), 'ok')

    const { workers } = await agent.status()
    agent.kill('SIGTERM')
    t.equal((await agent.exited).code, 0)
    await gone(workers.map(({ pid }) => pid))
  })

  await t.test('--vip-mode netns', async t => {
    const folder = t.testdir({ 'web.yaml': webBehind('198.18.0.1') })
    const flags = ['--manifests', folder, '--service-cluster-ip-range=10.96.0.0/16', '--vip-mode=netns']
    // With a /run of its own, where the namespace gets its name.
    const inside = [
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount -t tmpfs tmpfs /run && exec "$0" "$@"',
      binary,
    ] as const
    execFileSync('ip', ['address', 'add', '198.18.0.1/32', 'dev', 'lo'])
    t.teardown(() => execFileSync('ip', ['address', 'delete', '198.18.0.1/32', 'dev', 'lo']))
    const server = net.createServer(socket => socket.end('hello from the endpoint'))
    await new Promise<void>(resolve => server.listen(8080, '198.18.0.1', resolve))
    t.teardown(() => server.close())
    const agent = startCommand(t, [...inside, 'run', ...flags, '--workers=1', '--state-dir=off'])
    await agent.prints(/synced/)
    t.equal(
      await until('the VIP answers', () => answerOf('10.96.0.10', 80).catch(() => null)),
      'hello from the endpoint',
    )
    t.match(String(execFileSync('ip', ['link'])), /krelay0/)
    agent.child.kill('SIGTERM')
    const { code, stderr } = await agent.exited
    t.equal(code, 0, stderr)
    t.notMatch(String(execFileSync('ip', ['link'])), /krelay0/)
  })

  await t.test('the benchmark, whose parts and contestants are processes of it', async t => {
    const file = path.join(temporaryFolder(t), 'result.json')
    const flags = ['--contestants', 'direct,pipe,kube-relay', '--rounds=1', '--duration=100ms', '--no-pin']
    const { code, stderr } = await run(t, ['bench', 'tcp-rr', ...flags, '--json', file])
    t.equal(code, 0, stderr)
    const result = JSON.parse(readFileSync(file, 'utf8')) as {
      scenarios: readonly { measurements: readonly { contestant: string }[] }[]
    }
    const measured = result.scenarios.flatMap(({ measurements }) => measurements.map(each => each.contestant))
    t.same([...new Set(measured)].sort(), ['direct', 'kube-relay', 'pipe'])
  })
})

function sha256Of(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

function examplesIn(folder: string): boolean {
  return execFileSync('ls', [folder], { encoding: 'utf8' }).includes('kube-relay-examples-')
}

/** All that a server says. */
function answerOf(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = net.connect({ host, port })
    socket.setEncoding('utf8').on('data', chunk => (text += String(chunk)))
    socket.on('error', reject).on('end', () => resolve(text))
  })
}

function webBehind(ip: string): string {
  return `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { clusterIP: 10.96.0.10, ports: [{ port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [{ addresses: [${ip}], conditions: { ready: true } }]
`
}
