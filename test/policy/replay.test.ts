import { test } from 'tap'
import { isReplayable, maxReplayBytes } from '../../lib/policy/replay.ts'

const cases: readonly { readonly name: string; readonly head: string; readonly replayable: boolean }[] = [
  { name: 'nothing at all', head: '', replayable: true },
  { name: 'a GET', head: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', replayable: true },
  { name: 'a GET of HTTP/1.0', head: 'GET /x?y=z HTTP/1.0\r\n\r\n', replayable: true },
  { name: 'a HEAD', head: 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', replayable: true },
  { name: 'OPTIONS', head: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', replayable: true },
  { name: 'content-length 0', head: 'GET / HTTP/1.1\r\ncontent-length: 0\r\n\r\n', replayable: true },
  { name: 'a POST', head: 'POST / HTTP/1.1\r\nHost: a\r\n\r\n', replayable: false },
  { name: 'a PUT, which is idempotent but not safe', head: 'PUT / HTTP/1.1\r\n\r\n', replayable: false },
  { name: 'a DELETE', head: 'DELETE / HTTP/1.1\r\n\r\n', replayable: false },
  { name: 'part of a GET', head: 'GET / HTTP/1.1\r\nHost: a\r\n', replayable: false },
  { name: 'two pipelined GETs', head: 'GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n', replayable: false },
  { name: 'a GET and the start of a POST', head: 'GET / HTTP/1.1\r\n\r\nPOST', replayable: false },
  { name: 'a GET with a body', head: 'GET / HTTP/1.1\r\nContent-Length: 4\r\n\r\n', replayable: false },
  { name: 'a chunked GET', head: 'GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n', replayable: false },
  { name: 'the preface of HTTP/2', head: 'PRI * HTTP/2.0\r\n\r\n', replayable: false },
  { name: 'a lower-case get, which is another protocol', head: 'get key\r\n\r\n', replayable: false },
  { name: 'a GET of HTTP/0.9', head: 'GET /\r\n\r\n', replayable: false },
  { name: 'a method that begins like one', head: 'GETX / HTTP/1.1\r\n\r\n', replayable: false },
  { name: 'TLS', head: '\x16\x03\x01\x02\x00\x01', replayable: false },
  {
    name: 'one that is larger than what is kept',
    head: `GET / HTTP/1.1\r\nA: ${'a'.repeat(maxReplayBytes)}\r\n\r\n`,
    replayable: false,
  },
]

void test('what may be sent to another endpoint', async t => {
  for (const { name, head, replayable } of cases) t.equal(isReplayable(Buffer.from(head)), replayable, name)
})
