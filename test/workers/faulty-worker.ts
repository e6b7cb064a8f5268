// A worker with a fault of the test's choice, which shows at SIGUSR2.

import { runWorker } from '../../lib/worker.ts'

process.on('SIGUSR2', () => {
  if (process.env['FAULT'] === 'rejection') void Promise.reject(new Error('nobody caught this'))
  else throw new Error('nobody caught this')
})
process.exit(await runWorker())
