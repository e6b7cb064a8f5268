// npm run build:image: a container image as an OCI archive, which podman, skopeo, umoci and containerd's ctr read. No registry
// and no container engine takes part: its two layers are a small Debian that mmdebstrap makes, or a root file system of one's
// own, and the single executable.
//
//   node packaging/image.ts [--out FOLDER] [--base ROOTFS.tar] [--binary FILE]

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  createReadStream,
  createWriteStream,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { createGzip } from 'node:zlib'
import { buildBinary, licensesName, manifest, megabytes, root, usualOut } from './binary.ts'
import { writeChecksums } from './checksums.ts'

export interface ImageOptions {
  /** Where the archive and what it is made of are left. */
  readonly out: string
  /** An uncompressed tar of a root file system; null: one is made by mmdebstrap. */
  readonly base: string | null
  /** A single executable; null: it is built. */
  readonly binary: string | null
}

export interface Image {
  readonly archive: string
  /** "kube-relay:VERSION" */
  readonly name: string
  /** Of the layers, as they are stored and transferred, and on disk. */
  readonly compressedBytes: number
  readonly unpackedBytes: number
}

interface Blob {
  readonly digest: string
  readonly size: number
}

interface Layer extends Blob {
  /** Of the layer before its compression. */
  readonly diffId: string
  readonly unpackedBytes: number
}

/** What the program is linked with, and the programs that it and its `check` run: ip, ss, unshare, nsenter, mount, sh. */
const packages = [
  'base-files',
  'dash',
  'iproute2',
  'libatomic1',
  'libc6',
  'libgcc-s1',
  'libstdc++6',
  'mount',
  'util-linux',
]
const suite = 'bookworm'
const unneeded = ['man', 'locale', 'info', 'bash-completion', 'doc', 'lintian'].map(
  each => `/usr/share/${each}/*`,
)

/**
 * Run in the new tree. No maintainer script runs there, so there is no list of packages either: scanners for known
 * vulnerabilities read the one in status.d. Nobody needs to become somebody else in it.
 */
const finishTree = `set -e
mkdir -p "$1/var/lib/dpkg/status.d"
for deb in "$1"/var/cache/apt/archives/*.deb; do
  dpkg-deb --field "$deb" >"$1/var/lib/dpkg/status.d/$(dpkg-deb --field "$deb" Package)"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$1/etc/passwd"
echo 'root:x:0:' >"$1/etc/group"
find "$1" -xdev -type f -perm /6000 -exec chmod ug-s {} +`

const architectures: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: 'amd64', arm64: 'arm64' }

export async function buildImage({ out, base, binary }: ImageOptions): Promise<Image> {
  mkdirSync(out, { recursive: true })
  const program = binary ?? (await buildBinary(out))
  const work = mkdtempSync(path.join(tmpdir(), 'kube-relay-image-'))
  try {
    const layout = path.join(work, 'layout')
    mkdirSync(path.join(layout, 'blobs/sha256'), { recursive: true })
    const layers = [
      await addLayer(layout, createReadStream(base ?? makeBase(work))),
      await addLayer(layout, programLayer(work, program)),
    ]
    const { name, version } = manifest
    writeLayout(layout, `${name}:${version}`, layers)
    const archive = path.join(out, `${name}-${version}-image.tar`)
    // Under its name only when it is whole.
    execFileSync('tar', [
      '-C',
      layout,
      '-cf',
      `${archive}.new`,
      ...reproducible,
      'oci-layout',
      'index.json',
      'blobs',
    ])
    renameSync(`${archive}.new`, archive)
    await writeChecksums(out)
    return {
      archive,
      name: `${name}:${version}`,
      compressedBytes: total(layers.map(({ size }) => size)),
      unpackedBytes: total(layers.map(({ unpackedBytes }) => unpackedBytes)),
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** A Debian with next to nothing in it, as a tar file. */
function makeBase(work: string): string {
  const target = path.join(work, 'base.tar')
  const options = [
    '--quiet',
    '--variant=extract',
    `--include=${packages.join(',')}`,
    ...unneeded.map(each => `--dpkgopt=path-exclude=${each}`),
    '--dpkgopt=path-include=/usr/share/doc/*/copyright',
    `--extract-hook=${finishTree}`,
  ]
  try {
    execFileSync('mmdebstrap', [...options, suite, target], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, SOURCE_DATE_EPOCH: epoch },
    })
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'mmdebstrap is missing' : 'mmdebstrap failed'
    throw new Error(`${why}: apt-get install mmdebstrap, or give a root file system with --base`, {
      cause: error,
    })
  }
  return target
}

/** The executable, its licence and those of what is inside, and where it comes from, as a stream of tar. */
function programLayer(work: string, program: string): Readable {
  const tree = path.join(work, 'program')
  const about = path.join(tree, 'usr/share/doc/kube-relay')
  for (const folder of [about, path.join(tree, 'usr/bin'), path.join(tree, 'var/lib/kube-relay')]) {
    mkdirSync(folder, { recursive: true })
  }
  cpSync(program, path.join(tree, 'usr/bin/kube-relay'))
  copyFileSync(path.join(root, 'LICENSE'), path.join(about, 'LICENSE'))
  for (const name of ['provenance.json', licensesName]) {
    const beside = path.join(path.dirname(program), name)
    if (existsSync(beside)) copyFileSync(beside, path.join(about, name))
  }
  const tar = spawn('tar', ['-C', tree, '-cf', '-', ...reproducible, 'usr', 'var'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  void once(tar, 'close').then(([code]) => {
    if (code !== 0) tar.stdout.destroy(new Error(`tar ended with status ${code}`))
  })
  return tar.stdout
}

/** The same files make the same bytes, whoever packs them. */
const epoch = process.env['SOURCE_DATE_EPOCH'] ?? '0'
const reproducible = [
  '--sort=name',
  '--format=gnu',
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  `--mtime=@${epoch}`,
  '--mode=u=rwX,go=rX',
]

async function addLayer(layout: string, tar: Readable): Promise<Layer> {
  const before = meter()
  const after = meter()
  const file = path.join(layout, 'blobs/layer')
  await pipeline(tar, before.stream, createGzip(), after.stream, createWriteStream(file))
  const { digest, size } = after.result()
  renameSync(file, blobPath(layout, digest))
  const { digest: diffId, size: unpackedBytes } = before.result()
  return { digest, size, diffId, unpackedBytes }
}

/** Passes everything on, and knows the digest and the size of what has passed. */
function meter(): { readonly stream: Transform; result(): Blob } {
  const hash = createHash('sha256')
  let size = 0
  const stream = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk)
      size += chunk.length
      done(null, chunk)
    },
  })
  return { stream, result: () => ({ digest: `sha256:${hash.digest('hex')}`, size }) }
}

function blobPath(layout: string, digest: string): string {
  return path.join(layout, 'blobs', ...digest.split(':'))
}

function addJson(layout: string, value: unknown): Blob {
  const text = JSON.stringify(value)
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`
  writeFileSync(blobPath(layout, digest), text)
  return { digest, size: Buffer.byteLength(text) }
}

/** Image format 1.0: https://github.com/opencontainers/image-spec/blob/v1.0.2/image-layout.md */
function writeLayout(layout: string, name: string, layers: readonly Layer[]): void {
  const architecture = architectures[process.arch]
  if (architecture === undefined) throw new Error(`an image for ${process.arch} isn't known here`)
  const platform = { architecture, os: 'linux' }
  const created = new Date(Number(epoch) * 1000).toISOString()
  const config = addJson(layout, {
    created,
    ...platform,
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      Entrypoint: ['/usr/bin/kube-relay'],
      Cmd: ['run'],
      WorkingDir: '/',
      Labels: {
        'org.opencontainers.image.title': manifest.name,
        'org.opencontainers.image.description': manifest.description,
        'org.opencontainers.image.version': manifest.version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: [`Debian ${suite}: ${packages.join(' ')}`, name].map(each => ({ created, created_by: each })),
  })
  const media = 'application/vnd.oci.image'
  const manifestBlob = addJson(layout, {
    schemaVersion: 2,
    mediaType: `${media}.manifest.v1+json`,
    config: { mediaType: `${media}.config.v1+json`, ...config },
    layers: layers.map(({ digest, size }) => ({ mediaType: `${media}.layer.v1.tar+gzip`, digest, size })),
  })
  const tag = name.slice(name.indexOf(':') + 1)
  const annotations = {
    'org.opencontainers.image.ref.name': tag,
    // What `ctr images import` calls it, so that the kubelet finds it as "kube-relay:VERSION".
    'io.containerd.image.name': `docker.io/library/${name}`,
  }
  const entry = { mediaType: `${media}.manifest.v1+json`, ...manifestBlob, platform, annotations }
  writeFileSync(path.join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  writeFileSync(path.join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0)
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: usualOut },
      base: { type: 'string' },
      binary: { type: 'string' },
    },
  })
  const { archive, name, compressedBytes, unpackedBytes } = await buildImage({
    out: path.resolve(values.out),
    base: values.base ?? null,
    binary: values.binary ?? null,
  })
  const sizes = `${megabytes(compressedBytes)} compressed, ${megabytes(unpackedBytes)} unpacked`
  const file = `${path.relative(process.cwd(), archive)} (${megabytes(statSync(archive).size)})`
  process.stdout.write(`${file}: ${name}, ${sizes}\n`)
}
