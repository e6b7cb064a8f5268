// A clock that all processes of a machine share (CLOCK_MONOTONIC), unlike performance.now().

export function monotonicUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1e3
}
