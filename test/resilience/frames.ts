// The bytes that clients and endpoints exchange: a request of 16 bytes, and a response with the same bytes and the
// IPv4 address that the endpoint was reached at, so that a client knows who has answered.

/** Where every endpoint answers requests, echoes bulk data, and answers datagrams. */
export const requestPort = 8080
export const echoPort = 8081
export const datagramPort = 8082

export const requestSize = 16
export const responseSize = 20

/** A request, or a datagram: whose it is, and which one. */
export function requestFrame(sender: number, number: number): Buffer {
  const frame = Buffer.allocUnsafe(requestSize)
  frame.writeDoubleLE(sender, 0)
  frame.writeDoubleLE(number, 8)
  return frame
}

export function responseFrame(request: Buffer, address: Buffer): Buffer {
  return Buffer.concat([request, address], responseSize)
}

export function numberOf(frame: Buffer): number {
  return frame.readDoubleLE(8)
}

/** The endpoint's IPv4 address in a response to exactly this request, or null if it is an answer to something else. */
export function endpointOf(response: Buffer, request: Buffer): string | null {
  if (response.length !== responseSize || request.compare(response, 0, requestSize) !== 0) return null
  return [...response.subarray(requestSize)].join('.')
}

export function addressBytes(ip: string): Buffer {
  return Buffer.from(
    ip
      .replace(/^::ffff:/, '')
      .split('.')
      .map(Number),
  )
}
