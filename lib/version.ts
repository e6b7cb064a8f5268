// The version of this program, from the package that it came in.

import { ownFile } from './own-program.ts'

const manifest = ownFile('package.json')

export const version: string =
  manifest === null ? 'unknown' : (JSON.parse(manifest) as { readonly version: string }).version
