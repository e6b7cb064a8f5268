// Keep-alive comes late, but it comes: to each connection that is still there, and to no other.

import { mock } from 'node:test'
import net from 'node:net'
import t from 'tap'
import { keepAliveLater } from '../../../../lib/dataplane/engines/net/keep-alive.ts'

const lookEveryMs = 30_000

void t.test('sockets get it once they are old enough', t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const set: (readonly [string, ...unknown[]])[] = []
  const socket = (name: string): net.Socket => {
    const made = new net.Socket()
    made.setKeepAlive = (...args) => {
      set.push([name, ...args])
      return made
    }
    return made
  }
  const half = [socket('closed'), socket('open')] as const
  const forget = [
    keepAliveLater([socket('client'), socket('upstream')]),
    keepAliveLater([socket('gone'), socket('gone')]),
    keepAliveLater(half),
  ]
  forget[1]?.()
  half[0].destroy()
  mock.timers.tick(lookEveryMs - 1)
  t.strictSame(set, [])
  mock.timers.tick(1)
  t.strictSame(
    set.splice(0),
    ['client', 'upstream', 'open'].map(name => [name, true, 300_000]),
  )
  for (const each of forget) each()

  const later = keepAliveLater([socket('later'), socket('later')])
  mock.timers.tick(lookEveryMs)
  t.strictSame(set.splice(0), [
    ['later', true, 300_000],
    ['later', true, 300_000],
  ])
  later()
  mock.timers.tick(2 * lookEveryMs)
  t.strictSame(set, [])
  t.end()
})
