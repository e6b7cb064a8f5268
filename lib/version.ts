// The version of this program, from the package that it came in.

import { readFileSync } from 'node:fs'

// The source tree has package.json one level up, the built package (dist/lib) two.
const manifest = ['../package.json', '../../package.json']
  .map(path => new URL(path, import.meta.url))
  .flatMap(url => {
    try {
      return [JSON.parse(readFileSync(url, 'utf8')) as { readonly version: string }]
    } catch {
      return []
    }
  })[0]

export const version: string = manifest?.version ?? 'unknown'
