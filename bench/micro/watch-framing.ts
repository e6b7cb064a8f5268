// From the bytes of a watch stream to its events: EndpointSlices as they come while a cluster changes, in chunks of several
// sizes, and one line as long as etcd allows. JSON.parse alone, of the same lines, is what no framing gets below.

import { LineFramer } from '../../lib/kube/framing.ts'
import { sliceObject } from './desired-state.ts'
import type { Fixture, MicroBenchmark } from './measure.ts'
import type { MicroSizes } from './sizes.ts'

export function watchFraming(sizes: MicroSizes): readonly MicroBenchmark[] {
  const { events, endpointsPerService, chunkBytes, longLineBytes } = sizes
  const lines = Array.from({ length: events }, (_, number) => eventLine(number, endpointsPerService))
  const stream = Buffer.from(lines.join(''))
  const long = Buffer.from(
    `${JSON.stringify({ type: 'MODIFIED', object: { text: 'x'.repeat(longLineBytes) } })}\n`,
  )
  const mean = Math.round(stream.length / events)
  return [
    {
      name: `JSON.parse alone, an event of ${mean} bytes`,
      make: () => ({
        operations: events,
        call: () => {
          let last: unknown
          for (const line of lines) last = JSON.parse(line)
          return last
        },
      }),
    },
    ...chunkBytes.map((bytes): MicroBenchmark => ({
      name: `an event of ${mean} bytes, in chunks of ${bytes}`,
      make: () => framing(stream, bytes, events),
    })),
    ...chunkBytes.map((bytes): MicroBenchmark => ({
      name: `a line of ${long.length} bytes, in chunks of ${bytes}`,
      make: () => framing(long, bytes, 1),
    })),
  ]
}

function framing(stream: Buffer, chunkBytes: number, lines: number): Fixture {
  const chunks: Buffer[] = []
  for (let at = 0; at < stream.length; at += chunkBytes) chunks.push(stream.subarray(at, at + chunkBytes))
  return {
    operations: lines,
    call: () => {
      const framer = new LineFramer()
      let last: unknown
      let seen = 0
      const onValue = (value: unknown): void => {
        last = value
        seen++
      }
      for (const chunk of chunks) framer.push(chunk, onValue)
      if (seen !== lines) throw new TypeError(`of ${lines} lines, ${seen} have come`)
      return last
    },
  }
}

function eventLine(number: number, endpoints: number): string {
  const { metadata, ...rest } = sliceObject(number, endpoints)
  const object = {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: { ...metadata, resourceVersion: String(100_000 + number) },
    ...rest,
  }
  return `${JSON.stringify({ type: 'MODIFIED', object })}\n`
}
