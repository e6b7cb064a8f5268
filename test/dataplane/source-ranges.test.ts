// Who may use a frontend, and which endpoints a client gets by where it comes from.

import t from 'tap'
import type { TableUpdate } from '../../lib/model/proxy-table.ts'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { frontendAt, snapshot, tcpService, udpService } from './table.ts'
import { askFrom, connectOutcome, startNamed } from './tcp.ts'
import { askUdp, sendUdp, startUdpServer, udpClient } from './udp.ts'
import { until } from './until.ts'

const [inside, outside, here] = ['127.0.7.1', '127.0.8.1', '127.0.9.1'] as const
const sourceRanges = ['127.0.7.0/24', '127.0.3.3/32']

/** A table in which 127.0.9.0/24 is this node's. */
function onNode(update: TableUpdate): TableUpdate {
  return { ...update, localSources: ['127.0.9.0/24'] }
}

for (const engine of engines) {
  void t.test(`sources (${engine.name})`, async t => {
    void t.test('TCP: a client outside of the ranges is reset and counted', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      const frontends = [frontendAt(frontend, { kind: 'LoadBalancerIP', sourceRanges })]
      const endpoints = [await startNamed(t, 'a')]
      await plane.serve(tcpService(frontend, endpoints, { frontends }))
      t.strictSame(await askFrom(t, inside, frontend), { text: 'a', end: 'end' })
      t.strictSame(await askFrom(t, '127.0.3.3', frontend), { text: 'a', end: 'end' })
      t.equal((await askFrom(t, outside, frontend)).end, 'ECONNRESET')
      t.equal((await askFrom(t, '127.0.3.4', frontend)).end, 'ECONNRESET')
      t.match(await plane.counters(), { total: 2, dialFailures: 0, failures: { 'source-range': 2 } })

      await plane.serve(tcpService(frontend, endpoints))
      t.equal((await askFrom(t, outside, frontend)).text, 'a', 'the ranges are gone')
      await plane.serve(
        tcpService(frontend, endpoints, { frontends: [frontendAt(frontend, { sourceRanges: [] })] }),
      )
      t.equal((await askFrom(t, inside, frontend)).end, 'ECONNRESET', 'no range is nobody')
    })

    void t.test('UDP: its datagrams are dropped and counted', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      const got: string[] = []
      const endpoint = await startUdpServer(t, data => (got.push(data.toString()), 'answer'))
      const frontends = [frontendAt(frontend, { kind: 'LoadBalancerIP', sourceRanges })]
      await plane.serve(udpService(frontend, [endpoint], { frontends }))
      const refused = await udpClient(t, undefined, outside)
      sendUdp(refused, frontend, 'no')
      sendUdp(refused, frontend, 'no')
      await until(async () => (await plane.counters()).failures['source-range'] === 2, 'two drops')
      t.equal((await askUdp(await udpClient(t, undefined, inside), frontend, 'yes')).text, 'answer')
      t.strictSame(got, ['yes'])
      t.match(await plane.counters(), { total: 1, active: 1, dialFailures: 0 })
    })

    void t.test('external policy Local: this node takes the cluster list, others the local one', async t => {
      const [nodePort, clusterIp] = [freeAddress(), freeAddress()]
      const plane = new TestPlane(t, { engine })
      const [near, far] = [await startNamed(t, 'near'), await startNamed(t, 'far')]
      const frontends = [
        frontendAt(nodePort, { kind: 'NodePort', list: 'local', shortCircuit: true }),
        frontendAt(clusterIp),
      ]
      // The cluster list is told by its endpoint, so the two lists don't share one here.
      await plane.apply(
        onNode(snapshot(1, tcpService(clusterIp, [far], { frontends, local: [near], type: 'NodePort' }))),
      )
      t.equal((await askFrom(t, outside, nodePort)).text, 'near')
      t.equal((await askFrom(t, here, nodePort)).text, 'far')
      t.equal((await askFrom(t, nodePort.split(':')[0], nodePort)).text, 'far', 'from the very address')
      t.equal((await askFrom(t, outside, clusterIp)).text, 'far')

      await plane.apply(
        onNode(snapshot(2, tcpService(clusterIp, [far], { frontends, local: [], type: 'NodePort' }))),
      )
      t.equal((await askFrom(t, outside, nodePort)).end, 'ECONNRESET')
      t.equal((await askFrom(t, here, nodePort)).text, 'far')
      t.match(await plane.counters(), { failures: { 'no-endpoints': 1 } })
      t.strictSame((await plane.service()).frontends[0], { address: nodePort, state: 'listening' })

      await plane.apply(snapshot(3, tcpService(clusterIp, [far], { frontends, local: [], type: 'NodePort' })))
      t.equal((await askFrom(t, here, nodePort)).end, 'ECONNRESET', "the node's sources have changed")
      await plane.apply(
        onNode(snapshot(4, tcpService(clusterIp, [], { frontends, local: [], type: 'NodePort' }))),
      )
      t.equal(await connectOutcome(t, nodePort), 'ECONNREFUSED', 'nothing for anyone')
    })

    void t.test('internal policy Local: with nothing local, the port is closed for everyone', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      const frontends = [frontendAt(frontend, { list: 'local' })]
      const far = await startNamed(t, 'far')
      const service = tcpService(frontend, [far], { frontends, cluster: null, local: [] })
      await plane.apply(onNode(snapshot(1, service)))
      t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED')
      t.strictSame((await plane.service()).frontends, [{ address: frontend, state: 'refusing' }])
    })

    void t.test('UDP takes its list in the same way', async t => {
      const nodePort = freeAddress()
      const plane = new TestPlane(t, { engine })
      const [near, far] = [await startUdpServer(t, () => 'near'), await startUdpServer(t, () => 'far')]
      const frontends = [frontendAt(nodePort, { kind: 'NodePort', list: 'local', shortCircuit: true })]
      const serving = [near, far]
      await plane.apply(
        onNode(snapshot(1, udpService(nodePort, [far], { frontends, local: [near], serving }))),
      )
      t.equal((await askUdp(await udpClient(t, undefined, outside), nodePort, '?')).text, 'near')
      t.equal((await askUdp(await udpClient(t, undefined, here), nodePort, '?')).text, 'far')
    })
  })
}
