// A part of the benchmark, seen from inside its process: answers calls until the channel to the benchmark closes.

import { once } from 'node:events'
import { reasonOf } from '../../lib/model/error.ts'

export interface PartQuestion {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

/** Number 0 says that the part is ready. */
export type PartAnswer =
  { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: string }

export type PartCalls = Readonly<Record<string, (argument: never) => unknown>>

/** Resolves when the benchmark is gone, or wants no more of it. */
export async function servePart(calls: PartCalls): Promise<void> {
  const answer = (message: PartAnswer): void => {
    // Its 'disconnect' ends this part.
    if (process.connected) process.send?.(message, undefined, undefined, () => {})
  }
  process.on('message', ({ id, name, argument }: PartQuestion) => {
    void callPart(calls, name, argument).then(
      result => answer({ id, result: result ?? null }),
      (error: unknown) => answer({ id, error: reasonOf(error) }),
    )
  })
  const gone = once(process, 'disconnect')
  answer({ id: 0, result: null })
  await gone
}

async function callPart(calls: PartCalls, name: string, argument: unknown): Promise<unknown> {
  const call = calls[name] as ((argument: unknown) => unknown) | undefined
  if (call === undefined) throw new TypeError(`nothing is called ${name} here`)
  return call(argument)
}
