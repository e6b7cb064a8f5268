// The one time that all processes of a test share: CLOCK_MONOTONIC, in milliseconds. performance.now() begins anew in
// each process, and the wall clock may jump.

export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
