// What test/packaging/run has built, for the tests of it; without that, they are skipped.

import { accessSync, constants } from 'node:fs'
import path from 'node:path'

/** The single executable, and the Debian package made of it. */
export const binary = process.env['KUBE_RELAY_BINARY'] ?? ''
export const deb = process.env['KUBE_RELAY_DEB'] ?? ''

/** For tap's `skip`: why there is nothing to test; false where there is. */
export const notBuilt: string | false =
  binary === '' || deb === '' ? 'needs what test/packaging/run builds: npm run test:packaging' : false

if (notBuilt === false) {
  accessSync(binary, constants.X_OK)
  accessSync(deb, constants.R_OK)
}

export const root = path.join(import.meta.dirname, '../..')
