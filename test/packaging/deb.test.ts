// What is in the Debian package, and that it is of use: modes and owners, what it depends on, the man page, completion in
// real shells. systemd.test.ts installs it, upgrades and removes it on a system that runs.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type Test } from 'tap'
import { createProgram } from '../../cmd/cli.ts'
import { commandTree } from '../../cmd/command-tree.ts'
import { binary, deb, notBuilt, root } from './built.ts'

function out(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26 })
}

/** The files of the package, as they are installed. */
function extracted(t: Test): string {
  const tree = mkdtempSync(path.join(tmpdir(), 'deb-'))
  t.teardown(() => rmSync(tree, { recursive: true, force: true, maxRetries: 10 }))
  execFileSync('dpkg-deb', ['--extract', deb, tree])
  return tree
}

void test('the package', { skip: notBuilt }, async t => {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }
  const tree = extracted(t)
  const program = commandTree(await createProgram(['bench']))

  await t.test('its files belong to root and can be written by nobody else', async t => {
    const lines = out('dpkg-deb', '--contents', deb).trim().split('\n')
    for (const line of lines) t.match(line, /^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x) root\/root /, line)
    const executables = lines.filter(line => line.startsWith('-rwx')).map(line => line.split(' ').at(-1))
    t.same(executables, ['./usr/bin/kube-relay', './usr/lib/kube-relay/stopped'])
    t.ok(readFileSync(path.join(tree, 'usr/bin/kube-relay')).equals(readFileSync(binary)))
    t.equal(out('dpkg-deb', '--field', deb, 'Version').trim(), version)
  })

  await t.test('its checksums are right, and its configuration is known as such', async t => {
    const control = path.join(tree, 'DEBIAN')
    execFileSync('dpkg-deb', ['--control', deb, control])
    t.equal(spawnSync('md5sum', ['--check', '--quiet', 'DEBIAN/md5sums'], { cwd: tree }).status, 0)
    const conffiles = readFileSync(path.join(control, 'conffiles'), 'utf8').trim().split('\n')
    const inEtc = out('find', path.join(tree, 'etc'), '-type', 'f').trim().split('\n')
    t.same(
      conffiles,
      inEtc.map(file => file.slice(tree.length)),
    )
    for (const script of ['postinst', 'prerm', 'postrm']) {
      t.equal(spawnSync('sh', ['-n', path.join(control, script)]).status, 0, script)
    }
  })

  await t.test('it depends on whatever its program is linked with', async t => {
    const depends = out('dpkg-deb', '--field', deb, 'Depends')
    const linked = out('ldd', binary)
    const packages: Readonly<Record<string, string>> = {
      'libatomic.so': 'libatomic1',
      'libstdc++.so': 'libstdc++6',
      'libgcc_s.so': 'libgcc-s1',
      'libc.so': 'libc6',
    }
    for (const [library, name] of Object.entries(packages)) {
      if (linked.includes(`\t${library}`)) t.match(depends, name, library)
    }
    const others = [
      ...linked.matchAll(/^\t(lib(?!atomic|stdc\+\+|gcc_s|c\.|m\.|dl\.|pthread\.|rt\.)[^ ]+)/gm),
    ]
    t.same(
      others.map(([, name]) => name),
      [],
      'nothing else',
    )
  })

  await t.test('the man page has every command and option, and no warnings', async t => {
    const page = path.join(tree, 'usr/share/man/man8/kube-relay.8.gz')
    const shown = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', page], {
      encoding: 'utf8',
      env: { ...process.env, MANWIDTH: '200', MANROFFSEQ: '' },
    })
    t.equal(shown.stderr, '')
    const text = shown.stdout
    for (const command of program.commands) {
      t.match(text, new RegExp(`^ +kube-relay ${command.name}$`, 'm'))
      for (const { flags } of command.options) t.ok(text.includes(`  ${flags}`), `${command.name} ${flags}`)
    }
  })

  await t.test('bash completes commands, options and values', async t => {
    const script = path.join(tree, 'usr/share/bash-completion/completions/kube-relay')
    /** What bash would offer after these words, the last of which is being typed. */
    const offered = (...words: readonly string[]): readonly string[] => {
      const after = `source "$0"; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kube_relay; printf '%s\\n' "\${COMPREPLY[@]}"`
      const text = out('bash', '-c', after, script, ...words)
      return text.split('\n').filter(word => word !== '')
    }
    t.same(offered('kube-relay', 'ru'), ['run'])
    t.same(
      [...offered('kube-relay', '')].sort(),
      [...program.commands.map(({ name }) => name), 'help'].sort(),
    )
    t.same(offered('kube-relay', 'run', '--vip-m'), ['--vip-mode'])
    t.same(offered('kube-relay', 'run', '--vip-mode', 'n'), ['none', 'netns'])
    t.same(offered('kube-relay', 'run', '--vip-mode', '=', 'l'), ['local'])
    t.same(offered('kube-relay', 'run', '--vip-mode', '=').length, 4)
    t.same(offered('kube-relay', 'completion', 'f'), ['fish'])
    t.same(offered('kube-relay', 'status', '--vip'), [])
    t.same(offered('kube-relay', 'run', '--config', path.join(root, 'pack')).toSorted(), [
      path.join(root, 'package-lock.json'),
      path.join(root, 'package.json'),
      path.join(root, 'packaging'),
    ])
  })
})
