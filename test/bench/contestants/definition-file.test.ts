// A user's own program as a contestant: placeholders are filled, it proxies, and a file with mistakes is told of by
// line and field.

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { stringify } from 'yaml'
import { contestantFrom } from '../../../bench/contestants/definition-file.ts'
import { contestantOf } from '../../../bench/contestants/registry.ts'
import { ask, routeTo, startFor, startServer } from './servers.ts'

const proxy = `
const net = require('node:net')
const { listen, server } = JSON.parse(require('node:fs').readFileSync(process.argv[1]))
net.createServer(client => {
  const upstream = net.connect(server)
  client.pipe(upstream).pipe(client)
  client.on('error', () => upstream.destroy())
  upstream.on('error', () => client.destroy())
}).listen(listen)
`

const definition = {
  name: 'node-proxy',
  describe: 'a proxy in a script',
  command: [process.execPath, '-e', proxy, '{config}'],
  config:
    '{ "listen": { "host": "{listen_ip}", "port": {listen_port} }, ' +
    '"server": { "host": "{server_ip}", "port": {server_port} }, "threads": {threads}, "other": "{x}" }',
  version: [process.execPath, '--version'],
  excused: { idle: 'it is only an example' },
}

void test('a program that only its definition file knows', async t => {
  const file = path.join(t.testdir(), 'node-proxy.yaml')
  writeFileSync(file, stringify(definition))
  const contestant = contestantOf(file)
  t.match(contestant, { name: 'node-proxy', describe: 'a proxy in a script' })
  t.match(contestant.excused, {
    idle: 'it is only an example',
    'udp-rr': 'its definition has no command for UDP',
    sync: String,
  })
  t.same(await contestant.find(), { version: process.versions.node })
  const routes = [
    await routeTo('TCP', await startServer(t, 'TCP', 'one')),
    await routeTo('TCP', await startServer(t, 'TCP', 'two')),
  ]
  const [first, second, command] = contestant.config({ routes, threads: 4 })
  t.match(first?.text, `"port": ${routes[0]?.listen.port} }`)
  t.match(second?.text, `"port": ${routes[1]?.server.port} }, "threads": 4, "other": "{x}" }`)
  t.match(command, {
    name: 'command line',
    text: /TEMPORARY_FOLDER\/route-0\.conf.*TEMPORARY_FOLDER\/route-1/s,
  })
  const running = await startFor(t, contestant, { routes, threads: 4 })
  t.same(await Promise.all(running.listens.map(at => ask(t, 'TCP', at))), ['one:ping', 'two:ping'])
})

void test('a program that is missing', async t => {
  const command = ['no-such-proxy', '{listen_ip}:{listen_port}', '{server_ip}:{server_port}']
  const named = contestantFrom('x.yaml', stringify({ name: 'a', command, install: 'make install' }))
  t.same(await named.find(), { missing: 'make install' })
  t.same(await contestantFrom('x.yaml', stringify({ name: 'a', command })).find(), {
    missing: 'install no-such-proxy, or put it into the PATH',
  })
})

const good = 'command: [a, "{listen_ip}:{listen_port}", "{server_ip}:{server_port}"]'

void test('mistakes are told of by line and field', async t => {
  for (const [what, text, message] of [
    ['nothing', '# only a comment', /^x\.yaml: is empty/],
    ['no YAML', 'name: [', /^x\.yaml:\d: YAML syntax error/],
    ['a list', '- a', /^x\.yaml:1: /],
    ['a text', 'hello', /^x\.yaml:1: /],
    ['two documents', `name: a\n${good}\n---\nname: b`, /^x\.yaml:4: a second document/],
    ['no name', good, /^x\.yaml:1: name: is missing$/],
    ['a bad name', `name: My Proxy\n${good}`, /^x\.yaml:1: .*name.*small letters/],
    ['no command', 'name: a', /^x\.yaml:1: command: is missing/],
    ['an empty command', 'name: a\ncommand: []', /^x\.yaml:2: command: names no program/],
    ['a command in one string', 'name: a\ncommand: a {listen_ip}', /^x\.yaml:2: .*command.*list/],
    ['a number in it', 'name: a\ncommand: [a, 1]', /^x\.yaml:2: .*command\[1\].*string/],
    ['a typo', `name: a\n${good}\nexcsed: {}`, /^x\.yaml:3: .*excsed.*excused/],
    [
      'no place for the port',
      `name: a\ncommand: [a, "{listen_ip}", "{server_ip}:{server_port}"]`,
      /\{listen_port\}/,
    ],
    [
      'no config',
      `name: a\n${good.replace('[a', '[a, "{config}"')}`,
      /has \{config\}, but there is no field config/,
    ],
  ] as const) {
    t.throws(() => contestantFrom('x.yaml', text), { code: 'INVALID_CONFIG', message }, what)
  }
})
