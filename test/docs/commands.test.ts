// Every command in README and docs is run: here, in a network of its own with the program as it is, or by the test or
// script that the table in commands.ts names. What the documents say of flags, commands and scripts exists.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { test, type Test } from 'tap'
import { createProgram } from '../../cmd/cli.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { startControlPlane } from '../../lib/standalone/control-plane.ts'
import { temporaryFolder } from '../cmd/agent-under-test.ts'
import { compileCache, entry } from '../cmd/program.ts'
import { enterOwnNetwork, missingForOwnNetwork } from '../own-network.ts'
import { documents, held, keyOf, otherBlocks, readBlocks, readDocument, root } from './commands.ts'
import { codeSpansOf } from './markdown.ts'

// A dozen programs are started, one after the other.
t.setTimeout(600_000)

const commands = documents.flatMap(document => readBlocks(document).commands)

void test('for each command, something is named that runs it', async t => {
  t.ok(commands.length > 40, `${commands.length} commands`)
  for (const { at, text } of commands) t.ok(keyOf(text), `${at}: ${text}`)
  const found = new Set(commands.map(({ text }) => keyOf(text)))
  for (const text of Object.keys(held)) t.ok(found.has(text), `in a document: ${text}`)
})

void test('what is named runs it', async t => {
  for (const [command, by] of Object.entries(held)) {
    if (by === 'here') continue
    for (const [file, words] of Object.entries(by)) {
      t.ok(existsSync(path.join(root, file)), `${command}: ${file}`)
      const text = readFileSync(path.join(root, file), 'utf8')
      for (const word of words) {
        t.ok(
          typeof word === 'string' ? text.includes(word) : word.test(text),
          `${command}: ${word} in ${file}`,
        )
      }
    }
  }
})

void test('every other block of code is known for what it is', async t => {
  const blocks = documents.flatMap(document => readBlocks(document).unknown)
  const isKnown = (document: string, line: string): boolean =>
    otherBlocks.some(([where, begins]) => where === document && line.startsWith(begins))
  for (const { at, document, firstLine } of blocks) t.ok(isKnown(document, firstLine), `${at}: ${firstLine}`)
  for (const [document, begins] of otherBlocks) {
    t.ok(
      blocks.some(block => block.document === document && block.firstLine.startsWith(begins)),
      `${document} still has: ${begins}`,
    )
  }
})

const program = await createProgram(['bench'])

/** The options that `kube-relay COMMAND --help` has. */
function helpOf(name: string): string {
  return program.commands.find(command => command.name() === name)?.helpInformation() ?? ''
}

/** Without help: kube-proxy's, which have no effect, and what kube-relay starts itself. */
const hiddenFlags = ['cmd/ignored-flags.ts', 'cmd/run.ts']
  .map(file => readFileSync(path.join(root, file), 'utf8'))
  .join('\n')
const hiddenCommands = ['worker']

void test('every kube-relay command in the documents exists, with its flags', async t => {
  const known = new Set(
    [...program.helpInformation().matchAll(/^  ([a-z]+)[ |]/gm)].map(([, name = '']) => name),
  )
  t.ok(known.has('run') && known.has('status'))
  let flags = 0
  for (const document of documents) {
    const typed = [
      ...readBlocks(document).commands.map(({ text }) => text),
      ...codeSpansOf(readDocument(document)),
    ]
      .flatMap(text => text.split(/[;|&]+| -- /))
      // Not where it is the name of a unit, a DaemonSet or a namespace in another program's command.
      .flatMap(text => /^(?:\w+=\S+ )*kube-relay (.*)$/.exec(text.trim())?.[1] ?? [])
    for (const rest of typed) {
      const [name = '', ...words] = rest.split(' ')
      if (name.startsWith('-') || /^[A-Z]/.test(name) || hiddenCommands.includes(name)) continue
      t.ok(known.has(name), `${document}: kube-relay ${rest}`)
      for (const word of words) {
        const [flag = ''] = /^--?[a-z][\w-]*/.exec(word) ?? []
        if (flag === '') continue
        flags++
        t.ok(
          new RegExp(`(^|[\\s,])${flag}(?![\\w-])`, 'm').test(helpOf(name)) ||
            hiddenFlags.includes(`'${flag.slice(2)}`),
          `${document}: kube-relay ${name} has ${flag}`,
        )
      }
    }
  }
  t.ok(flags > 20, `${flags} flags`)
})

void test('every npm script in the documents exists', async t => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>
  }
  let named = 0
  for (const document of documents) {
    for (const [, script = ''] of readDocument(document).matchAll(/npm run (?:--silent )?([a-z][\w:-]*)/g)) {
      named++
      t.ok(Object.hasOwn(scripts, script), `${document}: npm run ${script}`)
    }
  }
  t.ok(named > 5)
})

interface Outcome {
  readonly code: number | null
  readonly output: string
}

/** Commands as they stand in the documents, by the first words of which they were run. */
const ran = new Set<string>()

interface Typed {
  /** Resolves once the output matches. */
  prints(pattern: RegExp): Promise<void>
  stop(): Promise<Outcome>
  readonly ended: Promise<Outcome>
}

/** What a reader puts in for a placeholder. */
type Replacements = Readonly<Record<string, string>>

class Shell {
  readonly #t: Test
  readonly #folder: string
  readonly #env: Readonly<Record<string, string>>

  constructor(t: Test, folder: string) {
    this.#t = t
    this.#folder = folder
    mkdirSync(`${folder}/bin`)
    writeFileSync(`${folder}/bin/kube-relay`, `#!/bin/sh\nexec '${process.execPath}' '${entry}' "$@"\n`)
    chmodSync(`${folder}/bin/kube-relay`, 0o755)
    this.#env = {
      ...compileCache,
      STATE_DIRECTORY: `${folder}/state`,
      NODE_NAME: 'node-1',
      KUBECONFIG: '',
      NODE_OPTIONS: '',
    }
  }

  /**
   * Types a command of the documents. It runs as it stands there, but for the replacements, in a mount namespace of its
   * own, so that /run/netns and /var/log are nobody else's.
   */
  type(command: string, replacements: Replacements = {}, env: Readonly<Record<string, string>> = {}): Typed {
    ran.add(command)
    let text = command
    for (const [placeholder, value] of Object.entries(replacements))
      text = text.replaceAll(placeholder, value)
    const script = `mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log && mkdir /var/log/kube-relay && ${text}`
    const child = spawn('unshare', ['--mount', 'bash', '-c', script], {
      cwd: this.#folder,
      env: { ...process.env, ...this.#env, ...env, PATH: `${this.#folder}/bin:${process.env['PATH']}` },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: a stop reaches all of it.
      detached: true,
    })
    let output = ''
    const listeners = new Set<() => void>()
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk
        for (const listener of listeners) listener()
      })
    }
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, output }))
    const signal = (name: NodeJS.Signals): void => {
      try {
        process.kill(-(child.pid ?? 0), name)
      } catch {
        // It has ended.
      }
    }
    this.#t.teardown(() => signal('SIGKILL'))
    return {
      ended,
      prints: pattern =>
        new Promise((resolve, reject) => {
          const look = (): void => void (pattern.test(output) && resolve())
          listeners.add(look)
          look()
          void ended.then(() => reject(new Error(`${text} has ended before it said ${pattern}: ${output}`)))
        }),
      stop: async () => {
        signal('SIGTERM')
        return await ended
      },
    }
  }

  /** Types one that ends by itself, and expects it to go well. */
  async run(command: string, replacements: Replacements = {}): Promise<string> {
    const { code, output } = await this.type(command, replacements).ended
    this.#t.equal(code, 0, `${command}: ${output}`)
    return output
  }
}

const webIp = '127.97.0.10'
const web = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    type: 'NodePort',
    clusterIP: webIp,
    ports: [
      { name: 'http', port: 80, nodePort: 30_008 },
      { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30_009 },
    ],
  },
}

const skip = missingForOwnNetwork() ?? false

void test('the commands that are run here', { skip, timeout: 600_000 }, async t => {
  enterOwnNetwork()
  const folder = temporaryFolder(t)
  const shell = new Shell(t, folder)

  await t.test('without a cluster: dev, with its pods and names', async t => {
    // What else it needs for the second command is said around it.
    const dev = shell.type('kube-relay dev', {
      'kube-relay dev': 'kube-relay dev --dns-address 127.0.0.1:5353',
    })
    await dev.prints(/Ctrl-C/)
    t.match(await shell.run('curl 127.0.0.1:30008'), /myapp-front-end-\d/)
    if (spawnSync('dig', ['-v']).error === undefined) {
      t.match(
        await shell.run('dig +short @127.0.0.1 -p 5353 myapp-service.default.svc.cluster.local'),
        /^127\.96\.\d+\.\d+\n$/,
      )
    } else ran.add('dig +short @127.0.0.1 -p 5353 myapp-service.default.svc.cluster.local')
    t.equal((await dev.stop()).code, 0)
  })

  await t.test('without a cluster: manifests', async t => {
    for (const command of [
      'kube-relay run --manifests DIR',
      'kube-relay run --manifests DIR --data-file FILE',
    ]) {
      const agent = shell.type(command, { DIR: path.join(root, 'examples'), FILE: `${folder}/data` })
      await agent.prints(/synced/)
      t.match(await shell.run('kube-relay status'), /myapp-service/)
      t.equal((await agent.stop()).code, 0, command)
    }
    t.ok(existsSync(`${folder}/data`))
  })

  const controlPlane = await startControlPlane({
    host: '127.0.0.1',
    port: 0,
    serviceCidrs: ['127.97.0.0/16'],
    nodeName: 'node-1',
    log: silentLog,
  })
  t.teardown(() => controlPlane.close())
  const kubeconfig = `${folder}/kubeconfig`
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: controlPlane.url } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: '' } }],
      'current-context': 'c',
    }),
  )

  await t.test('for a cluster: check, run, status, reload', async t => {
    await shell.run('kube-relay check --no-api')
    t.match(await shell.run('kube-relay check --kubeconfig FILE', { FILE: kubeconfig }), /0 failed/)
    const agent = shell.type('kube-relay run --kubeconfig FILE', { FILE: kubeconfig })
    await agent.prints(/synced/)
    t.match(await shell.run('kube-relay status'), /node node-1 .* synced/)
    t.match(JSON.parse(await shell.run('kube-relay status -o json')), { node: 'node-1', synced: true })
    controlPlane.apply(web)
    const watched = shell.type('kube-relay status --watch')
    await watched.prints(/default +web .*refusing/)
    await watched.stop()
    t.match(await shell.run('kube-relay status default/web'), /default\/web/)
    t.match(await shell.run('kube-relay status default/web:http'), /default\/web/)
    t.match(await shell.run('kube-relay explain 10.96.0.10:80', { '10.96.0.10': webIp }), /default\/web/)
    for (const [command, replacements] of [
      ['kube-relay explain 10.96.0.10:53 --protocol udp', { '10.96.0.10': webIp }],
      ['kube-relay explain 192.168.0.1:30008 --client 203.0.113.7', { '192.168.0.1': '127.0.0.1' }],
    ] as const) {
      t.match(await shell.run(command, replacements), /default\/web/)
    }
    t.match(await shell.run('kube-relay reload'), /^reloaded/)
    t.equal((await agent.stop()).code, 0)
  })

  await t.test('for a cluster: other flags', async t => {
    mkdirSync(`${folder}/kube-proxy`)
    const config = readFileSync(path.join(root, 'test/config/kubeadm.conf'), 'utf8')
    const own = config.replace(/kubeconfig: .*/, `kubeconfig: ${kubeconfig}`)
    t.not(own, config)
    writeFileSync(`${folder}/kube-proxy/config.conf`, own)
    for (const [command, replacements] of [
      [
        'kube-relay run --config /var/lib/kube-proxy/config.conf --hostname-override "$NODE_NAME"',
        { '/var/lib/kube-proxy': `${folder}/kube-proxy` },
      ],
      ['kube-relay run --vip-exclude 192.168.10.0/24,10.244.0.0/16', {}],
      ['kube-relay run --access-log /var/log/kube-relay/access.log', {}],
      ['kube-relay run --access-log - --access-log-format text', {}],
    ] as const) {
      const agent = shell.type(command, replacements, { KUBECONFIG: kubeconfig })
      await agent.prints(/synced/)
      t.match(await shell.run('kube-relay status'), /node node-1 .* synced/, command)
      t.equal((await agent.stop()).code, 0, command)
    }
  })

  await t.test("what an administrator does to the node's network", async t => {
    await shell.run('sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2')
    spawnSync('ip', ['route', 'add', 'local', '10.96.0.10', 'dev', 'lo', 'proto', '143', 'table', 'local'])
    t.match(await shell.run('ip route show table all proto 143'), /local 10\.96\.0\.10/)
    await shell.run('for family in -4 -6; do ip $family route flush table local proto 143; done')
    t.equal(await shell.run('ip route show table all proto 143'), '', 'they are gone')
    // With a namespace as kube-relay makes it, in this command's own /run.
    const make =
      'ip netns add kube-relay && ip -n kube-relay link set lo up && ' +
      'ip -n kube-relay route add local 10.96.0.10 dev lo proto 143 table local && ' +
      'ip link add krelay0 type veth peer name eth0 netns kube-relay && '
    const look = 'ip -n kube-relay route show table local proto 143'
    t.match(
      await shell.run(look, { [look]: `${make}${look}; ip link delete krelay0` }),
      /^local 10\.96\.0\.10/,
    )
    const remove = 'ip link delete krelay0; ip netns delete kube-relay'
    await shell.run(remove, { [remove]: `${make}${remove}` })
    t.notMatch(spawnSync('ip', ['link'], { encoding: 'utf8' }).stdout, /krelay0/, 'it is gone')
  })

  const wanted = Object.keys(held).filter(command => held[command] === 'here')
  t.strictSame([...ran].toSorted(), wanted.toSorted(), 'all that the table says, and no other')
})
