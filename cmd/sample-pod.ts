// kube-relay sample-pod: one sample pod of `dev`, in a process of its own so that it can be killed. Not listed in help.

import { Command } from 'commander'

interface SamplePodFlags {
  readonly name: string
  readonly address: string
  readonly tcp: readonly string[]
  readonly udp: readonly string[]
}

export function samplePodCommand(): Command {
  const collect = (value: string, previous: readonly string[]): readonly string[] => [...previous, value]
  return new Command('sample-pod')
    .description('answer on TCP and UDP ports with a name')
    .requiredOption('--name <name>', 'what it answers with')
    .requiredOption('--address <ip>', 'where it listens')
    .option('--tcp <port>', 'a TCP port; may be given several times', collect, [])
    .option('--udp <port>', 'a UDP port; may be given several times', collect, [])
    .action(async ({ name, address, tcp, udp }: SamplePodFlags) => {
      const { runSamplePod } = await import('../lib/standalone/samples/sample-pod.ts')
      const stop = new AbortController()
      // Ctrl-C reaches the whole process group; the parent ends its pods itself, in its own order.
      process.on('SIGINT', () => {
        if (process.channel === undefined) stop.abort()
      })
      process.on('SIGTERM', () => stop.abort())
      await runSamplePod({ name, address, tcpPorts: tcp.map(Number), udpPorts: udp.map(Number) }, stop.signal)
    })
}
