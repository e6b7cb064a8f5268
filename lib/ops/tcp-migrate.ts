// net.ipv4.tcp_migrate_req: whether the connections that wait in the backlog of a listener that is closed go to another
// one on the same address (SO_REUSEPORT). Without it those few are reset, at each hand-over and stop of a worker.

import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import { reasonOf } from '../model/error.ts'
import type { Log } from './log.ts'

const defaultFile = '/proc/sys/net/ipv4/tcp_migrate_req'

export type TcpMigrateReq = 'on' | 'set' | { readonly notAllowed: string }

export const tcpMigrateRemedy = 'sysctl -w net.ipv4.tcp_migrate_req=1'

/** Turns it on for this network namespace where that is allowed; a line in the log says if it was, or how to. */
export function enableTcpMigrateReq(log: Log, file = defaultFile): TcpMigrateReq {
  const state = readTcpMigrateReq(file)
  if (state === 'on') return 'on'
  if (state === 'unknown')
    return notAllowed(log, 'this kernel has no net.ipv4.tcp_migrate_req (Linux 5.14 has)')
  try {
    writeFileSync(file, '1')
  } catch (error) {
    return notAllowed(log, `${reasonOf(error)}: ${tcpMigrateRemedy}`)
  }
  log.info('net.ipv4.tcp_migrate_req set to 1: a hand-over takes waiting connections along')
  return 'set'
}

function notAllowed(log: Log, reason: string): TcpMigrateReq {
  log.warn(`connections that wait to be accepted at a hand-over will be reset: ${reason}`)
  return { notAllowed: reason }
}

/** `settable`: off, and this process may turn it on. */
export function readTcpMigrateReq(file = defaultFile): 'on' | 'settable' | 'off' | 'unknown' {
  try {
    if (readFileSync(file, 'utf8').trim() === '1') return 'on'
  } catch {
    return 'unknown'
  }
  try {
    accessSync(file, constants.W_OK)
    return 'settable'
  } catch {
    return 'off'
  }
}
