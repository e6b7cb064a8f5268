// Whether bytes that one endpoint was sent, and didn't answer, may be sent to another. A proxy of bytes can't know
// what they do, with one exception that is worth having: a request whose method is safe by its own definition.

/** How many of a client's first bytes are kept for a replay. More than this, and there is none. */
export const maxReplayBytes = 16_384

/** GET, HEAD and OPTIONS of HTTP/1: safe methods (RFC 9110, 9.2.1), which an intermediary may repeat (9.2.2). */
const safeRequest = /^(?:GET|HEAD|OPTIONS) [^\s]+ HTTP\/1\.[01]\r\n/

/** Declares a body, which a safe request shouldn't have: not ours to judge. */
const declaresBody = /\r\n(?:content-length:\s*[1-9]|transfer-encoding:)/i

/**
 * True for nothing at all (no byte was sent, so nothing can be done twice) and for exactly one whole, safe HTTP/1
 * request. Pipelined requests are left alone: only the first of them is known to be unanswered.
 */
export function isReplayable(head: Uint8Array): boolean {
  if (head.length === 0) return true
  if (head.length > maxReplayBytes) return false
  const text = new TextDecoder('latin1').decode(head)
  const end = text.indexOf('\r\n\r\n')
  return (
    end >= 0 &&
    end + 4 === text.length &&
    safeRequest.test(text) &&
    !declaresBody.test(text.slice(0, end + 2))
  )
}
