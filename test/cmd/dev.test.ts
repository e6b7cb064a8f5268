import dgram from 'node:dgram'
import { once } from 'node:events'
import http from 'node:http'
import { test } from 'tap'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { run, start } from './program.ts'

/** One request on a connection of its own. */
async function get(port: number, host = '127.0.0.1'): Promise<string> {
  const request = http.get({ host, port, agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk)
  return body.trim()
}

void test('dev serves the examples, survives the death of a pod, and ends at once', async t => {
  const dev = start(t, ['dev', '--metrics-bind-address', '127.0.0.1:0'])
  await dev.prints(/Ctrl-C/)

  await t.test('the table shows what is served', async t => {
    t.match(dev.stdout(), /myapp-service\s+TCP\s+ClusterIP\s+127\.96\.\d+\.\d+:80\s+listening\s+3/)
    t.match(dev.stdout(), /NodePort\s+127\.0\.0\.1:30008\s+listening/)
    t.notMatch(dev.stdout(), /NOT SYNCED|refusing|bind-failed/)
  })

  await t.test('nine requests to the NodePort meet three pods three times each, in turn', async t => {
    const answers: string[] = []
    for (let i = 0; i < 9; i++) answers.push(await get(30_008))
    t.equal(new Set(answers.slice(0, 3)).size, 3)
    t.same(answers, [...answers.slice(0, 3), ...answers.slice(0, 3), ...answers.slice(0, 3)])
  })

  await t.test('cluster IPs answer too', async t => {
    const addresses = [...dev.stdout().matchAll(/TCP\s+ClusterIP\s+([\d.]+):(\d+)\s+listening/g)]
    t.ok(addresses.length >= 4, 'the examples have several TCP services')
    for (const [, host, port] of addresses) t.match(await get(Number(port), host), /^[a-z-]+-\d$/)
  })

  await t.test('a UDP datagram is answered from the address it was sent to', async t => {
    const [, clusterIp = '', port] = /UDP\s+ClusterIP\s+([\d.]+):(5300)\s+listening/.exec(dev.stdout()) ?? []
    for (const [ip, number] of [
      ['127.0.0.1', 30_053],
      [clusterIp, Number(port)],
    ] as const) {
      const socket = dgram.createSocket('udp4')
      t.teardown(() => socket.close())
      socket.send('hello', number, ip)
      const [answer, from] = (await once(socket, 'message')) as [Buffer, dgram.RemoteInfo]
      t.match(answer.toString(), /^udp-echo-\d.*hello/s)
      t.same([from.address, from.port], [ip, number])
    }
  })

  await t.test('killing a sample pod costs no request, and the pod comes back', async t => {
    const [, pid] = /myapp-front-end-2 (\d+)/.exec(dev.stdout()) ?? []
    process.kill(Number(pid), 'SIGKILL')
    const answers: string[] = []
    // Until the killed pod has answered again: through its death, its absence and its return.
    for (let missed = false; !missed || answers.at(-1) !== 'myapp-front-end-2';) {
      answers.push(await get(30_008))
      if (answers.length >= 4 && !answers.slice(-4).includes('myapp-front-end-2')) missed = true
    }
    t.ok(
      answers.every(answer => answer.startsWith('myapp-front-end-')),
      'every request was answered',
    )
  })

  await t.test('Ctrl-C ends it with status 0 and leaves nothing running', async t => {
    const pids = [...dev.stdout().matchAll(/[a-z]-\d (\d+)/g)].map(([, pid]) => Number(pid))
    t.ok(pids.length >= 10)
    dev.child.kill('SIGINT')
    const { code, stderr } = await dev.exited
    t.equal(code, 0, stderr)
    for (const pid of pids)
      t.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, `sample pod ${pid} is gone`)
    await t.rejects(get(30_008), { code: 'ECONNREFUSED' })
  })
})

void test('status shows what an agent serves', async t => {
  const folder = t.testdir({
    'web.yaml': `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: NodePort, ports: [{ port: 8000, nodePort: 30911 }], selector: { app: none } }
`,
  })
  const args = [
    '--manifests',
    folder,
    '--healthz-bind-address',
    'off',
    '--metrics-bind-address',
    '127.0.0.1:20249',
  ]
  const agent = start(t, ['run', ...args, '--hostname-override', 'Node-1', '--workers', '0'])
  await agent.prints(/synced/)
  const json = await run(t, ['status', '--agent', '127.0.0.1:20249', '-o', 'json'])
  const status = JSON.parse(json.stdout) as StatusDocument
  t.match(status, {
    node: 'node-1',
    generation: 1,
    source: 'manifests',
    synced: true,
    services: [
      {
        namespace: 'default',
        name: 'web',
        portName: '',
        protocol: 'TCP',
        type: 'NodePort',
        sessionAffinity: 'None',
        endpoints: { cluster: [], local: null },
        frontends: [
          { kind: 'ClusterIP', state: 'refusing' },
          { kind: 'NodePort', address: '0.0.0.0:30911', state: 'refusing' },
        ],
        connections: { active: 0, total: 0, bytesIn: 0, bytesOut: 0, dialRetries: 0, dialFailures: 0 },
      },
    ],
    workers: [{ pid: agent.child.pid, generation: 1, activeConnections: 0 }],
  })
  const table = await run(t, ['status', '--agent', 'http://127.0.0.1:20249'])
  t.equal(table.code, 0)
  t.match(table.stdout, /node node-1 {3}generation 1 {3}source manifests {3}synced/)
  t.match(table.stdout, /default\s+web\s+TCP\s+ClusterIP\s+127\.96\.\d+\.\d+:8000\s+refusing\s+0/)
  agent.child.kill('SIGTERM')
  t.equal((await agent.exited).code, 0)
})
