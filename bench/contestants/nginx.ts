// nginx's stream module: as many worker processes as everyone gets, sharing each address (reuseport) where there are
// several. It sets TCP_NODELAY by itself (tcp_nodelay on is its default). It is started with a prefix of its own.

import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import path from 'node:path'
import type { ConfigFile, Contestant, Route, Setup } from '../contestant.ts'
import { agentOnly } from './agent-only.ts'
import { commandLine, folderPlaceholder, onDisk } from './command-line.ts'
import { connectionLimit } from './descriptors.ts'
import { findProgram, outputOf } from './find-program.ts'
import { launch } from './launch.ts'

const name = 'nginx'
const configName = 'nginx.conf'

/** What this build of nginx has: null for the module's file where it is built in. */
interface Build {
  readonly version: string
  readonly modulePath: string | null
}

export const nginx: Contestant = {
  name,
  describe: "nginx's stream module",
  excused: { ...agentOnly },
  async find() {
    const build = await findBuild()
    return 'missing' in build ? build : { version: build.version }
  },
  config: setup => configFiles(setup, usualModulePath),
  async start(setup) {
    const build = await findBuild()
    const modulePath = 'missing' in build ? usualModulePath : build.modulePath
    const files = onDisk(configFiles(setup, modulePath))
    return await launch({ name, setup, files, commands: folder => [commandOf(folder)] })
  },
}

/** Where Debian has it, relative to the folder that nginx itself was built with. */
const usualModulePath = '/usr/lib/nginx/modules/ngx_stream_module.so'

async function findBuild(): Promise<Build | { readonly missing: string }> {
  const program = findProgram('nginx')
  const said = program === null ? null : await outputOf([program, '-V'])
  const version = /nginx version: \S+\/(\S+)/.exec(said ?? '')?.[1]
  if (said === null || version === undefined) return { missing: 'apt install nginx libnginx-mod-stream' }
  if (/--with-stream(?![=\w-])/.test(said)) return { version, modulePath: null }
  const folder = /--modules-path=(\S+)/.exec(said)?.[1]
  const modulePath = folder === undefined ? usualModulePath : path.join(folder, 'ngx_stream_module.so')
  return existsSync(modulePath) ? { version, modulePath } : { missing: 'apt install libnginx-mod-stream' }
}

function configFiles(setup: Setup, modulePath: string | null): readonly ConfigFile[] {
  return [
    { name: configName, text: configText(setup, modulePath) },
    commandLine(commandOf(folderPlaceholder)),
  ]
}

/** -e: before the configuration is read, errors would go to the system's log file. */
function commandOf(folder: string): readonly string[] {
  const program = findProgram('nginx') ?? 'nginx'
  return [program, '-p', folder, '-c', `${folder}/${configName}`, '-e', 'stderr']
}

function configText({ routes, threads }: Setup, modulePath: string | null): string {
  const limit = connectionLimit()
  // Root's workers would become another user, whose memory could not be read; anybody else's can't change.
  const user = process.geteuid?.() === 0 ? `user ${userInfo().username};\n` : ''
  return `${modulePath === null ? '' : `load_module ${modulePath};\n`}${user}daemon off;
worker_processes ${threads};
worker_rlimit_nofile ${2 * limit + 200};
pid nginx.pid;
error_log stderr warn;

events {
  worker_connections ${2 * limit};
}

stream {
  access_log off;
  tcp_nodelay on;
  proxy_socket_keepalive on;
  proxy_connect_timeout 5s;
${routes.map(route => serverBlock(route, threads)).join('')}}
`
}

function serverBlock({ protocol, listen, server }: Route, threads: number): string {
  // A client's datagrams have to come to one worker; for TCP, several workers would else share one queue.
  const shared = threads > 1 ? ' reuseport' : ''
  const at = `${listen.ip}:${listen.port}`
  const upstream = `proxy_pass ${server.ip}:${server.port};`
  // Without proxy_responses, a flow lives until it is silent for proxy_timeout, as a relay's does.
  return protocol === 'TCP'
    ? `
  server {
    listen ${at} backlog=4096 so_keepalive=on${shared};
    proxy_timeout 1h;
    ${upstream}
  }
`
    : `
  server {
    listen ${at} udp${shared};
    proxy_timeout 30s;
    ${upstream}
  }
`
}
