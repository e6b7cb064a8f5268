// Which contestants there are, by the names that --contestants takes.

import { RelayError } from '../../lib/model/error.ts'
import { closest } from '../../lib/model/closest.ts'
import type { Contestant } from '../contestant.ts'
import { contestantFromFile } from './definition-file.ts'
import { direct } from './direct.ts'
import { haproxy } from './haproxy.ts'
import { kubeRelay } from './kube-relay.ts'
import { nginx } from './nginx.ts'
import { pipe } from './pipe.ts'
import { socat } from './socat.ts'

type Maker = (options: readonly string[]) => Contestant

const makers: Readonly<Record<string, Maker>> = {
  direct: withoutOptions(direct),
  pipe: withoutOptions(pipe),
  'kube-relay': kubeRelay,
  haproxy,
  nginx: withoutOptions(nginx),
  socat: withoutOptions(socat),
}

/** Those that come with the benchmark, in the order in which they are shown. */
export const contestantNames: readonly string[] = Object.keys(makers)

/**
 * By name ("haproxy"), name and options ("kube-relay:workers=2") or the path of a definition file ("./rinetd.yaml").
 *
 * @throws INVALID_CONFIG that says what there is.
 */
export function contestantOf(text: string): Contestant {
  if (text.includes('/') || /\.ya?ml$/.test(text)) return contestantFromFile(text)
  const [name = '', ...options] = text.split(':')
  const maker = Object.hasOwn(makers, name) ? makers[name] : undefined
  if (maker !== undefined) return maker(options)
  const guess = closest(name, contestantNames)
  throw new RelayError(
    'INVALID_CONFIG',
    `there is no contestant "${text}"${guess === undefined ? '' : `, did you mean ${guess}?`} ` +
      `Expected ${contestantNames.join(', ')}, or the path of a definition file such as ./name.yaml`,
  )
}

function withoutOptions(contestant: Contestant): Maker {
  return ([option]) => {
    if (option === undefined) return contestant
    throw new RelayError('INVALID_CONFIG', `${contestant.name}:${option}: ${contestant.name} has no variants`)
  }
}
