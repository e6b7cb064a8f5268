// How the program starts itself again from the source tree; as a single executable: test/packaging/binary.test.ts.

import { execFileSync } from 'node:child_process'
import { readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { filesInside, isSingleExecutable, ownCommand, ownFile, ownFolder } from '../lib/own-program.ts'

const root = path.join(import.meta.dirname, '..')
const entry = path.join(root, 'cmd/kube-relay.ts')

void test('a program that only uses it starts the entry', t => {
  t.same(ownCommand(['worker']), [process.execPath, entry, 'worker'])
  t.same(ownCommand(['a', 'b'], { nodeOptions: ['--x'] }), [process.execPath, '--x', entry, 'a', 'b'])
  t.equal(isSingleExecutable, false)
  t.end()
})

void test('started by a link, it is the link that is started again', t => {
  const folder = t.testdir({
    'show.mjs': `import { ownCommand } from ${JSON.stringify(path.join(root, 'lib/own-program.ts'))}
console.log(ownCommand([])[1])`,
  })
  const link = path.join(folder, 'kube-relay.ts')
  symlinkSync(entry, link)
  const startedAs = (name: string): string => {
    const script = `process.argv[1] = ${JSON.stringify(name)}; await import(${JSON.stringify(path.join(folder, 'show.mjs'))})`
    const options = { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } } as const
    return execFileSync(process.execPath, ['--input-type=module', '-e', script], options).trim()
  }
  t.equal(startedAs(link), link)
  t.equal(startedAs(path.join(folder, 'show.mjs')), entry, 'another program')
  t.equal(startedAs(path.join(folder, 'missing')), entry)
  t.end()
})

void test('files that come with it', t => {
  t.equal(ownFile('package.json'), readFileSync(path.join(root, 'package.json'), 'utf8'))
  t.equal(ownFile('no-such-file'), null)
  t.equal(ownFolder('examples'), path.join(root, 'examples'))
  t.equal(ownFolder('no-such-folder'), null)
  t.same(filesInside('examples'), [])
  t.end()
})
