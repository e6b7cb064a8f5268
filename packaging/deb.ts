// npm run build:deb: the Debian package, made by dpkg-deb of the single executable, systemd's files, a man page, shell
// completion, and the maintainer scripts in debian/. The same sources make the same package.
//
//   node packaging/deb.ts [--out FOLDER] [--binary FILE] [--fast]     --fast: larger, in a quarter of the time

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { createProgram } from '../cmd/cli.ts'
import { commandTree } from '../cmd/command-tree.ts'
import { completionScripts } from '../cmd/completion-scripts.ts'
import { buildBinary, licensesName, manifest, megabytes, root, usualOut } from './binary.ts'
import { writeChecksums } from './checksums.ts'
import { manPage } from './man-page.ts'

export interface DebOptions {
  readonly out: string
  /** The single executable; null: it is built, in `out`. */
  readonly binary: string | null
  readonly fast: boolean
}

/** Debian's names of the processors that Node.js has a program for. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', ppc64: 'ppc64el' }

const maintainer = 'kube-relay <kube-relay@localhost>'

/** Resolves with its path. */
export async function buildDeb({ out, binary, fast }: DebOptions): Promise<string> {
  const architecture = architectures[process.arch]
  if (process.platform !== 'linux' || architecture === undefined) {
    throw new Error(`there is no Debian package for ${process.platform}-${process.arch}`)
  }
  mkdirSync(out, { recursive: true })
  const executable = binary ?? (await buildBinary(out))
  const seconds = sourceDate()
  const deb = path.join(out, `${manifest.name}_${manifest.version}_${architecture}.deb`)
  const tree = mkdtempSync(path.join(tmpdir(), 'kube-relay-deb-'))
  chmodSync(tree, 0o755)
  const umask = process.umask(0o022)
  try {
    await addFiles(tree, executable, new Date(seconds * 1000))
    addControl(tree, architecture)
    const compression = fast ? ['-Zgzip', '-z1'] : ['-Zxz']
    execFileSync('dpkg-deb', ['--root-owner-group', ...compression, '--build', tree, `${deb}.new`], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    renameSync(`${deb}.new`, deb)
    await writeChecksums(out)
    return deb
  } finally {
    process.umask(umask)
    rmSync(`${deb}.new`, { force: true })
    rmSync(tree, { recursive: true, force: true })
  }
}

/** When the sources are from, in seconds: SOURCE_DATE_EPOCH, else the commit, else the package's changelog. */
function sourceDate(): number {
  const given = process.env['SOURCE_DATE_EPOCH']
  if (given !== undefined) return Number(given)
  try {
    return Number(
      execFileSync('git', ['log', '-1', '--format=%ct'], {
        cwd: root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    )
  } catch {
    return Math.floor(statSync(path.join(root, 'CHANGELOG.md')).mtimeMs / 1000)
  }
}

async function addFiles(tree: string, executable: string, date: Date): Promise<void> {
  const add = (name: string, content: string | Buffer, mode = 0o644): void => {
    mkdirSync(path.join(tree, path.dirname(name)), { recursive: true, mode: 0o755 })
    writeFileSync(path.join(tree, name), content, { mode })
  }
  const source = (name: string): Buffer => readFileSync(path.join(root, name))
  const zipped = (content: string | Buffer): Buffer => gzipSync(content, { level: 9 })

  mkdirSync(path.join(tree, 'usr/bin'), { recursive: true })
  copyFileSync(executable, path.join(tree, 'usr/bin/kube-relay'))
  chmodSync(path.join(tree, 'usr/bin/kube-relay'), 0o755)

  add('usr/lib/systemd/system/kube-relay.service', source('systemd/kube-relay.service'))
  add('usr/lib/kube-relay/stopped', source('systemd/kube-relay-stopped'), 0o755)
  add('usr/lib/sysctl.d/50-kube-relay.conf', source('systemd/kube-relay.sysctl.conf'))
  add('usr/lib/sysusers.d/kube-relay.conf', source('systemd/kube-relay.sysusers.conf'))
  add('usr/lib/tmpfiles.d/kube-relay.conf', source('systemd/kube-relay.tmpfiles.conf'))
  add('etc/kube-relay/kube-relay.env', source('systemd/kube-relay.env'))
  mkdirSync(path.join(tree, 'etc/kube-relay/manifests'))
  for (const mode of ['vip-local', 'vip-none']) {
    add(`usr/share/kube-relay/${mode}.conf`, source(`systemd/${mode}.conf`))
  }

  const program = commandTree(await createProgram(['bench']))
  const day = date.toISOString().slice(0, 10)
  add(
    'usr/share/man/man8/kube-relay.8.gz',
    zipped(manPage(program, { version: manifest.version, date: day })),
  )
  add('usr/share/bash-completion/completions/kube-relay', completionScripts.bash(program))
  add('usr/share/zsh/vendor-completions/_kube-relay', completionScripts.zsh(program))
  add('usr/share/fish/vendor_completions.d/kube-relay.fish', completionScripts.fish(program))

  const documents = 'usr/share/doc/kube-relay'
  add(`${documents}/changelog.gz`, zipped(debianChangelog(date)))
  add(`${documents}/CHANGELOG.md.gz`, zipped(source('CHANGELOG.md')))
  add(`${documents}/copyright`, copyright(path.join(path.dirname(executable), licensesName)))
  for (const name of readdirSync(path.join(root, 'examples'))) {
    add(`${documents}/examples/${name}`, source(`examples/${name}`))
  }
}

/** In the form that apt-listchanges and lintian read: deb-changelog(5). */
function debianChangelog(date: Date): string {
  const when = date.toUTCString().replace('GMT', '+0000')
  return `${manifest.name} (${manifest.version}) unstable; urgency=medium

  * What has changed is in CHANGELOG.md.gz, in this folder.

 -- ${maintainer}  ${when}
`
}

/** Of kube-relay, and of everything inside its executable. */
function copyright(licenses: string): string {
  if (!existsSync(licenses)) {
    throw new Error(
      `${licenses} is missing: build the binary with packaging/binary.ts, which writes it beside it`,
    )
  }
  return `kube-relay is licensed under the Apache License, Version 2.0.

On Debian systems, the text of that license is in /usr/share/common-licenses/Apache-2.0.

/usr/bin/kube-relay contains Node.js ${process.versions.node} (https://nodejs.org), under the MIT license; its text, and those of
the libraries that Node.js contains (V8, libuv, OpenSSL, ICU and others), are at
https://github.com/nodejs/node/blob/v${process.versions.node}/LICENSE. It also contains the packages below.

${readFileSync(licenses, 'utf8')}`
}

function addControl(tree: string, architecture: string): void {
  const files = filesIn(tree, '')
  const bytes = files.reduce((sum, name) => sum + lstatSync(path.join(tree, name)).size, 0)
  const control = path.join(tree, 'DEBIAN')
  mkdirSync(control, { mode: 0o755 })
  const add = (name: string, content: string | Buffer, mode = 0o644): void =>
    writeFileSync(path.join(control, name), content, { mode })
  // What Node.js is linked with; ip makes VIPs local. The rest that is used is essential: mount, nsenter, sh.
  add(
    'control',
    `Package: ${manifest.name}
Version: ${manifest.version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: libc6 (>= 2.28), libatomic1, libgcc-s1, libstdc++6 (>= 9), iproute2
Suggests: bash-completion
Section: net
Priority: optional
Description: userspace proxy for the Services of a Kubernetes cluster
 kube-relay does kube-proxy's job without netfilter: it watches Services and
 EndpointSlices, or reads them from manifests, and proxies TCP and UDP from
 Service addresses to ready endpoints. Restarts and upgrades cost no connection.
`,
  )
  add('conffiles', '/etc/kube-relay/kube-relay.env\n')
  for (const script of ['postinst', 'prerm', 'postrm']) {
    add(script, readFileSync(path.join(root, 'packaging/debian', script)), 0o755)
  }
  const md5 = (name: string): string =>
    createHash('md5')
      .update(readFileSync(path.join(tree, name)))
      .digest('hex')
  add(
    'md5sums',
    files
      .filter(name => !name.startsWith('etc/'))
      .map(name => `${md5(name)}  ${name}\n`)
      .join(''),
  )
}

/** Their names from the root of the tree on, in order. */
function filesIn(tree: string, folder: string): readonly string[] {
  return readdirSync(path.join(tree, folder), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(each => {
      const name = path.join(folder, each.name)
      return each.isDirectory() ? filesIn(tree, name) : [name]
    })
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: usualOut },
      binary: { type: 'string' },
      fast: { type: 'boolean', default: false },
    },
  })
  const { out, binary, fast } = values
  const deb = await buildDeb({ out: path.resolve(out), binary: binary ? path.resolve(binary) : null, fast })
  process.stdout.write(`${path.relative(process.cwd(), deb)}: ${megabytes(statSync(deb).size)}\n`)
}
