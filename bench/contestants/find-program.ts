// Finds programs and their versions without running a shell. System daemons are often where only root's PATH leads.

import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'

const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin']
const versionTimeoutMs = 10_000

/** The path of an executable file; null where there is none. A name with a slash is a path already. */
export function findProgram(name: string): string | null {
  if (name.includes('/')) return isExecutable(name) ? path.resolve(name) : null
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), ...systemFolders]
  // An empty part of PATH is the working directory, whose programs nobody meant.
  return (
    folders
      .filter(folder => folder !== '')
      .map(folder => path.join(folder, name))
      .find(isExecutable) ?? null
  )
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** What the program prints, on either stream; null where it can't be run. Its exit code doesn't matter. */
export function outputOf(command: readonly string[]): Promise<string | null> {
  const [program = '', ...args] = command
  return new Promise(resolve => {
    execFile(program, args, { timeout: versionTimeoutMs }, (error, stdout, stderr) => {
      const ran = error === null || typeof error.code === 'number'
      resolve(ran ? `${stdout}${stderr}` : null)
    })
  })
}
