// npm run build:binary: kube-relay as a single executable, with Node.js and everything else inside. The program and its
// packages become one module, which the Node.js that runs this script appends to a copy of itself. Beside it: where it
// comes from (provenance.json), and checksums.
//
//   node packaging/binary.ts [--out FOLDER]        the folder is build/ unless given

import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  createReadStream,
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
import { constants, createGzip } from 'node:zlib'
import { build } from 'esbuild'
import { sha256Of, writeChecksums } from './checksums.ts'

export const root = path.join(import.meta.dirname, '..')
export const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly devDependencies: Readonly<Record<string, string>>
}

export const usualOut = path.join(root, 'build')
const binaryName = 'kube-relay'
const bundleName = 'kube-relay.mjs'
/** Beside the binary: the licenses of the packages in it. */
export const licensesName = 'third-party-licenses.txt'

/** Where a binary comes from: what is needed to make the same one again, or to see that it is what it says. */
export interface Provenance {
  readonly name: string
  readonly version: string
  /** Of the sources; null: they were not from a git checkout. */
  readonly commit: string | null
  /** Whether files differed from that commit; null where there is none. */
  readonly modified: boolean | null
  readonly platform: string
  readonly node: { readonly version: string; readonly sha256: string }
  readonly bundler: string
  readonly files: Readonly<Record<'package-lock.json' | 'bundle' | 'kube-relay', { readonly sha256: string }>>
}

/**
 * Builds it in a folder and returns its path. A program that runs may be the one that is replaced: the new one takes its
 * name in one step.
 */
export async function buildBinary(out: string): Promise<string> {
  failUnlessPinned()
  mkdirSync(out, { recursive: true })
  const work = mkdtempSync(path.join(tmpdir(), 'kube-relay-binary-'))
  try {
    const bundle = path.join(work, bundleName)
    const packages = await writeBundle(bundle)
    appendToNode(work)
    const target = path.join(out, binaryName)
    copyFileSync(path.join(work, binaryName), `${target}.new`)
    renameSync(`${target}.new`, target)
    const provenance = JSON.stringify(await provenanceOf(target, bundle), null, 2)
    writeFileSync(path.join(out, 'provenance.json'), `${provenance}\n`)
    writeFileSync(path.join(out, licensesName), licensesOf(packages))
    await writeChecksums(out)
    return target
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** What is inside is what the tests ran on. */
function failUnlessPinned(): void {
  const pinned = manifest.devDependencies['node']
  if (process.versions.node !== pinned) {
    throw new Error(
      `the binary is built with Node.js ${pinned}, this is ${process.versions.node}: npm ci && npm run build:binary`,
    )
  }
}

/**
 * One ES module; its modules are evaluated when they are first imported, as from the source tree. Resolves with the
 * folders of the packages in it.
 */
async function writeBundle(outfile: string): Promise<readonly string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['cmd/kube-relay.ts'],
    outfile,
    bundle: true,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    // For the CommonJS packages among them, which load Node's own modules by `require`.
    banner: {
      js: "import { createRequire as $createRequire } from 'node:module'\nconst require = $createRequire(import.meta.url)",
    },
  })
  const folders = Object.keys(metafile.inputs).flatMap(
    file => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? [],
  )
  return [...new Set(folders)].sort()
}

/** @throws for a package that comes without its license. */
function licensesOf(packages: readonly string[]): string {
  const texts = packages.map(folder => {
    const { name, version, license } = JSON.parse(
      readFileSync(path.join(root, folder, 'package.json'), 'utf8'),
    ) as { readonly name: string; readonly version: string; readonly license: string }
    const files = readdirSync(path.join(root, folder)).filter(file => /^(licen[cs]e|notice)/i.test(file))
    if (license === undefined && files.length === 0) throw new Error(`${folder} says nothing of its license`)
    const text = files.map(file => readFileSync(path.join(root, folder, file), 'utf8').trim())
    return [`== ${name} ${version}: ${license}`, ...text].join('\n\n')
  })
  return `${texts.join('\n\n')}\n`
}

function appendToNode(work: string): void {
  const examples = readdirSync(path.join(root, 'examples')).sort()
  const inside = ['package.json', ...examples.map(name => `examples/${name}`)]
  // The names of main and output end up in it: relative ones don't depend on the folder.
  const settings = {
    main: bundleName,
    mainFormat: 'module',
    output: binaryName,
    disableExperimentalSEAWarning: true,
    // Compiled already: nearly half of the time of a worker's start otherwise.
    useCodeCache: true,
    assets: Object.fromEntries(inside.map(name => [name, path.join(root, name)])),
  }
  writeFileSync(path.join(work, 'sea.json'), JSON.stringify(settings))
  // With a seed of its own, V8's hashes and so its cache of compiled code are the same each time.
  execFileSync(process.execPath, ['--random-seed=1', '--build-sea', 'sea.json'], {
    cwd: work,
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

async function provenanceOf(binary: string, bundle: string): Promise<Provenance> {
  const [node, lock, ofBundle, ofBinary] = await Promise.all(
    [process.execPath, path.join(root, 'package-lock.json'), bundle, binary].map(sha256Of),
  )
  const commit = git('rev-parse', 'HEAD')
  const status = git('status', '--porcelain')
  const { version: bundler } = JSON.parse(
    readFileSync(path.join(root, 'node_modules/esbuild/package.json'), 'utf8'),
  ) as { version: string }
  return {
    name: manifest.name,
    version: manifest.version,
    commit,
    modified: status === null ? null : status !== '',
    platform: `${process.platform}-${process.arch}`,
    node: { version: process.versions.node, sha256: node ?? '' },
    bundler: `esbuild ${bundler}`,
    files: {
      'package-lock.json': { sha256: lock ?? '' },
      bundle: { sha256: ofBundle ?? '' },
      'kube-relay': { sha256: ofBinary ?? '' },
    },
  }
}

function git(...args: readonly string[]): string | null {
  try {
    return execFileSync('git', args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return null
  }
}

async function gzippedBytes(file: string): Promise<number> {
  let bytes = 0
  const gzip = createReadStream(file).pipe(createGzip({ level: constants.Z_BEST_SPEED }))
  for await (const chunk of gzip) bytes += (chunk as Buffer).length
  return bytes
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: 'string', default: usualOut } } })
  const binary = await buildBinary(path.resolve(values.out))
  const sizes = `${megabytes(statSync(binary).size)}, ${megabytes(await gzippedBytes(binary))} gzipped`
  process.stdout.write(`${path.relative(process.cwd(), binary)}: ${sizes}\n`)
}
