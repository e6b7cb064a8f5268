// The engine seam: what moves bytes. An engine owns sockets and bytes and decides nothing; which endpoint,
// when to retry, when to cut and what to count is written once, above. `Conn` is opaque on purpose, so that an
// engine that isn't built on node:net fits without a change above this line.
//
// Addresses are canonical. Callbacks never run before the call that registers them has returned. A Conn is in
// exactly one hand: whoever got it must relay it, end it or reset it.

import type { Address } from '../model/address.ts'

/** Where clients are listened to. `vip`: in the namespace of the VIPs, if the engine was given one. */
export interface ListenAddress extends Address {
  readonly vip?: true
}

declare const connBrand: unique symbol
/** An established TCP connection from which nothing has been read yet: its bytes wait in the kernel. */
export interface Conn {
  readonly [connBrand]: true
}

export interface TcpListener {
  /** The address that is bound, with the real port where 0 was asked for. */
  readonly address: Address
  /**
   * Stops accepting. `held`: connections wait in the kernel's backlog until `resume`. `shedding`: the engine
   * can't do that here and goes on accepting; the caller must reset what it can't serve.
   */
  pause(): 'held' | 'shedding'
  resume(): void
  /** Closes the listener at once; accepted connections live on. May be called twice. */
  close(): void
}

/** Why a dial failed. `refused` covers every answer that says no at once (RST, unreachable, prohibited). */
export type DialFailure = 'refused' | 'timeout' | 'local'

export interface Dial {
  /** Ends the attempt; `done` isn't called any more. */
  cancel(): void
}

/**
 * How a relayed connection ended. The reset ones were passed on as resets. `unanswered`: the upstream went away
 * before it had sent a byte, `mayRetry` allowed another try, and the client is open and in the caller's hand again.
 */
export type RelayEnd = 'closed' | 'client-reset' | 'upstream-reset' | 'aborted' | 'unanswered'

export interface RelayOptions {
  /** Goes to the upstream first, before anything of the client's. */
  readonly prefix: Uint8Array | null
  /** What the client had sent to an upstream that didn't answer: goes to this one next. */
  readonly sent: Uint8Array | null
  /** How many of the client's first bytes to keep for another try, until the upstream's first byte; 0: none. */
  readonly keepBytes: number
  /**
   * Asked once, if the upstream goes away (by FIN or RST) before it has sent a byte: may `sent`, which is all that the
   * client has sent so far, go to another one? `ended`: the client has ended its direction.
   */
  readonly mayRetry: (sent: Uint8Array, ended: boolean) => boolean
}

export interface Relay {
  /** From client to upstream, and back: bytes handed to the other side's socket so far. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Bytes read from one side that the other side's kernel hasn't taken yet. */
  readonly buffered: number
  /** At least one direction has ended, and the connection isn't closed: the other one goes on, or is stuck. */
  readonly halfClosed: boolean
  /** Sends FIN both ways after what is buffered: a polite end, for peers that are between two requests. */
  finish(): void
  /** Resets both sides and drops what is buffered. May be called twice, and after the end. */
  abort(): void
}

export interface UdpListener {
  readonly address: Address
  /** Sends from the listener's own address, so that the client sees the reply from where it wrote to. */
  send(data: Uint8Array, ip: string, port: number): void
  /**
   * Takes no further datagram out of the network and sends none, hands out those that wait, then closes by itself and
   * calls `closed`, unless `close` came first.
   */
  retire(closed: () => void): void
  /** Closes the socket at once: what waits in it is lost. May be called twice. */
  close(): void
}

/** One socket towards one peer: an endpoint, or a client. */
export interface UdpPeer {
  send(data: Uint8Array): void
  /** Closes the socket at once. May be called twice. */
  close(): void
}

export interface Engine {
  readonly name: string
  /**
   * Changes when the namespace of the VIPs is another one than it was, so that listeners in the old one are of no use any
   * more. null: there is none, or it wasn't there yet.
   */
  vipNetwork(): number | null
  /**
   * Opens a listener with SO_REUSEPORT, IPv6 ones for IPv6 only. Rejects with the system's error (`code` EADDRINUSE, EACCES,
   * EADDRNOTAVAIL, EMFILE, …). `onError` reports a failed accept (`code` EMFILE, …);
   * the listener stays open.
   */
  listenTcp(
    at: ListenAddress,
    onConnection: (client: Conn, peer: Address) => void,
    onError: (error: Error) => void,
  ): Promise<TcpListener>
  /** Connects. `done` is called once, unless cancelled; with a Conn where `failure` is null. */
  dialTcp(
    to: Address,
    timeoutMs: number,
    done: (failure: DialFailure | null, upstream: Conn | null, error: Error | null) => void,
  ): Dial
  /**
   * Copies both ways until both directions have ended: FIN is passed on as FIN, RST as RST, and a slow reader
   * stops the reading on the other side. `done` is called once, after both sockets are closed; for `unanswered`, when
   * the upstream is, with what the client has sent.
   */
  relay(
    client: Conn,
    upstream: Conn,
    options: RelayOptions,
    done: (end: RelayEnd, sent: Uint8Array | null) => void,
  ): Relay
  /** The address that the client connected to, which a wildcard listener doesn't know; null once it is gone. */
  localAddress(conn: Conn): Address | null
  /** Closes with RST and drops what was not read. */
  reset(conn: Conn): void
  bindUdp(
    at: ListenAddress,
    onDatagram: (data: Uint8Array, ip: string, port: number) => void,
    onError: (error: Error) => void,
  ): Promise<UdpListener>
  /**
   * Opens a connected UDP socket; throws the system's error if there is no descriptor for it. `onError` gets
   * what comes later, ICMP refusals (`code` ECONNREFUSED) and a missing route: the upstream is dead then and only
   * good for `close`. It may be called again before that.
   */
  openUdp(to: Address, onDatagram: (data: Uint8Array) => void, onError: (error: Error) => void): UdpPeer
  /**
   * Opens a socket of one client's own at a listener's address: the kernel prefers it to every listener there, of any
   * process, and what is sent leaves from that address. Throws the system's error if there is no descriptor for it.
   * What other clients sent while it was opened is handed out, too; `onError` gets ICMP refusals by the client, which
   * change nothing.
   */
  connectUdp(
    at: ListenAddress,
    client: Address,
    onDatagram: (data: Uint8Array, ip: string, port: number) => void,
    onError: (error: Error) => void,
  ): UdpPeer
}
