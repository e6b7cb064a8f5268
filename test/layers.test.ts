// Who may import whom (docs/ARCHITECTURE.md), held by reading the import statements of cmd/, bench/ and lib/.

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'

/** Paths from the root of the project to their text. */
type Sources = ReadonlyMap<string, string>

/** From top to bottom: imports point down only, and never from one to another on the same level. */
const levels: readonly (readonly string[])[] = [
  ['cmd'],
  ['bench'],
  ['lib'], // the composition roots: files that are directly in lib/
  ['lib/workers'],
  ['lib/kube', 'lib/standalone', 'lib/control', 'lib/vip', 'lib/dataplane'],
  ['lib/config'],
  ['lib/ops'],
  ['lib/policy'],
  ['lib/model'],
]

const pure = ['lib/policy', 'lib/model']
const pureMayUse = ['ipaddr.js']
const engines = 'lib/dataplane/engines/'
const sockets = ['node:net', 'node:dgram']

interface Import {
  readonly from: string
  readonly specifier: string
  readonly typeOnly: boolean
}

const statements =
  /^\s*(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm

function importsOf(file: string, text: string): readonly Import[] {
  return [...withoutComments(text).matchAll(statements)].map(([, type, specifier, dynamic]) => ({
    from: file,
    specifier: specifier ?? dynamic ?? '',
    typeOnly: type !== undefined,
  }))
}

/** Whole-line comments only: what follows code on its line can't be mistaken for a statement. */
function withoutComments(text: string): string {
  return text.replace(/\/\*\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}

function folderOf(file: string): string {
  const [top = '', second = '', ...rest] = file.split('/')
  return top === 'lib' && rest.length > 0 ? `lib/${second}` : top
}

function levelOf(file: string): number {
  return levels.findIndex(level => level.includes(folderOf(file)))
}

function targetOf({ from, specifier }: Import): string | null {
  return specifier.startsWith('.') ? path.posix.join(path.posix.dirname(from), specifier) : null
}

/** Every breach of the rules, one sentence each. */
function breaches(sources: Sources): readonly string[] {
  const imports = [...sources].flatMap(([file, text]) => importsOf(file, text))
  return [
    ...[...sources.keys()]
      .filter(file => levelOf(file) === -1)
      .map(file => `${file} is in a folder without a place in the layers`),
    ...imports.flatMap(each => importBreaches(each, sources)),
    ...[...sources].flatMap(([file, text]) => textBreaches(file, withoutComments(text))),
    ...cycles(imports),
  ]
}

function importBreaches(each: Import, sources: Sources): readonly string[] {
  const { from, specifier, typeOnly } = each
  const folder = folderOf(from)
  const target = targetOf(each)
  const found: string[] = []
  if (target === null) {
    if (pure.includes(folder) && !typeOnly && !pureMayUse.includes(specifier)) {
      found.push(`${from} imports ${specifier}, but ${folder} is pure`)
    }
    if (folder === 'lib/dataplane' && !from.startsWith(engines) && sockets.includes(specifier)) {
      found.push(`${from} imports ${specifier}, which only ${engines} may`)
    }
    return found
  }
  if (!sources.has(target)) found.push(`${from} imports ${target}, which is not there`)
  else if (folderOf(target) !== folder && levelOf(target) <= levelOf(from)) {
    found.push(`${from} imports ${target}, which is not below it`)
  }
  return found
}

function textBreaches(file: string, text: string): readonly string[] {
  const found: string[] = []
  if (/^\s*export\s+default\b|\bas\s+default\b/m.test(text)) found.push(`${file} has a default export`)
  if (!file.startsWith('cmd/') && /\bprocess\s*\.\s*(exit|exitCode|abort|reallyExit)\b/.test(text)) {
    found.push(`${file} ends the process`)
  }
  if (
    file.startsWith('lib/dataplane/') &&
    !file.startsWith(engines) &&
    /\bnet\.(Socket|Server)\b/.test(text)
  ) {
    found.push(`${file} knows net.Socket`)
  }
  return found
}

function cycles(imports: readonly Import[]): readonly string[] {
  const targets = new Map<string, string[]>()
  for (const each of imports) {
    const target = targetOf(each)
    if (target !== null) targets.set(each.from, [...(targets.get(each.from) ?? []), target])
  }
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) found.push(`cycle: ${[...trail.slice(trail.indexOf(file)), file].join(' → ')}`)
    if (done.has(file)) return
    done.add(file)
    for (const target of targets.get(file) ?? []) visit(target, [...trail, file])
  }
  for (const file of targets.keys()) visit(file, [])
  return found
}

function readSources(): Sources {
  const root = path.join(import.meta.dirname, '..')
  const files = ['cmd', 'bench', 'lib'].flatMap(top =>
    readdirSync(path.join(root, top), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => path.posix.join(top, name.split(path.sep).join('/'))),
  )
  return new Map(files.map(file => [file, readFileSync(path.join(root, file), 'utf8')]))
}

void test('cmd/, bench/ and lib/ keep to the layers', async t => {
  const sources = readSources()
  t.ok(sources.has('lib/model/service.ts'), 'the sources were found')
  t.strictSame(breaches(sources), [])
})

const sound: Readonly<Record<string, string>> = {
  'cmd/main.ts': "import { start } from '../lib/agent.ts'\nprocess.exit(start())",
  'lib/agent.ts': "import { watch } from './kube/watch.ts'\nimport { relay } from './dataplane/relay.ts'",
  'lib/kube/watch.ts': "import type { A } from '../model/a.ts'",
  'lib/dataplane/relay.ts': "import { conn } from './engines/net/conn.ts'",
  'lib/dataplane/engines/net/conn.ts': "import net from 'node:net'\nexport type Conn = net.Socket",
  'lib/policy/pick.ts': "import type { A } from '../model/a.ts'\n// import from 'node:fs'",
  'lib/model/a.ts': "import ipaddr from 'ipaddr.js'\nimport type { X } from 'node:stream'",
}

const unsound: readonly [string, string, string, RegExp][] = [
  [
    'up',
    'lib/model/b.ts',
    "import { x } from '../policy/pick.ts'",
    /lib\/policy\/pick\.ts, which is not below/,
  ],
  ['a type from above', 'lib/model/b.ts', "import type { x } from '../policy/pick.ts'", /not below/],
  ['a root from below', 'lib/ops/x.ts', "import { a } from '../agent.ts'", /not below/],
  ['sideways', 'lib/control/x.ts', "import { watch } from '../kube/watch.ts'", /not below/],
  ['several lines', 'lib/control/x.ts', "import {\n  a,\n  b,\n} from '../kube/watch.ts'", /not below/],
  ['a re-export', 'lib/control/x.ts', "export { watch } from '../kube/watch.ts'", /not below/],
  ['for its effect', 'lib/control/x.ts', "import '../kube/watch.ts'", /not below/],
  ['later', 'lib/control/x.ts', "const a = await import('../kube/watch.ts')", /not below/],
  ['Node in model', 'lib/model/b.ts', "import { format } from 'node:util'", /lib\/model is pure/],
  ['Node in policy', 'lib/policy/b.ts', "import { format } from 'util'", /lib\/policy is pure/],
  ['a package in policy', 'lib/policy/b.ts', "import { pino } from 'pino'", /lib\/policy is pure/],
  [
    'sockets above the seam',
    'lib/dataplane/x.ts',
    "import net from 'node:net'",
    /only lib\/dataplane\/engines/,
  ],
  ['their types', 'lib/dataplane/x.ts', "import type { Socket } from 'node:dgram'", /only lib\/dataplane/],
  ['net.Socket', 'lib/dataplane/x.ts', 'export type Conn = net.Socket', /knows net\.Socket/],
  ['process.exit', 'lib/agent-x.ts', 'if (bad) process.exit(1)', /ends the process/],
  ['a default export', 'lib/kube/x.ts', 'export default function x() {}', /default export/],
  ['an unknown folder', 'lib/common/x.ts', '', /without a place/],
  ['a missing file', 'lib/kube/x.ts', "import { y } from './y.ts'", /is not there/],
  ['a cycle', 'lib/model/a.ts', "import { b } from './a.ts'", /cycle: lib\/model\/a\.ts → lib\/model\/a\.ts/],
]

void test('the check itself: it accepts what is sound and finds each breach', async t => {
  t.strictSame(breaches(new Map(Object.entries(sound))), [])
  for (const [name, file, text, expected] of unsound) {
    const found = breaches(new Map(Object.entries({ ...sound, [file]: text })))
    t.match(found, [expected], name)
    t.equal(found.length, 1, `${name}: ${found.join('; ')}`)
  }
  const cycle = {
    'lib/kube/a.ts': "import { b } from './b.ts'",
    'lib/kube/b.ts': "import { c } from './c.ts'",
    'lib/kube/c.ts': "import { b } from './b.ts'",
  }
  t.strictSame(breaches(new Map(Object.entries(cycle))), [
    'cycle: lib/kube/b.ts → lib/kube/c.ts → lib/kube/b.ts',
  ])
})
