// Stands in for `kube-relay sample-pod`: the same arguments, the same function.

import { parseArgs } from 'node:util'
import { runSamplePod } from '../../../lib/standalone/samples/sample-pod.ts'

const list = { type: 'string', multiple: true } as const
const { values } = parseArgs({
  options: { name: { type: 'string' }, address: { type: 'string' }, tcp: list, udp: list },
})
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
await runSamplePod(
  {
    name: values.name ?? '',
    address: values.address ?? '',
    tcpPorts: (values.tcp ?? []).map(Number),
    udpPorts: (values.udp ?? []).map(Number),
  },
  stop.signal,
)
