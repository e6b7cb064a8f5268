// A frontend as the data plane runs it: open while its service port has endpoints for it, closed (so that the
// kernel refuses) while there are none, and retried while its address can't be bound. One that can't be bound
// affects nothing else. It may also be another process's to open: then what is established here goes on, and that's all.

import { formatAddress, type Protocol } from '../model/address.ts'
import { reasonOf, RelayError } from '../model/error.ts'
import type { Frontend } from '../model/proxy-table.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import type { SourceRanges } from '../policy/source-ranges.ts'
import type { ListenAddress } from './engine.ts'
import type { ServiceState } from './service-state.ts'

/** An open socket of either protocol. Only TCP ones can be paused. */
export interface FrontendSocket {
  close(): void
  pause?(): void
  resume?(): void
  /**
   * Whether another process opens the same address soon, or has it open: what is established must stay here all the same.
   * Where it is missing, nothing needs to be done for that.
   */
  expectSuccessor?(expected: boolean): void
  /** Takes nobody new; what is established goes on until `close`. Where it is missing, `close` is enough. */
  leave?(): void
}

/** `refusing`: no eligible endpoint, so the port is closed. The same words as in `status`. */
export type ListenState =
  | { readonly name: 'refusing' | 'binding' | 'listening' }
  | { readonly name: 'bind-failed'; readonly reason: string }

/** Who gets the connections of a frontend. */
export interface FrontendOwner {
  readonly service: ServiceState
  readonly frontend: Frontend
  /** The only clients that are let in; null: all are. */
  readonly sources: SourceRanges | null
}

/** Why a frontend doesn't accept for now, though it is open. */
export type PauseReason = 'descriptors' | 'max-connections'

const firstRetryMs = 1000
const maxRetryMs = 30_000

export class FrontendState {
  readonly address: ListenAddress
  readonly protocol: Protocol
  owner: FrontendOwner
  readonly #open: (frontend: FrontendState) => Promise<FrontendSocket>
  readonly #clock: Clock
  readonly #log: Log
  #state: ListenState = { name: 'refusing' }
  #socket: FrontendSocket | null = null
  /** What was left with something established, until the frontend is closed or opened again. */
  #left: FrontendSocket | null = null
  #wanted = false
  #own = true
  #leaving: Timer | null = null
  readonly #pausedFor = new Set<PauseReason>()
  #binding: Promise<void> | null = null
  #retry: Timer | null = null
  #retryMs = firstRetryMs

  constructor(
    owner: FrontendOwner,
    open: (frontend: FrontendState) => Promise<FrontendSocket>,
    clock: Clock,
    log: Log,
  ) {
    this.owner = owner
    this.address = owner.frontend
    this.protocol = owner.service.port.protocol
    this.#open = open
    this.#clock = clock
    this.#log = log
  }

  get state(): ListenState {
    return this.#state
  }

  /** Opens or closes the frontend as its owner needs it; resolves when that has succeeded or failed. */
  async settle(): Promise<void> {
    const { service, frontend } = this.owner
    // With short-circuiting, it is open for this node's own traffic; others are reset where their list is empty.
    const open =
      service.hasEndpoints(frontend.list) || (frontend.shortCircuit && service.hasEndpoints('cluster'))
    if (!open) return this.close()
    if (!this.#own) return
    this.#wanted = true
    if (this.#state.name === 'refusing') this.#state = { name: 'binding' }
    if (this.#socket === null && this.#retry === null) await (this.#binding ??= this.#bind())
  }

  /**
   * Says whether this process is to open the frontend. Where it no longer is, the port is closed to new clients after
   * `graceMs`, in which the one whose turn it is opens it; what is established goes on. `settle` opens it.
   */
  setOwn(own: boolean, graceMs: number): void {
    if (own === this.#own) return
    this.#own = own
    this.#leaving?.cancel()
    this.#leaving = null
    this.#socket?.expectSuccessor?.(!own)
    if (own) return
    if (this.#socket === null) this.#leave()
    else this.#leaving = this.#clock.after(graceMs, () => this.#leave())
  }

  /** Takes nobody new any more, now; what is established goes on. Resolves when nothing is open to new clients. */
  async leave(): Promise<void> {
    this.#own = false
    this.#leave()
    await this.#binding
  }

  /** Closes the port, for now or for good, and ends what belongs to it. May be called twice. */
  close(): void {
    this.#stopListening()
    this.#left?.close()
    this.#left = null
    this.#socket?.close()
    this.#socket = null
  }

  /** Opens it anew, if it was open: what it has open is of no use. */
  async reopen(): Promise<void> {
    const wanted = this.#wanted
    this.close()
    if (wanted) await this.settle()
  }

  #leave(): void {
    this.#stopListening()
    if (this.#socket === null) return
    if (this.#socket.leave) {
      this.#socket.leave()
      this.#left = this.#socket
    } else this.#socket.close()
    this.#socket = null
  }

  #stopListening(): void {
    this.#leaving?.cancel()
    this.#leaving = null
    this.#wanted = false
    this.#retry?.cancel()
    this.#retry = null
    this.#retryMs = firstRetryMs
    this.#state = { name: 'refusing' }
  }

  /** Stops accepting until each reason that was given has been taken back. */
  pause(reason: PauseReason): void {
    if (this.#pausedFor.size === 0) this.#socket?.pause?.()
    this.#pausedFor.add(reason)
  }

  resume(reason: PauseReason): void {
    if (this.#pausedFor.delete(reason) && this.#pausedFor.size === 0) this.#socket?.resume?.()
  }

  async #bind(): Promise<void> {
    try {
      const socket = await this.#open(this)
      if (this.#wanted) this.#opened(socket)
      else socket.close()
    } catch (error) {
      if (this.#wanted) this.#bindFailed(error)
    } finally {
      this.#binding = null
    }
  }

  #opened(socket: FrontendSocket): void {
    if (this.#retryMs > firstRetryMs) this.#log.info({ frontend: this.#describe() }, 'bound at last')
    this.#socket = socket
    // A socket that is opened where one was left takes over what that one has established.
    this.#left = null
    this.#state = { name: 'listening' }
    this.#retryMs = firstRetryMs
    if (this.#pausedFor.size > 0) socket.pause?.()
  }

  #bindFailed(error: unknown): void {
    const code = (error as { code?: unknown }).code
    const system = typeof code === 'string' && !(error instanceof RelayError)
    const reason = system ? code : reasonOf(error)
    // One line per cause, not per retry.
    if (this.#retryMs === firstRetryMs) {
      const { kind } = this.owner.frontend
      this.#log.warn(
        { frontend: this.#describe(), kind, service: this.owner.service.port.key, reason },
        `cannot bind a frontend: ${remedy(reason)}; retrying`,
      )
    }
    this.#state = { name: 'bind-failed', reason }
    this.#retry = this.#clock.after(this.#retryMs, () => {
      this.#retry = null
      this.#binding ??= this.#bind()
    })
    this.#retryMs = Math.min(this.#retryMs * 2, maxRetryMs)
  }

  #describe(): string {
    return `${this.protocol} ${formatAddress(this.address.ip, this.address.port)}`
  }
}

function remedy(reason: string): string {
  switch (reason) {
    case 'EADDRINUSE':
      return 'another program holds the port (ss -lntup shows which)'
    case 'EACCES':
      return 'ports below 1024 need CAP_NET_BIND_SERVICE or a lower net.ipv4.ip_unprivileged_port_start'
    case 'EADDRNOTAVAIL':
      return 'the address is not local to this node'
    case 'EMFILE':
      return 'out of file descriptors; raise the limit of open files'
    default:
      return 'the system refused'
  }
}
