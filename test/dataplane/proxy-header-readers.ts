// Programs that aren't ours and understand the PROXY protocol: each answers a connection with what its own parser read
// from the header, as "CLIENT:PORT FRONTEND:PORT". They come from Debian's packages.

import { spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { formatAddress } from '../../lib/model/address.ts'
import { freeAddress } from './addresses.ts'
import { until } from './until.ts'

export interface HeaderReader {
  readonly name: string
  readonly packages: string
  readonly binary: string
  readonly missing: boolean
  /** Starts it on a free address of the family, which it returns. */
  start(t: Test, ip: string): Promise<string>
}

const nginxStream = globSync('/usr/lib/nginx/modules/ngx_stream_module.so')[0]

export const headerReaders: readonly HeaderReader[] = [
  {
    name: 'haproxy',
    packages: 'haproxy',
    binary: '/usr/sbin/haproxy',
    missing: !existsSync('/usr/sbin/haproxy'),
    start: (t, ip) =>
      startProgram(t, ip, '/usr/sbin/haproxy', ['-db', '-f'], at =>
        [
          'defaults',
          '  mode http',
          '  timeout client 10s',
          '  timeout server 10s',
          '  timeout connect 10s',
          'frontend reader',
          `  bind ${at} accept-proxy`,
          '  http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[dst]:%[dst_port]"',
          '',
        ].join('\n'),
      ),
  },
  {
    name: 'nginx',
    packages: 'nginx libnginx-mod-stream',
    binary: '/usr/sbin/nginx',
    missing: !existsSync('/usr/sbin/nginx') || nginxStream === undefined,
    start: (t, ip) =>
      startProgram(t, ip, '/usr/sbin/nginx', ['-e', 'stderr', '-c'], (at, folder) =>
        [
          `load_module ${nginxStream};`,
          'daemon off;',
          'master_process off;',
          `pid ${join(folder, 'pid')};`,
          'error_log stderr;',
          'events {}',
          'stream {',
          `  server { listen ${at} proxy_protocol;`,
          '    return "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:$proxy_protocol_server_port"; }',
          '}',
          '',
        ].join('\n'),
      ),
  },
]

async function startProgram(
  t: Test,
  ip: string,
  binary: string,
  args: readonly string[],
  configure: (at: string, folder: string) => string,
): Promise<string> {
  const address = ip.includes(':') ? await freePort(ip) : freeAddress()
  const folder = t.testdir({})
  const file = join(folder, 'config')
  await writeFile(file, configure(address, folder))
  const child = spawn(binary, [...args, file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const [, host = '', port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(address) ?? []
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`${binary} ended: ${said}`)
    return await accepts(host, Number(port))
  }, `${binary} to listen`)
  return address
}

async function freePort(ip: string): Promise<string> {
  const server = net.createServer()
  await new Promise<void>(resolve => server.listen(0, ip, resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise(resolve => server.close(resolve))
  return formatAddress(ip, port)
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect({ host, port })
    socket.on('connect', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
