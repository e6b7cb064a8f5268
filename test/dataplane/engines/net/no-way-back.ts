// A process that enters a network namespace, and closes the descriptor of its own on the way.

import { closeSync, openSync, readdirSync, readlinkSync, statSync, writeSync } from 'node:fs'
import { inNamespace } from '../../../../lib/dataplane/engines/net/namespace.ts'
import { enterOwnNetwork } from '../../../own-network.ts'

const elsewhere = openSync('/proc/self/ns/net', 'r')
enterOwnNetwork()
const home = statSync('/proc/thread-self/ns/net').ino
try {
  inNamespace(`/proc/self/fd/${elsewhere}`, () => {
    writeSync(1, `there: ${readlinkSync('/proc/thread-self/ns/net')}\n`)
    for (const fd of readdirSync('/proc/self/fd').map(Number)) if (isHome(fd)) closeSync(fd)
  })
  writeSync(1, 'back\n')
} catch {
  writeSync(1, 'caught\n')
}

function isHome(fd: number): boolean {
  try {
    return statSync(`/proc/self/fd/${fd}`).ino === home
  } catch {
    return false
  }
}
