// What kube-relay is made of: few packages, each pinned by its checksum, none of which runs anything when it is installed,
// and SECURITY.md names those that it depends on.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'

const root = path.join(import.meta.dirname, '../..')
const readJson = (file: string): unknown => JSON.parse(readFileSync(path.join(root, file), 'utf8'))

interface Package {
  readonly version: string
  readonly integrity?: string
  readonly resolved?: string
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
}

const { packages } = readJson('package-lock.json') as { readonly packages: Readonly<Record<string, Package>> }
const { dependencies, devDependencies, engines } = readJson('package.json') as Readonly<
  Record<'dependencies' | 'devDependencies' | 'engines', Readonly<Record<string, string>>>
>
const installed = Object.entries(packages).filter(([name]) => name !== '')
const shipped = installed.filter(([, { dev }]) => dev !== true)

void test('every package is pinned by a strong checksum', async t => {
  t.ok(installed.length > 100)
  for (const [name, { integrity, resolved = '' }] of installed) {
    // Without one where npm has built it from another place: a bundled dependency says so.
    if ('inBundle' in (packages[name] ?? {})) continue
    t.match(integrity, /^sha512-/, name)
    t.notMatch(resolved, /^(git|file|http:)/, `${name} comes from the registry`)
  }
})

void test('what is shipped is little, and runs nothing when it is installed', async t => {
  t.ok(shipped.length <= 40, `${shipped.length} packages`)
  for (const [name, { hasInstallScript }] of shipped) t.not(hasInstallScript, true, name)
})

void test('SECURITY.md names what kube-relay depends on, and no other', async t => {
  const text = readFileSync(path.join(root, 'SECURITY.md'), 'utf8')
  const named = [...text.matchAll(/^\| `(@?\w[\w./-]*)` \| .* \|$/gm)].map(([, name]) => name)
  t.strictSame(new Set(named), new Set(Object.keys(dependencies)))
})

void test('the runtime is one exact version', async t => {
  t.match(devDependencies['node'], /^\d+\.\d+\.\d+$/)
  t.equal(packages['node_modules/node']?.version, devDependencies['node'])
  t.ok(engines['node'])
})
