// The thread behind a black hole: it listens with the shortest queue there is and never accepts, because its
// event loop stands still from then on.

import net from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

const server = net.createServer()
server.listen({ host: workerData as string, port: 0, backlog: 1 }, () => {
  parentPort?.postMessage(server.address(), [])
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})
