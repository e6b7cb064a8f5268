// An event as events.k8s.io/v1 wants it (k8s.io/api/events/v1 and its validation): names, lengths and times.

import type { ObjectEvent } from '../model/object-event.ts'

export const reportingController = 'kube-relay'

/** The API server refuses longer ones. */
const maxNoteBytes = 1024
const maxInstanceLength = 128
const maxNameLength = 253

/** Names the events of one process. Two of a name are a conflict, and the second one would be lost. */
export class EventNames {
  readonly #wallClock: () => number
  readonly #random: () => number
  #last = 0n

  /** `wallClock` is in milliseconds since 1970, `random` uniform in [0, 1). */
  constructor(wallClock: () => number, random: () => number) {
    this.#wallClock = wallClock
    this.#random = random
  }

  /** "name.17c5f0…", as client-go has it: the time in hexadecimal nanoseconds. What a millisecond lacks is random. */
  next(name: string): string {
    const now = BigInt(Math.trunc(this.#wallClock())) * 1_000_000n + BigInt(Math.trunc(this.#random() * 1e6))
    this.#last = now > this.#last ? now : this.#last + 1n
    const suffix = `.${this.#last.toString(16)}`
    return `${name.slice(0, maxNameLength - suffix.length).replace(/[-.]+$/, '')}${suffix}`
  }
}

export interface EventBody {
  readonly apiVersion: 'events.k8s.io/v1'
  readonly kind: 'Event'
  readonly metadata: { readonly namespace: string; readonly name: string }
  readonly [field: string]: unknown
}

/** The object to create. An event about a cluster-scoped object goes to the namespace `default`. */
export function eventObject(
  event: ObjectEvent,
  { name, reportingInstance, nowMs }: { name: string; reportingInstance: string; nowMs: number },
): EventBody {
  const { apiVersion, kind, namespace, name: regardingName, uid } = event.regarding
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace: namespace === '' ? 'default' : namespace, name },
    eventTime: microTime(nowMs),
    reportingController,
    reportingInstance: reportingInstance.slice(0, maxInstanceLength),
    action: event.action,
    reason: event.reason,
    regarding: {
      apiVersion,
      kind,
      name: regardingName,
      ...(namespace !== '' && { namespace }),
      ...(uid !== '' && { uid }),
    },
    note: shortenBytes(event.note, maxNoteBytes),
    type: event.type,
  }
}

/** RFC 3339 with six digits behind the second, of which a millisecond clock has three. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}

/** At most so many bytes of UTF-8, cut between characters. */
function shortenBytes(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text
  const ellipsis = '…'
  const kept = Buffer.alloc(maxBytes - Buffer.byteLength(ellipsis))
  const { read } = new TextEncoder().encodeInto(text, kept)
  return text.slice(0, read) + ellipsis
}
