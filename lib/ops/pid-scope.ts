// Within what a process id means something: one boot of one machine, and one PID namespace. Two processes that get the
// same name here may send each other signals by number.

import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import os from 'node:os'

/** A short name that tells nothing else about the machine. */
export function pidScope(): string {
  const boot = textOf('/proc/sys/kernel/random/boot_id') || os.hostname()
  const parts = [boot, linkOf('/proc/self/ns/pid')]
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file)
  } catch {
    return ''
  }
}
