// One client's TCP connection: dial an endpoint, relay, count. It dials without holding up anyone else, and
// the client's bytes wait in the kernel until an endpoint has answered, so a retry on another one loses nothing.

import type { Address } from '../model/address.ts'
import type { Place } from '../model/bag.ts'
import type { AccessEnd, AccessRecord, OwnReason } from '../ops/access-record.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { DialCounter } from '../ops/dial-times.ts'
import type { Log } from '../ops/log.ts'
import { isReplayable, maxReplayBytes } from '../policy/replay.ts'
import type { Conn, Dial, DialFailure, Engine, Relay, RelayEnd, RelayOptions } from './engine.ts'
import { proxyHeader } from './proxy-protocol.ts'
import type { Endable, EndpointState, FailureReason, ListName, ServiceState } from './service-state.ts'

/** How long each attempt may take. The same ladder as the userspace kube-proxy had (pkg/proxy/userspace). */
export const dialLadderMs: readonly number[] = [250, 500, 1000, 2000]

/**
 * How often a connection whose endpoint went away before it answered may begin again on another one. Once: a request
 * that kills its endpoint must not be carried from one to the next.
 */
const maxEarlyRetries = 1

/** How long peers have to close after a polite end. */
const politeEndMs = 5000

/** The share by which the greatest age of a connection varies, both ways. */
const ageJitter = 0.1

const nobody: readonly EndpointState[] = []

/** A refusal moves on at once and uses no rung; this bounds a connection against hundreds of dead endpoints. */
const maxRefusals = 32

export interface TcpContext {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  /** Whether an endpoint that dies before it has answered is replaced, where that can't do harm. */
  readonly earlyRetry: boolean
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly dialTimes: DialCounter
  /** This node, not an endpoint, couldn't open a connection: out of descriptors or memory. */
  readonly onLocalFailure: () => void
  /** Called once, when both sockets are closed. */
  readonly onClosed: (connection: TcpConnection) => void
  /** Called after that with the record that the connection was made with, if it has one. */
  readonly onEnded?: ((record: AccessRecord) => void) | undefined
}

type State =
  | { readonly name: 'dialing'; readonly dial: Dial; readonly endpoint: EndpointState }
  | { readonly name: 'waiting'; readonly timer: Timer }
  | { readonly name: 'relaying'; readonly relay: Relay; readonly endpoint: EndpointState }
  | { readonly name: 'new' | 'closed' }

export class TcpConnection {
  readonly service: ServiceState
  /** Among all connections; null: not yet. */
  place: Place<TcpConnection> | null = null
  /** Among those of the endpoint that is dialed or connected. */
  #seat: Place<Endable> | null = null
  readonly #context: TcpContext
  readonly #client: Conn
  readonly #list: ListName
  readonly #peer: Address
  /** Endpoints that refused: dead for this connection. Those that timed out may be tried again. */
  readonly #refused: EndpointState[] = []
  readonly #timedOut: EndpointState[] = []
  #attempts = 0
  #earlyRetries = 0
  /** What the client had sent to an endpoint that died before it answered. */
  #sent: Uint8Array | null = null
  #rung = 0
  #state: State = { name: 'new' }
  #lastMoved = 0
  #lastMovedAt: number | null = null
  /** Ends the connection at its greatest age, or after a polite end that wasn't heeded. */
  #timer: Timer | null = null
  #ending = false
  /** For the access log; null where there is none. */
  readonly #record: AccessRecord | null

  constructor(
    context: TcpContext,
    service: ServiceState,
    list: ListName,
    client: Conn,
    peer: Address,
    record: AccessRecord | null = null,
  ) {
    this.#context = context
    this.#record = record
    this.#peer = peer
    this.service = service
    this.#list = list
    this.#client = client
  }

  start(): void {
    this.service.counters.total++
    this.service.counters.active++
    this.#dialNext('no-endpoints')
  }

  get clientIp(): string {
    return this.#peer.ip
  }

  get bytesIn(): number {
    return this.#state.name === 'relaying' ? this.#state.relay.bytesIn : 0
  }

  get bytesOut(): number {
    return this.#state.name === 'relaying' ? this.#state.relay.bytesOut : 0
  }

  /** Resets both sides, or the client alone while no endpoint has answered yet. */
  abort(because: OwnReason): void {
    const state = this.#state
    this.#timer?.cancel()
    if (this.#record !== null) this.#record.reason ??= because
    if (state.name === 'relaying') return state.relay.abort()
    if (state.name === 'closed') return
    if (state.name === 'dialing') this.#cancelDial(state.dial, state.endpoint)
    if (state.name === 'waiting') state.timer.cancel()
    this.#context.engine.reset(this.#client)
    this.#close('aborted')
  }

  /**
   * Ends an established connection: politely first, for a client that is between two requests and will connect
   * again, and by reset for one that still isn't gone after a while. A dial goes on with another endpoint. Without a
   * reason: its endpoint has gone, and the time it had is over.
   */
  end(because: OwnReason = 'drain-timeout'): void {
    const state = this.#state
    if (state.name === 'dialing') {
      this.#cancelDial(state.dial, state.endpoint)
      this.#dialNext('no-endpoints')
    }
    if (state.name !== 'relaying' || this.#ending) return
    this.#ending = true
    if (this.#record !== null) this.#record.reason ??= because
    state.relay.finish()
    this.#timer?.cancel()
    this.#timer = this.#context.clock.after(politeEndMs, () => state.relay.abort())
  }

  /** Ends it in any state: as `end` where it is established, by reset where no endpoint has answered yet. */
  endOrAbort(because: OwnReason): void {
    if (this.#state.name === 'relaying') this.end(because)
    else this.abort(because)
  }

  /**
   * Ends the connection if it has been half-closed for `limitMs` without a byte moving. Called from time to
   * time; a peer that died after its FIN would otherwise keep two descriptors for good (kubernetes#18524).
   */
  reapIfHalfClosedSince(limitMs: number): void {
    if (this.#state.name !== 'relaying') return
    const { relay } = this.#state
    // What a slow reader takes out of the buffer is movement too.
    const moved = relay.bytesIn + relay.bytesOut - relay.buffered
    const now = this.#context.clock.now()
    if (!relay.halfClosed || moved !== this.#lastMoved || this.#lastMovedAt === null) {
      this.#lastMoved = moved
      this.#lastMovedAt = now
    } else if (now - this.#lastMovedAt >= limitMs) {
      if (this.#record !== null) this.#record.reason ??= 'half-closed-timeout'
      relay.abort()
    }
  }

  #dialNext(lastFailure: FailureReason): void {
    const endpoint = this.#nextEndpoint()
    if (endpoint === null) return this.#giveUp(lastFailure)
    const timeoutMs = dialLadderMs[this.#rung] ?? 0
    if (this.#attempts++ > 0) this.service.counters.dialRetries++
    this.#seat = this.service.enter(endpoint, this)
    const { clock, dialTimes, engine } = this.#context
    const dialedAt = clock.now()
    const dial = engine.dialTcp(endpoint.address, timeoutMs, (failure, upstream, error) => {
      this.service.dialed(endpoint)
      if (failure === null && upstream !== null) {
        dialTimes.answeredAfter(clock.now() - dialedAt)
        return this.#relay(endpoint, upstream)
      }
      this.#leave(endpoint)
      this.#onDialFailure(failure ?? 'local', endpoint, error)
    })
    this.#state = { name: 'dialing', dial, endpoint }
  }

  #cancelDial(dial: Dial, endpoint: EndpointState): void {
    dial.cancel()
    this.service.dialed(endpoint)
    this.#leave(endpoint)
  }

  #leave(endpoint: EndpointState): void {
    if (this.#seat !== null) this.service.leave(endpoint, this.#seat)
    this.#seat = null
  }

  #nextEndpoint(): EndpointState | null {
    if (this.#rung >= dialLadderMs.length || this.#refused.length >= maxRefusals) return null
    if (this.#attempts === 0) return this.service.pick(this.#list, this.#peer.ip, nobody)
    return (
      this.service.pick(this.#list, this.#peer.ip, this.#refused.concat(this.#timedOut)) ??
      this.service.pick(this.#list, this.#peer.ip, this.#refused)
    )
  }

  #onDialFailure(failure: DialFailure, endpoint: EndpointState, error: Error | null): void {
    const { log } = this.#context
    log.debug({ service: this.service.port.key, endpoint: endpoint.key, failure, err: error }, 'dial failed')
    if (failure === 'local') return this.#waitForRoom()
    if (this.service.failed(endpoint, failure)) {
      log.info(
        { service: this.service.port.key, endpoint: endpoint.key },
        'endpoint set aside: dials keep failing',
      )
    }
    if (failure === 'refused') this.#refused.push(endpoint)
    else {
      this.#timedOut.push(endpoint)
      this.#rung++
    }
    this.#dialNext(failure)
  }

  /** It was accepted, so it is worth a wait: no endpoint is to blame, and the next descriptor that frees will do. */
  #waitForRoom(): void {
    this.#context.onLocalFailure()
    const delayMs = dialLadderMs[this.#rung++] ?? 0
    this.#state = {
      name: 'waiting',
      timer: this.#context.clock.after(delayMs, () => this.#dialNext('local')),
    }
  }

  /** Nobody answered: the client gets a RST, which tells it more than a silent close would. */
  #giveUp(reason: FailureReason): void {
    const { counters } = this.service
    counters.dialFailures++
    counters.failures[reason]++
    this.#context.engine.reset(this.#client)
    if (this.#record !== null) this.#record.reason = reason
    this.#close('failed')
  }

  #relay(endpoint: EndpointState, upstream: Conn): void {
    this.service.succeeded(endpoint)
    const prefix = this.#proxyHeader()
    if (prefix === undefined) {
      // The client has gone while an endpoint was dialed.
      this.#leave(endpoint)
      this.#context.engine.reset(upstream)
      this.#context.engine.reset(this.#client)
      return this.#close('client-reset')
    }
    if (this.#record !== null) {
      this.#record.endpoint = endpoint.key
      this.#record.answeredAt = this.#context.clock.now()
    }
    const mayRetry = this.#context.earlyRetry && this.#earlyRetries < maxEarlyRetries
    const options: RelayOptions = {
      prefix,
      sent: this.#sent,
      keepBytes: mayRetry ? maxReplayBytes : 0,
      // FIN or RST, the endpoint has said nothing. Where nobody else can be asked, or the client has ended without a
      // word and asks nothing, its end is passed on as it was.
      mayRetry: (sent, ended) =>
        (sent.length > 0 || !ended) &&
        isReplayable(sent) &&
        this.service.hasOther(this.#list, [...this.#refused, endpoint]),
    }
    const relay = this.#context.engine.relay(this.#client, upstream, options, (end, sent) =>
      this.#onRelayEnd(relay, endpoint, end, sent),
    )
    this.#state = { name: 'relaying', relay, endpoint }
    endpoint.total++
    this.#startAging()
  }

  /** undefined: it is wanted, but nobody is there any more to say whose it would be. */
  #proxyHeader(): Uint8Array | null | undefined {
    const { proxyProtocol } = this.service.port.settings
    if (proxyProtocol === null) return null
    const frontend = this.#context.engine.localAddress(this.#client)
    return frontend === null ? undefined : proxyHeader(proxyProtocol, this.#peer, frontend)
  }

  #startAging(): void {
    const { maxConnectionAgeMs } = this.service.port.settings
    if (maxConnectionAgeMs === null) return
    // With jitter, so that connections that began together don't end together.
    const ageMs = maxConnectionAgeMs * (1 - ageJitter + 2 * ageJitter * this.#context.random())
    this.#timer = this.#context.clock.after(ageMs, () => this.end('max-connection-age'))
  }

  #onRelayEnd(relay: Relay, endpoint: EndpointState, end: RelayEnd, sent: Uint8Array | null): void {
    this.#leave(endpoint)
    this.#timer?.cancel()
    this.#ending = false
    if (end === 'unanswered') {
      this.#sent = sent
      this.#earlyRetries++
      if (this.#record !== null) {
        this.#record.endpoint = null
        this.#record.answeredAt = null
      }
      return this.#onDialFailure('refused', endpoint, null)
    }
    const { counters } = this.service
    counters.bytesIn += relay.bytesIn
    counters.bytesOut += relay.bytesOut
    endpoint.bytesIn += relay.bytesIn
    endpoint.bytesOut += relay.bytesOut
    if (this.#record !== null) {
      this.#record.bytesIn = relay.bytesIn
      this.#record.bytesOut = relay.bytesOut
    }
    this.#context.log.debug({ service: this.service.port.key, endpoint: endpoint.key, end }, 'closed')
    this.#close(end)
  }

  #close(end: AccessEnd): void {
    this.#state = { name: 'closed' }
    this.service.counters.active--
    this.#context.onClosed(this)
    if (this.#record === null) return
    this.#record.end = end
    this.#record.tries = this.#attempts
    this.#context.onEnded?.(this.#record)
  }
}
