// A command line as --show-config shows it can be pasted into a shell.

import { execFileSync } from 'node:child_process'
import { test } from 'tap'
import { commandLine, onDisk } from '../../../bench/contestants/command-line.ts'

void test('words come back from a shell as they were', async t => {
  const words = [
    '--flag=a:b/c,d',
    '',
    'two words',
    "it's",
    '"quoted"',
    'a\\b',
    '*',
    '$(exit)',
    '`exit`',
    'a;b',
  ]
  const { text } = commandLine([
    process.execPath,
    '-p',
    'JSON.stringify(process.argv.slice(1))',
    '--',
    ...words,
  ])
  const env = { ...process.env, NODE_OPTIONS: '' }
  t.same(JSON.parse(execFileSync('sh', ['-c', text], { encoding: 'utf8', env })), words)
})

void test('it is shown beside the files, and never written as one', async t => {
  const file = { name: 'a.conf', text: 'a' }
  const line = commandLine(['a', 'b'], ['c'])
  t.equal(line.text, 'a b\nc\n')
  t.same(onDisk([file, line]), [file])
})
