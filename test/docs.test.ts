// The documents tell the truth about files: every link leads somewhere, every test that a row names exists, and so does
// every file of the two ways through the code in ARCHITECTURE.

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...globSync('docs/*.md', { cwd: root })]
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

void test('every link leads to a file', async t => {
  for (const document of documents) {
    for (const [, target = ''] of read(document).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^https?:/.test(target)) continue
      t.ok(existsSync(join(root, dirname(document), target)), `${document} → ${target}`)
    }
  }
})

void test('every test that COMPATIBILITY and RELIABILITY name exists', async t => {
  const rows = (read('docs/COMPATIBILITY.md') + read('docs/RELIABILITY.md')).matchAll(
    /([a-z\d]+\/[a-z\d-]+)…/g,
  )
  const named = [...rows].map(([, name = '']) => name)
  t.ok(named.length > 40)
  for (const name of new Set(named)) t.ok(existsSync(join(root, 'test', `${name}.test.ts`)), name)
  for (const [, path = ''] of read('docs/COMPATIBILITY.md').matchAll(/`(test\/[^`…]+\.ts)`/g)) {
    t.ok(existsSync(join(root, path)), path)
  }
})

void test('every file that ARCHITECTURE names exists', async t => {
  const files = globSync('{cmd,lib,test}/**/*.ts', { cwd: root })
  const named = [
    ...read('docs/ARCHITECTURE.md').matchAll(/(?<![\w/.-])((?:[a-z]+\/)*[a-z-]+(?:\.test)?\.ts)\b/g),
  ]
  t.ok(named.length > 30)
  for (const [, name = ''] of named)
    t.ok(
      files.some(file => file === name || file.endsWith(`/${name}`)),
      name,
    )
})

void test('README has its two set-up commands, and no other', async t => {
  const commands = [...read('README.md').matchAll(/^ {4}(npm ci\b.*)$/gm)].map(([, command]) => command)
  t.same(commands, ['npm ci && npm run demo', 'npm ci && npm test'])
})
