// The engines that the tests with real sockets run under, each with all of them.

import type { Engine } from '../../lib/dataplane/engine.ts'
import { createNetEngine } from '../../lib/dataplane/engines/net/net-engine.ts'

export const engines: readonly Engine[] = [createNetEngine({ vipNamespace: null })]

/** For tests in which the data plane runs in a process of its own and the engine goes there by name. */
export function engineNamed(name: string | undefined): Engine {
  const engine = engines.find(each => each.name === name)
  if (engine === undefined) throw new TypeError(`no engine ${String(name)}`)
  return engine
}
