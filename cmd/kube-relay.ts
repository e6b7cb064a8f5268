#!/usr/bin/env node
// The program's entry. It uses nothing that an old Node lacks, so that a too old one is told so in one line
// instead of by a syntax error further in.

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 24 || (major === 24 && minor < 12)) {
  process.stderr.write(`kube-relay needs Node.js 24.12 or newer; this is ${process.versions.node}\n`)
  process.exit(1)
} else if (process.argv[2] === 'worker') {
  // What a worker can't load is told to its agent, too.
  process.on('uncaughtExceptionMonitor', error => {
    if (process.connected) process.send?.({ type: 'failed', reason: error.message })
  })
  const { workerMain } = await import('./worker.ts')
  await workerMain()
} else if (process.argv[2] === 'bench-part') {
  const { benchPartMain } = await import('./bench-part.ts')
  await benchPartMain(process.argv.slice(3))
} else {
  const { main } = await import('./cli.ts')
  await main(process.argv)
}
