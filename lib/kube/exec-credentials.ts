// Credentials by an exec plugin: run when they are needed, kept until they expire or the server refuses them.
// Invariant: one run at a time, shared by all who wait; when the last of them gives up, the run is ended.

import { RelayError, reasonOf } from '../model/error.ts'
import { checkClientCertificate } from './client-certificate.ts'
import { bearer, type Credentials, type Identity } from './credentials.ts'
import { execInfo, type ExecPlugin } from './exec-plugin.ts'
import { runCommand, type CommandOutcome } from './run-command.ts'

export interface ExecCredentialsOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly now?: () => number
  readonly timeoutMs?: number
}

interface Cached {
  readonly identity: Identity
  /** Null: until the server refuses it. */
  readonly expiresAt: number | null
}

interface Run {
  readonly identity: Promise<Identity>
  readonly stop: AbortController
  waiting: number
}

/** A credential that expires sooner than this isn't used any more: it has yet to travel to the server. */
const expiryMarginMs = 10_000

export class ExecCredentials implements Credentials {
  readonly describe: string
  readonly #plugin: ExecPlugin
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #now: () => number
  readonly #timeoutMs: number
  #cached: Cached | null = null
  #run: Run | null = null

  constructor(plugin: ExecPlugin, options: ExecCredentialsOptions) {
    this.describe = `exec plugin ${plugin.command}`
    this.#plugin = plugin
    this.#env = options.env
    this.#now = options.now ?? Date.now
    this.#timeoutMs = options.timeoutMs ?? 60_000
  }

  async get(signal?: AbortSignal): Promise<Identity> {
    if (signal?.aborted) throw aborted()
    const cached = this.#cached
    if (cached !== null && !this.#expired(cached)) return cached.identity
    this.#run ??= this.#start()
    return this.#await(this.#run, signal)
  }

  invalidate(): void {
    this.#cached = null
  }

  #expired(cached: Cached): boolean {
    return cached.expiresAt !== null && cached.expiresAt - expiryMarginMs <= this.#now()
  }

  #start(): Run {
    const stop = new AbortController()
    const identity = this.#ask(stop.signal).finally(() => {
      if (this.#run === run) this.#run = null
    })
    const run: Run = { identity, stop, waiting: 0 }
    return run
  }

  /** The run's outcome, unless the signal fires first. */
  #await(run: Run, signal: AbortSignal | undefined): Promise<Identity> {
    run.waiting += 1
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal?.removeEventListener('abort', giveUp)
        run.waiting -= 1
      }
      const giveUp = () => {
        leave()
        reject(aborted())
        if (run.waiting > 0) return
        if (this.#run === run) this.#run = null
        run.stop.abort()
      }
      signal?.addEventListener('abort', giveUp)
      run.identity.then(resolve, reject).finally(leave)
    })
  }

  async #ask(signal: AbortSignal): Promise<Identity> {
    const { command, args, env } = this.#plugin
    const outcome = await runCommand(command, args, {
      env: { ...this.#env, ...env, KUBERNETES_EXEC_INFO: await execInfo(this.#plugin) },
      timeoutMs: this.#timeoutMs,
      signal,
    })
    if (outcome.kind !== 'ended') throw this.#noOutput(outcome)
    this.#cached = this.#read(outcome.stdout)
    return this.#cached.identity
  }

  #noOutput(outcome: Exclude<CommandOutcome, { readonly kind: 'ended' }>): RelayError {
    const { command, installHint } = this.#plugin
    if (outcome.kind === 'aborted') return aborted()
    if (outcome.kind === 'missing') {
      return this.#failed(`there is no command ${command}: ${oneLine(installHint) || 'install it'}`)
    }
    if (outcome.kind === 'timed-out') {
      return this.#failed(`it didn't end within ${this.#timeoutMs / 1000} s: it must not wait for input`)
    }
    return this.#failed(outcome.stderr === '' ? outcome.how : `${outcome.how}: ${oneLine(outcome.stderr)}`)
  }

  #read(stdout: string): Cached {
    const { apiVersion, kind, status } = this.#parse(stdout)
    if (kind !== 'ExecCredential' || apiVersion !== this.#plugin.apiVersion) {
      const got = `${String(kind)} of ${String(apiVersion)}`
      throw this.#failed(`it wrote a ${got}, not an ExecCredential of ${this.#plugin.apiVersion}`)
    }
    const fields = (typeof status === 'object' && status !== null ? status : {}) as Readonly<
      Record<string, unknown>
    >
    const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = fields
    const hasToken = typeof token === 'string' && token !== ''
    const hasCert = typeof cert === 'string' && cert !== ''
    const hasKey = typeof key === 'string' && key !== ''
    if (hasCert !== hasKey)
      throw this.#failed('it wrote one of clientCertificateData and clientKeyData, not both')
    if (!hasToken && !hasCert) throw this.#failed('it wrote neither a token nor a client certificate')
    const certificate = hasCert && hasKey ? { cert, key } : null
    if (certificate !== null) checkClientCertificate(certificate, `${this.#plugin.where}: exec`, this.#now())
    const { headers } = hasToken ? bearer(token) : { headers: {} }
    return { identity: { headers, certificate }, expiresAt: this.#expiry(expirationTimestamp) }
  }

  #parse(stdout: string): Readonly<Record<string, unknown>> {
    try {
      return (JSON.parse(stdout) ?? {}) as Readonly<Record<string, unknown>>
    } catch (error) {
      throw this.#failed(
        stdout === '' ? 'it wrote nothing' : `it wrote something else than JSON: ${reasonOf(error)}`,
      )
    }
  }

  #expiry(timestamp: unknown): number | null {
    if (timestamp === undefined || timestamp === null || timestamp === '') return null
    const time = typeof timestamp === 'string' ? Date.parse(timestamp) : Number.NaN
    if (Number.isNaN(time))
      throw this.#failed(`its expirationTimestamp ${JSON.stringify(timestamp)} isn't a time`)
    return time
  }

  #failed(why: string): RelayError {
    const { where, command } = this.#plugin
    return new RelayError(
      'INVALID_CONFIG',
      `${where}: the exec plugin ${command} gave no credentials: ${why}`,
    )
  }
}

function aborted(): RelayError {
  return new RelayError('ABORTED', 'waiting for the exec plugin was aborted')
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ').slice(0, 300)
}
