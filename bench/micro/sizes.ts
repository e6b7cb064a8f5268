// How large the fixtures of the micro-benchmarks are: what is usual, and what is enough to see that they run.

export interface MicroSizes {
  readonly services: number
  readonly endpointsPerService: number
  /** Of the one Service whose endpoints are picked: each of these. */
  readonly pickFrom: readonly number[]
  /** Clients that an affinity table knows. */
  readonly clients: number
  /** Events in a watch stream. */
  readonly events: number
  /** Bytes of each chunk that such a stream comes in. */
  readonly chunkBytes: readonly number[]
  readonly longLineBytes: number
}

export const usualSizes: MicroSizes = {
  services: 10_000,
  endpointsPerService: 10,
  pickFrom: [2, 10, 100, 1000],
  clients: 10_000,
  events: 500,
  chunkBytes: [1024, 16_384, 65_536],
  longLineBytes: 1_500_000,
}
