// kube-relay completion: what the scripts offer is what the commands take. test/packaging/deb.test.ts has the one of bash
// complete words.

import { execFileSync } from 'node:child_process'
import { test } from 'tap'
import { createProgram } from '../../cmd/cli.ts'
import { commandTree } from '../../cmd/command-tree.ts'
import { completionScripts } from '../../cmd/completion-scripts.ts'
import { run } from './program.ts'

void test('each script has every command and every option', async t => {
  const program = commandTree(await createProgram(['bench']))
  t.ok(program.commands.length >= 8)
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = completionScripts[shell](program)
    for (const command of program.commands) {
      t.match(script, command.name, `${shell}: ${command.name}`)
      for (const name of command.options.flatMap(({ names }) => names)) {
        const written = shell === 'fish' ? name.replace(/^--/, '-l ').replace(/^-(?=\w$)/, '-s ') : name
        t.ok(script.includes(written), `${shell}: ${command.name} ${name}`)
      }
    }
    t.notMatch(script, 'sample-pod', 'what is hidden stays so')
    t.notMatch(script, '--iptables-sync-period')
  }
})

void test('descriptions can have any character', t => {
  const description = `it's [a] "test": \\ $(echo no) \`echo no\``
  const option = { flags: '--it <file>', names: ['--it'], value: 'file', optional: false, choices: [] }
  const command = { name: 'go', description, arguments: [], commands: [], after: '' }
  const options = [{ ...option, description, default: null, group: 'Options' }]
  const program = { ...command, name: 'prog', options: [], commands: [{ ...command, options }] }
  const script = completionScripts.bash(program)
  t.equal(execFileSync('bash', ['-n'], { input: script, encoding: 'utf8' }), '')
  t.ok(completionScripts.zsh(program).includes(String.raw`--it=[it'\''s \[a\] "test"\: \\ $(echo no)`))
  t.ok(completionScripts.fish(program).includes(String.raw`-l it -r -F -d 'it\'s [a] "test": \\ $(echo no)`))
  t.end()
})

void test('completion writes a script, or says which there are', async t => {
  const { code, stdout, stderr } = await run(t, ['completion', 'bash'])
  t.equal(code, 0, stderr)
  t.match(stdout, /complete -F _kube_relay kube-relay\n$/)
  t.match(stdout, "'run --vip-mode')")
  t.match(stdout, "'bench --rounds')", 'the benchmark has its options in it')
  const wrong = await run(t, ['completion', 'tcsh'])
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, /bash, zsh, fish/)
})
