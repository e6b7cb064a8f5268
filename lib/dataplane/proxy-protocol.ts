// The PROXY protocol's header, which tells an endpoint the client's own address and the address that the client
// connected to. Version 1 is a line of text, version 2 is binary. Source: haproxy.org, proxy-protocol.txt, 2.1 and 2.2.

import ipaddr from 'ipaddr.js'
import type { Address } from '../model/address.ts'

export type ProxyProtocolVersion = 'v1' | 'v2'

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const version2Proxy = 0x21
const tcpOver4 = 0x11
const tcpOver6 = 0x21

/** The header for a TCP connection from `client` to `frontend`, both of one family. Goes before the first byte. */
export function proxyHeader(version: ProxyProtocolVersion, client: Address, frontend: Address): Buffer {
  return version === 'v1' ? textHeader(client, frontend) : binaryHeader(client, frontend)
}

function textHeader(client: Address, frontend: Address): Buffer {
  const family = client.ip.includes(':') ? 'TCP6' : 'TCP4'
  return Buffer.from(
    `PROXY ${family} ${client.ip} ${frontend.ip} ${client.port} ${frontend.port}\r\n`,
    'latin1',
  )
}

function binaryHeader(client: Address, frontend: Address): Buffer {
  const addresses = Buffer.from([
    ...ipaddr.parse(client.ip).toByteArray(),
    ...ipaddr.parse(frontend.ip).toByteArray(),
  ])
  const header = Buffer.alloc(16 + addresses.length + 4)
  signature.copy(header)
  header[12] = version2Proxy
  header[13] = client.ip.includes(':') ? tcpOver6 : tcpOver4
  header.writeUInt16BE(addresses.length + 4, 14)
  addresses.copy(header, 16)
  header.writeUInt16BE(client.port, 16 + addresses.length)
  header.writeUInt16BE(frontend.port, 18 + addresses.length)
  return header
}
