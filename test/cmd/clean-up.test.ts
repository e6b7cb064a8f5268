// run --cleanup: after an agent that was killed and will have no successor, nothing of it is left; beside one that runs,
// nothing is touched. In a network and a /run of its own, as namespaces have their names there.

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { test } from 'tap'
import { enterOwnNetwork, missingForOwnNetwork } from '../own-network.ts'
import { gone, temporaryFolder, until } from './agent-under-test.ts'
import { programOf, startCommand } from './program.ts'

const manifest = `
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
endpoints: [{ addresses: [198.18.0.1], conditions: { ready: true } }]
`

const ownRun = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs tmpfs /run && exec "$0" "$@"'] as const

/** What there is of ours in this network. */
function left(): string {
  const routes = execFileSync('ip', ['route', 'show', 'table', 'all', 'proto', '143'], { encoding: 'utf8' })
  const links = execFileSync('ip', ['-brief', 'link'], { encoding: 'utf8' })
  return `${routes}${links.includes('krelay0') ? 'krelay0' : ''}`
}

for (const mode of ['local', 'netns'] as const) {
  void test(`--cleanup after --vip-mode ${mode}`, { skip: missingForOwnNetwork() ?? false }, async t => {
    enterOwnNetwork()
    const folder = t.testdir({ 'web.yaml': manifest })
    const stateDir = temporaryFolder(t)
    const flags = [
      `--manifests=${folder}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--healthz-bind-address=off',
      '--metrics-bind-address=off',
      '--workers=2',
      `--vip-mode=${mode}`,
      `--state-dir=${stateDir}`,
    ]
    const agent = startCommand(t, [...ownRun, ...programOf(), 'run', ...flags])
    await agent.prints(/synced/)
    t.match(left(), '10.96.0.10')
    const agentPid = agent.child.pid ?? 0
    const workers = execFileSync('ps', ['-o', 'pid=', '--ppid', String(agentPid)], { encoding: 'utf8' })
      .trim()
      .split(/\s+/)
      .map(Number)
    t.equal(workers.length, 2)
    t.teardown(() => {
      for (const pid of workers) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // It has ended, as it should.
        }
      }
    })
    const there = ['nsenter', '-t', String(workers[0]), '--mount', '--'] as const
    const cleanUp = () =>
      startCommand(t, [...there, ...programOf(), 'run', '--cleanup', `--state-dir=${stateDir}`]).exited

    const refused = await cleanUp()
    t.equal(refused.code, 1)
    t.match(refused.stderr, /^kube-relay: an agent is running on this node: stop it first/)
    t.match(left(), '10.96.0.10', 'it is left alone')

    agent.child.kill('SIGKILL')
    await until('the workers wait for the next agent', async () => {
      const files = await Promise.resolve()
        .then(() => readdirSync(`${stateDir}/workers`))
        .catch(() => [])
      return files.length === 2 ? true : null
    })
    const cleaned = await cleanUp()
    t.equal(cleaned.code, 0, cleaned.stderr)
    t.equal(cleaned.stdout, '--cleanup: workers without an agent ended: 2, VIPs removed: 1\n')
    await gone(workers)
    t.equal(left(), '')
  })
}

void test('--cleanup where there is nothing', { skip: missingForOwnNetwork() ?? false }, async t => {
  enterOwnNetwork()
  for (const flag of ['--cleanup', '--cleanup=true']) {
    const command = [...ownRun, ...programOf(), 'run', flag, '--state-dir', temporaryFolder(t)] as const
    const { code, stdout, stderr } = await startCommand(t, command).exited
    t.equal(code, 0, stderr)
    t.match(stdout, /^--cleanup: nothing to clean up, kube-relay leaves no rules in the kernel/)
  }
})
