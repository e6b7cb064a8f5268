// Reads the PROXY protocol header that a connection begins with, version 1 or 2, as a server behind a proxy does:
// https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt

import ipaddr from 'ipaddr.js'

export interface ProxyHeader {
  readonly clientIp: string
  readonly clientPort: number
  /** Of the header: what follows is the client's. */
  readonly bytes: number
}

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const textPrefix = 'PROXY '
/** Version 2's fixed part. */
const fixedBytes = 16

/** Null while some of it is missing. Throws if there is none, or none that tells the client. */
export function readProxyHeader(start: Buffer): ProxyHeader | null {
  const compared = Math.min(start.length, signature.length)
  return start.subarray(0, compared).equals(signature.subarray(0, compared))
    ? readBinary(start)
    : readText(start)
}

function readText(start: Buffer): ProxyHeader | null {
  const end = start.indexOf('\r\n')
  const prefix = start.toString('latin1', 0, Math.min(start.length, textPrefix.length))
  if (end === -1 && start.length < 108 && textPrefix.startsWith(prefix)) return null
  const line = start.toString('latin1', 0, end)
  const [, clientIp, clientPort] = /^PROXY TCP[46] (\S+) \S+ (\d+) \d+$/.exec(line) ?? []
  if (clientIp === undefined) throw new Error(`no PROXY protocol header: ${JSON.stringify(line)}`)
  return { clientIp, clientPort: Number(clientPort), bytes: end + 2 }
}

function readBinary(start: Buffer): ProxyHeader | null {
  if (start.length < fixedBytes) return null
  const bytes = fixedBytes + start.readUInt16BE(14)
  if (start.length < bytes) return null
  const ipBytes = { 0x11: 4, 0x21: 16 }[start[13] ?? 0]
  if (start[12] !== 0x21 || ipBytes === undefined) {
    throw new Error(`a PROXY protocol header without a TCP client: ${start.toString('hex', 12, 14)}`)
  }
  const ip = ipaddr.fromByteArray([...start.subarray(fixedBytes, fixedBytes + ipBytes)])
  return { clientIp: ip.toString(), clientPort: start.readUInt16BE(fixedBytes + 2 * ipBytes), bytes }
}
