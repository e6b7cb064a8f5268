// Latencies as histograms with three significant digits, from a microsecond to an hour. They are merged, and percentiles
// are taken of the whole; percentiles are never averaged.

import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js'

const highestUs = 3_600_000_000

export interface LatencyRecorder {
  readonly count: number
  /** Microseconds; less than one counts as one. */
  record(us: number): void
  /** HdrHistogram's base64 (V2, compressed); null when nothing was recorded. */
  encode(): string | null
  reset(): void
}

export function recordLatency(): LatencyRecorder {
  const histogram = newHistogram()
  let count = 0
  return {
    get count() {
      return count
    },
    record(us) {
      count++
      histogram.recordValue(us < 1 ? 1 : us > highestUs ? highestUs : Math.round(us))
    },
    encode: () => (count === 0 ? null : encodeIntoCompressedBase64(histogram)),
    reset() {
      count = 0
      histogram.reset()
    },
  }
}

/** All of them as one; null for none. */
export function mergeLatencies(encoded: readonly (string | null)[]): Histogram | null {
  const histograms = encoded
    .filter(text => text !== null)
    .map(text => decodeFromCompressedBase64(text, 32, false))
  if (histograms.length === 0) return null
  const merged = newHistogram()
  for (const histogram of histograms) merged.add(histogram)
  return merged
}

function newHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: highestUs,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  })
}
