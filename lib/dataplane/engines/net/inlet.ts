// The reading side of an accepted socket. A Readable that flows and holds nothing back hands each chunk to its 'data'
// listener after bookkeeping that costs more than the listener: here the chunk goes there directly, from `push`, which
// is where it comes by first. Should a Node version not call it there, 'data' brings the same chunks, only slower.

import type { Socket } from 'node:net'

/**
 * Each chunk goes to `take`, which says whether the next one may follow; if not, the socket is paused. Returns the function
 * that undoes this and leaves the socket paused.
 */
export function takeChunks(socket: Socket, take: (chunk: Buffer) => boolean): () => void {
  const onData = (chunk: Buffer): void => {
    if (!take(chunk)) socket.pause()
  }
  socket.on('data', onData)
  const push = socket.push.bind(socket)
  socket.push = (chunk: Buffer | null): boolean => {
    if (chunk === null || socket.readableFlowing !== true || socket.readableLength > 0) {
      return push(chunk)
    }
    onData(chunk)
    return true
  }
  return () => {
    Reflect.deleteProperty(socket, 'push')
    socket.off('data', onData)
    socket.pause()
  }
}
