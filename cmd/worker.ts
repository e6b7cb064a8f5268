// kube-relay worker: one data plane process, started by an agent over an IPC channel. Not listed in help. The entry comes
// here without the rest of the command line's modules: a worker that is to replace another has no time for them.

import { runWorker } from '../lib/worker.ts'

export async function workerMain(): Promise<void> {
  if (process.channel === undefined) {
    process.stderr.write('kube-relay worker: is started by kube-relay run only (--workers)\n')
    process.exit(2)
  }
  process.exit(await runWorker())
}
