// kube-relay bench-part: one process of a benchmark (its server, its load generator, the contestant `pipe`), started by
// `kube-relay bench` over an IPC channel, and ended when that closes. Not listed in help.

type Part = (argv: readonly string[]) => Promise<void>

const parts: Readonly<Record<string, () => Promise<Part>>> = {
  server: async () => {
    const [{ servePart }, { serverCalls }] = await Promise.all([
      import('../bench/load/part-process.ts'),
      import('../bench/load/server.ts'),
    ])
    return () => servePart(serverCalls())
  },
  generator: async () => {
    const [{ servePart }, { generatorCalls }] = await Promise.all([
      import('../bench/load/part-process.ts'),
      import('../bench/load/generator.ts'),
    ])
    return () => servePart(generatorCalls())
  },
  pipe: async () => (await import('../bench/contestants/pipe-process.ts')).runPipe,
  'control-plane': async () => {
    const [{ servePart }, { controlPlaneCalls }] = await Promise.all([
      import('../bench/load/part-process.ts'),
      import('../bench/scenarios/control-plane-calls.ts'),
    ])
    return () => servePart(controlPlaneCalls())
  },
}

/** `argv`: from the name of the part on. */
export async function benchPartMain(argv: readonly string[]): Promise<void> {
  const [name = '', ...rest] = argv
  const load = parts[name]
  if (load === undefined || (process.channel === undefined && name !== 'pipe')) {
    process.stderr.write('kube-relay bench-part: is started by kube-relay bench only\n')
    process.exit(2)
  }
  const part = await load()
  // Ctrl-C is for the benchmark, which then ends its parts.
  process.on('SIGINT', () => {})
  await part(rest)
  process.exit(0)
}
