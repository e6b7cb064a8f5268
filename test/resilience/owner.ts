// What ends when its owner does: a test of tap, or the soak. Last come, first gone.

export interface Owner {
  teardown(close: () => unknown): unknown
}

/** An owner that isn't a test. */
export function newOwner(): Owner & { close(): Promise<void> } {
  const closers: (() => unknown)[] = []
  return {
    teardown: close => closers.push(close),
    async close() {
      for (const close of closers.splice(0).toReversed()) await close()
    },
  }
}
