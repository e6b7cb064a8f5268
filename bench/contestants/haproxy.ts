// HAProxy in TCP mode: as many threads as everyone gets, no logging. It sets TCP_NODELAY by itself. Bytes go through its
// buffers, as they do by default; "haproxy:splice" lets the kernel move them, which is said in its description.

import { RelayError } from '../../lib/model/error.ts'
import type { ConfigFile, Contestant, Setup } from '../contestant.ts'
import { agentOnly } from './agent-only.ts'
import { commandLine, folderPlaceholder, onDisk } from './command-line.ts'
import { connectionLimit } from './descriptors.ts'
import { findProgram, outputOf } from './find-program.ts'
import { launch } from './launch.ts'

const configName = 'haproxy.cfg'
const missing = 'apt install haproxy'
/** Of two descriptors each: the directions in which the kernel may be moving bytes at a time. */
const pipes = 1000

/** `options`: what follows "haproxy:" in the name. @throws INVALID_CONFIG for anything but "splice". */
export function haproxy(options: readonly string[] = []): Contestant {
  const unknown = options.find(option => option !== 'splice')
  if (unknown !== undefined) {
    throw new RelayError('INVALID_CONFIG', `haproxy has no variant "${unknown}": there is haproxy:splice`)
  }
  const splice = options.length > 0
  const name = splice ? 'haproxy:splice' : 'haproxy'
  const config = (setup: Setup): readonly ConfigFile[] => [
    { name: configName, text: configText(setup, splice) },
    commandLine(commandOf(folderPlaceholder)),
  ]
  return {
    name,
    describe: splice
      ? 'HAProxy in TCP mode, the kernel moves the bytes (option splice-auto)'
      : 'HAProxy in TCP mode, without splicing (its default)',
    excused: { 'udp-rr': 'HAProxy proxies no UDP', ...agentOnly },
    async find() {
      const program = findProgram('haproxy')
      const said = program === null ? null : await outputOf([program, '-v'])
      const version = /version (\S+)/.exec(said ?? '')?.[1]
      return version === undefined ? { missing } : { version }
    },
    config,
    start: setup =>
      launch({ name, setup, files: onDisk(config(setup)), commands: folder => [commandOf(folder)] }),
  }
}

/** -db: in the foreground, whatever the configuration says. */
function commandOf(folder: string): readonly string[] {
  return [findProgram('haproxy') ?? 'haproxy', '-db', '-f', `${folder}/${configName}`]
}

function configText({ routes, threads }: Setup, splice: boolean): string {
  const limit = splice ? connectionLimit(200 + 2 * pipes) : connectionLimit()
  const sections = routes
    .filter(({ protocol }) => protocol === 'TCP')
    .map(
      ({ listen, server }, index) => `
listen route-${index}
  bind ${listen.ip}:${listen.port} backlog 4096
  server server-${index} ${server.ip}:${server.port}
`,
    )
  return `global
  nbthread ${threads}
  maxconn ${limit}
${splice ? `  maxpipes ${pipes}\n` : ''}
defaults
  mode tcp
  maxconn ${limit}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option tcpka
${splice ? '  option splice-auto\n' : ''}${sections.join('')}`
}
