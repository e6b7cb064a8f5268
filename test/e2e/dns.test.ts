// Services by name, as programs on a machine see it whose /etc/resolv.conf names the agent: getent, curl and dig on port 53,
// in the run's own network and mount namespaces. No cluster: `kube-relay dev` with its examples and sample pods.

import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { run, startChild } from './child.ts'
import { nodeAddress } from './network.ts'
import { freePort, requireSandbox, temporaryFolder } from './sandbox.ts'
import { until } from './until.ts'

requireSandbox()

const zone = 'default.svc.cluster.local'
const name = `myapp-service.${zone}`

const folder = temporaryFolder('dns')
t.teardown(() => folder.remove())
const dataFile = join(folder.path, 'objects')
const apiPort = await freePort()

// For who resolves only families that the machine has (AI_ADDRCONFIG), loopback doesn't count.
await run('ip', ['address', 'replace', `${nodeAddress}/32`, 'dev', 'lo'])

const relay = await startChild({
  name: 'kube-relay dev',
  command: process.execPath,
  args: [
    resolve(import.meta.dirname, '../../cmd/kube-relay.ts'),
    'dev',
    '--dns-address=127.0.0.1',
    `--data-file=${dataFile}`,
    `--api-bind-address=127.0.0.1:${apiPort}`,
    `--metrics-bind-address=127.0.0.1:${await freePort()}`,
  ],
})
t.teardown(async () => {
  await relay.close()
  if (!t.passing()) t.comment(relay.tail())
})

/** Makes the machine's programs ask the agent, until the returned function is called. */
async function useResolver(text: string): Promise<() => Promise<unknown>> {
  const file = join(folder.path, 'resolv.conf')
  writeFileSync(file, text)
  await run('mount', ['--bind', file, '/etc/resolv.conf'])
  return () => run('umount', ['/etc/resolv.conf'])
}

/** What a name resolves to for getent, or null where it says that there is no such name. */
async function getent(database: string, key: string): Promise<string | null> {
  return run('getent', [database, key]).catch((error: Error) => {
    if (/status 2\n/.test(error.message)) return null
    throw error
  })
}

const clusterIp = async (service: string): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${apiPort}/api/v1/namespaces/default/services/${service}`)
  const { spec } = (await response.json()) as { readonly spec: { readonly clusterIP: string } }
  return spec.clusterIP
}

await until('dev is up', () => (/sample pods \(PID\)/.test(relay.output()) ? true : undefined), {
  deadlineMs: 60_000,
  hopeless: () => relay.ended(),
  detail: () => relay.tail(),
})
const ip = await clusterIp('myapp-service')

void t.test('dig on port 53 gets the ClusterIP', async t => {
  t.equal((await run('dig', ['+short', '@127.0.0.1', name])).trim(), ip)
  t.equal((await run('dig', ['+short', '+tcp', '@127.0.0.1', name])).trim(), ip)
  t.match(relay.output(), /dig \+short @127\.0\.0\.1 [-a-z]+\.default\.svc\.cluster\.local\n/)
})

void t.test('getent and curl find Services by their whole name', async t => {
  t.teardown(await useResolver('nameserver 127.0.0.1\n'))
  t.equal((await getent('ahostsv4', name))?.split(/\s/)[0], ip)
  t.equal((await getent('hosts', name))?.split(/\s/)[0], ip)
  t.equal((await getent('hosts', ip))?.trim().split(/\s+/)[1], name, 'and their name by the address')
  t.match(await run('curl', ['-sS', `http://${name}`]), /^myapp-/)
  t.equal(await getent('hosts', `none.${zone}`), null)
  t.equal(await getent('hosts', 'example.com'), null, 'at once, with nobody else to ask')
})

void t.test('and by short ones, along the search path of a pod', async t => {
  t.teardown(
    await useResolver(
      `nameserver 127.0.0.1\nsearch ${zone} svc.cluster.local cluster.local\noptions ndots:5\n`,
    ),
  )
  for (const short of ['myapp-service', 'myapp-service.default', 'myapp-service.default.svc']) {
    t.equal((await getent('hosts', short))?.split(/\s/)[0], ip, short)
    t.match(await run('curl', ['-sS', `http://${short}`]), /^myapp-/, short)
  }
  t.equal(await getent('hosts', 'none'), null)
})

void t.test('a port that a user may not have is named, with what to do', async t => {
  const program = resolve(import.meta.dirname, '../../cmd/kube-relay.ts')
  const flags = [`--manifests=${folder.path}`, '--dns-address=127.0.0.2', '--healthz-bind-address=off']
  const withoutRight = ['--bounding-set=-net_bind_service', '--inh-caps=-net_bind_service']
  await t.rejects(
    run('setpriv', [
      ...withoutRight,
      process.execPath,
      program,
      'run',
      ...flags,
      '--metrics-bind-address=off',
    ]),
    /--dns-address 127\.0\.0\.2:53 can't be listened on \(.*EACCES.*\): a port below 1024 needs/,
  )
})
