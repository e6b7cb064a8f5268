// Checksums of what is built, in the format that `sha256sum --check` reads.

import { createHash } from 'node:crypto'
import { createReadStream, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

const name = 'SHA256SUMS'

/** Writes SHA256SUMS for all other files in the folder. */
export async function writeChecksums(folder: string): Promise<void> {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter(each => each.isFile() && each.name !== name)
    .map(each => each.name)
    .sort()
  const lines = await Promise.all(
    files.map(async file => `${await sha256Of(path.join(folder, file))}  ${file}\n`),
  )
  writeFileSync(path.join(folder, name), lines.join(''))
}
