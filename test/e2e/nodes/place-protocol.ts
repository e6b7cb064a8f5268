// What the test process and the process in a network namespace say to each other over Node's IPC channel: requests
// with an id, each answered once with the same id.

export type Protocol = 'TCP' | 'UDP'
export type Family = 'IPv4' | 'IPv6'

export interface ProbeTarget {
  readonly protocol: Protocol
  readonly ip: string
  readonly port: number
}

export interface ProbeOptions {
  /** Default 10 s: far longer than an answer takes. Give a short one where none is expected. */
  readonly timeoutMs?: number
  /** Default: the kernel's choice. */
  readonly localIp?: string
  readonly localPort?: number
  /** Sends so many bytes, which the server sends back: TCP as a stream, UDP as one datagram. */
  readonly payloadBytes?: number
}

export interface Answered {
  readonly outcome: 'answered'
  /** The name that the server was given. */
  readonly server: string
  /** Where the server saw the client. */
  readonly clientIp: string
  readonly clientPort: number
  /** With `payloadBytes`: they came back as they were. */
  readonly intact?: boolean
}

/** `closed`: ended without an answer. `failed`: any other error, by its code. */
export type ProbeResult =
  | Answered
  | { readonly outcome: 'refused' | 'timed out' | 'reset' | 'closed' }
  | { readonly outcome: 'failed'; readonly code: string }

export interface TrafficOptions extends ProbeOptions {
  /** All on one connection (UDP: from one socket) instead of each on its own. */
  readonly lasting?: boolean
  /** Between an answer and the next request; default 10 ms. */
  readonly pauseMs?: number
}

export interface ServeOptions extends ProbeTarget {
  /** What it answers with. */
  readonly server: string
  /** TCP only: each connection begins with a PROXY protocol header, whose client the answers have. */
  readonly proxyProtocol?: boolean
}

export interface HttpResult {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What has come of steady requests so far. */
export interface TrafficReport {
  readonly answered: number
  /** One line for each request that failed. */
  readonly failures: readonly string[]
}

export type Command =
  | { readonly op: 'probe'; readonly target: ProbeTarget; readonly options: ProbeOptions }
  | { readonly op: 'open'; readonly target: ProbeTarget; readonly options: ProbeOptions }
  | { readonly op: 'ask'; readonly probe: number; readonly timeoutMs: number }
  | { readonly op: 'close'; readonly probe: number }
  | { readonly op: 'traffic'; readonly target: ProbeTarget; readonly options: TrafficOptions }
  | { readonly op: 'report'; readonly traffic: number; readonly stop: boolean }
  | ({ readonly op: 'serve' } & ServeOptions)
  | { readonly op: 'unserve'; readonly serving: number }
  | { readonly op: 'http'; readonly url: string; readonly timeoutMs: number }

export interface CommandResults {
  readonly probe: ProbeResult
  /** The number to ask on and to close, or why there is none. */
  readonly open: { readonly probe: number } | ProbeResult
  readonly ask: ProbeResult
  readonly close: null
  readonly traffic: { readonly traffic: number }
  readonly report: TrafficReport
  readonly serve: { readonly serving: number }
  readonly unserve: null
  readonly http: HttpResult
}

export interface RequestMessage {
  readonly id: number
  readonly command: Command
}

export type ReplyMessage =
  { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }
