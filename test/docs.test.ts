// The documents tell the truth about files: every file of the two ways through the code in ARCHITECTURE exists. Links,
// named tests and commands are looked at in docs/.

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

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
