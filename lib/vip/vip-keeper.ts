// Keeps the VIPs of this process as they are wanted: in rounds, one at a time, each of which takes everything
// together that has come since the last. What is there is looked at when it starts and every 30 s; in between
// it is known. Nothing here fails: what can't be made local is told with its reason, and tried again at the
// next look.

import { reasonOf } from '../model/error.ts'
import type { TableUpdate } from '../model/proxy-table.ts'
import type { Clock, Timer } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { announcePresence, type HeldLock, type Presence } from './presence.ts'
import type { PlacedVip, VipPlace } from './vip-place.ts'
import { leftovers, placed, sourcesOf, toAdd, type VipSources } from './vip-plan.ts'
import { VipWishes, type UserWishes } from './vip-wishes.ts'

export interface VipKeeperOptions {
  readonly place: VipPlace
  /** Where an agent in another mode may have left VIPs, which would be in the way. */
  readonly formerPlaces: readonly VipPlace[]
  readonly log: Log
  readonly clock: Clock
}

const lookEveryMs = 30_000
/** An address that comes back at once, as when a Service is replaced, needn't go in between. */
const keepMs = 5000
/** How often it is asked whether connections still need what nobody wants. */
const askAgainMs = 10_000
/** Another agent holds the lock for some commands; one that has stopped in the middle must not stop us. */
const lockPatienceMs = 10_000

export class VipKeeper {
  readonly #place: VipPlace
  #formerPlaces: readonly VipPlace[]
  readonly #log: Log
  readonly #clock: Clock
  readonly #wishes: VipWishes

  #presence: Presence | null = null
  #sources: VipSources = { IPv4: null, IPv6: null }
  /** Ours, with their sources. */
  #there = new Map<string, string | null>()
  /** Those of them that we have added: the ones that may go though another agent is there. */
  readonly #added = new Set<string>()
  readonly #failed = new Map<string, string>()
  /** Why nothing can be made local at all. */
  #problem: string | null = null
  #isOpen = false
  #inUseUnknown = false
  #lockMissed = false
  /** Before there is a table, what is there may be what it is going to want. */
  #hasTable = false

  readonly #missing = new Set<string>()
  /** What nobody wants, with the time at which to ask whether it may go. */
  readonly #unwanted = new Map<string, number>()
  #lookDue = true
  #removalDue = false
  #lookTimer: Timer | null = null
  #removalTimer: { readonly timer: Timer; readonly at: number } | null = null

  #current: Promise<void> = Promise.resolve()
  #next: Promise<void> | null = null
  #closing: Promise<void> | null = null

  constructor({ place, formerPlaces, log, clock }: VipKeeperOptions) {
    this.#place = place
    this.#formerPlaces = formerPlaces
    this.#log = log
    this.#clock = clock
    this.#wishes = new VipWishes({
      wanted: ip => void this.#unwanted.delete(ip),
      unwanted: ip => {
        this.#failed.delete(ip)
        this.#missing.delete(ip)
        if (this.#there.has(ip)) this.#askAt(ip, keepMs)
        else this.#added.delete(ip)
      },
    })
  }

  user(): UserWishes {
    return this.#wishes.user()
  }

  /** Resolves when each VIP that the update names is local, or known not to become so. */
  want(user: UserWishes, update: TableUpdate): Promise<void> {
    if (this.#closing !== null) return Promise.resolve()
    if (update.type === 'snapshot') this.#hasTable = true
    const asked = user.want(update).filter(ip => !this.#there.has(ip) && !this.#failed.has(ip))
    if (this.#problem !== null) {
      for (const ip of asked) this.#failed.set(ip, this.#problem)
      return Promise.resolve()
    }
    for (const ip of asked) this.#missing.add(ip)
    if (asked.length > 0) return this.#round()
    // The first table starts us, though there is nothing to wait for.
    if (this.#presence === null) void this.#round()
    return Promise.resolve()
  }

  setSources(ips: readonly string[]): void {
    const sources = sourcesOf(ips)
    if (sources.IPv4 === this.#sources.IPv4 && sources.IPv6 === this.#sources.IPv6) return
    this.#sources = sources
    if (this.#presence !== null) this.#look()
  }

  status(): {
    readonly local: number
    readonly failed: readonly { readonly ip: string; readonly reason: string }[]
  } {
    return { local: this.#there.size, failed: Array.from(this.#failed, ([ip, reason]) => ({ ip, reason })) }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #look(): void {
    this.#lookDue = true
    void this.#round()
  }

  /** Resolves after a round that begins later than now. */
  #round(): Promise<void> {
    this.#next ??= this.#current.then(() => {
      this.#next = null
      this.#current = this.#runRound()
      return this.#current
    })
    return this.#next
  }

  async #runRound(): Promise<void> {
    if (this.#closing !== null) return
    const isFirst = this.#missing.size > 0 && !this.#isOpen
    // What is opened may be opened by another agent at the same time: a look holds the lock.
    if (this.#lookDue || isFirst) await this.#lookAndMend()
    else if (this.#missing.size > 0) await this.#addMissing()
    if (this.#removalDue) await this.#removeUnwanted()
  }

  /** All of it: finds what is there, whoever has made it, mends it, and finds what nobody wants. */
  async #lookAndMend(): Promise<void> {
    this.#lookDue = false
    this.#lookTimer?.cancel()
    this.#lookTimer = null
    let lock: HeldLock | null = null
    try {
      this.#presence ??= await announcePresence(this.#clock)
      lock = await this.#lock(this.#presence)
      const isAlone = lock !== null && this.#hasTable && (await this.#presence.isAlone())
      if (isAlone) await this.#clearFormerPlaces()
      this.#isOpen = false
      if (this.#wishes.size > 0) {
        await this.#place.open()
        this.#isOpen = true
      }
      this.#there = new Map((await this.#place.list()).map(({ ip, source }) => [ip, source]))
      const vips = toAdd(this.#wishes.all(), this.#there, this.#sources)
      this.#missing.clear()
      await this.#add(vips)
      this.#succeeded()
      if (isAlone) {
        for (const ip of leftovers(this.#there, each => this.#wishes.has(each))) {
          if (!this.#unwanted.has(ip)) this.#askAt(ip, keepMs)
        }
      }
    } catch (error) {
      this.#failedAltogether(error)
    } finally {
      await lock?.release()
      if (this.#closing === null) this.#lookTimer = this.#clock.after(lookEveryMs, () => this.#look())
    }
  }

  async #clearFormerPlaces(): Promise<void> {
    for (const place of this.#formerPlaces) {
      const { length } = await place.list()
      if (length === 0) continue
      this.#log.info({ vips: length }, 'VIPs of another --vip-mode are removed')
      await place.clear()
    }
    this.#formerPlaces = []
  }

  async #addMissing(): Promise<void> {
    const ips = [...this.#missing].filter(ip => this.#wishes.has(ip) && !this.#there.has(ip))
    this.#missing.clear()
    try {
      await this.#add(ips.map(ip => placed(ip, this.#sources)))
    } catch {
      // Somebody may have removed what was open. Where that isn't so, the look fails too, and tells it.
      await this.#lookAndMend()
    }
  }

  async #add(vips: readonly PlacedVip[]): Promise<void> {
    if (vips.length === 0) return
    const failures = await this.#place.add(vips)
    const news: string[] = []
    for (const { ip, source } of vips) {
      const reason = failures.get(ip)
      if (reason === undefined) {
        this.#there.set(ip, source)
        this.#added.add(ip)
        this.#failed.delete(ip)
        // Wanted when we began to add it.
        if (!this.#wishes.has(ip)) this.#askAt(ip, keepMs)
      } else {
        this.#there.delete(ip)
        if (!this.#wishes.has(ip)) continue
        if (this.#failed.get(ip) !== reason) news.push(ip)
        this.#failed.set(ip, reason)
      }
    }
    const [ip] = news
    if (ip === undefined) return
    const others = news.length === 1 ? '' : `, and ${news.length - 1} more`
    this.#log.warn({ ip, vips: news.length }, `VIP ${ip}${others} can't be made local: ${failures.get(ip)}`)
  }

  async #removeUnwanted(): Promise<void> {
    this.#removalDue = false
    const now = this.#clock.now()
    const due = [...this.#unwanted].filter(([, at]) => at <= now).map(([ip]) => ip)
    const inUse = due.length === 0 ? null : await this.#inUse()
    for (const ip of due) {
      if (this.#unwanted.has(ip) && (inUse === null || inUse.has(ip))) this.#askAt(ip, askAgainMs)
    }
    const free = inUse === null ? [] : due.filter(ip => !inUse.has(ip))
    if (free.length > 0) await this.#removeFree(free)
    this.#armRemoval()
  }

  async #removeFree(ips: readonly string[]): Promise<void> {
    let lock: HeldLock | null = null
    try {
      lock = await this.#lock(this.#presence)
      const isAlone = lock !== null && (await this.#presence?.isAlone()) === true
      const going: string[] = []
      for (const ip of ips) {
        // Wanted again meanwhile.
        if (!this.#unwanted.has(ip)) continue
        if (lock === null) this.#askAt(ip, askAgainMs)
        else this.#unwanted.delete(ip)
        // Without us, it is for whoever is left to find: another agent may need what it has made.
        if (isAlone || (lock !== null && this.#added.has(ip))) going.push(ip)
      }
      if (going.length === 0) return
      // From here on, who wants one gets it anew.
      for (const ip of going) {
        this.#there.delete(ip)
        this.#added.delete(ip)
      }
      await this.#place.remove(going)
      this.#log.debug({ vips: going.length }, 'VIPs that nobody needs any more were removed')
    } catch (error) {
      this.#log.warn(`VIPs that nobody needs any more can't be removed: ${reasonOf(error)}`)
      for (const ip of ips) if (this.#unwanted.has(ip)) this.#askAt(ip, askAgainMs)
    } finally {
      await lock?.release()
    }
  }

  /** null: it isn't known. */
  async #inUse(): Promise<ReadonlySet<string> | null> {
    try {
      const inUse = await this.#place.inUse()
      this.#inUseUnknown = false
      return inUse
    } catch (error) {
      if (!this.#inUseUnknown) {
        this.#log.warn(`VIPs that no Service has any more stay: are they in use? ${reasonOf(error)}`)
      }
      this.#inUseUnknown = true
      return null
    }
  }

  async #lock(presence: Presence | null): Promise<HeldLock | null> {
    const lock = (await presence?.lock(lockPatienceMs)) ?? null
    const isNews = lock === null && !this.#lockMissed
    this.#lockMissed = lock === null
    if (isNews) {
      const time = `${lockPatienceMs / 1000} s`
      this.#log.warn(`another kube-relay of this node has held the lock on VIPs for ${time}: has it stopped?`)
    }
    return lock
  }

  #askAt(ip: string, delayMs: number): void {
    const at = this.#clock.now() + delayMs
    this.#unwanted.set(ip, at)
    this.#armRemoval(at)
  }

  #armRemoval(at = earliest(this.#unwanted.values())): void {
    if (at === Infinity || this.#closing !== null) return
    if (this.#removalTimer !== null && this.#removalTimer.at <= at) return
    this.#removalTimer?.timer.cancel()
    const timer = this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      this.#removalTimer = null
      this.#removalDue = true
      void this.#round()
    })
    this.#removalTimer = { timer, at }
  }

  #succeeded(): void {
    if (this.#problem !== null) this.#log.info('VIPs can be made local again')
    this.#problem = null
  }

  #failedAltogether(error: unknown): void {
    const reason = reasonOf(error)
    this.#missing.clear()
    for (const ip of this.#wishes.all()) if (!this.#there.has(ip)) this.#failed.set(ip, reason)
    // Without any wish it is nobody's concern.
    if (this.#wishes.size === 0) this.#log.debug(`VIPs of an earlier run can't be looked for: ${reason}`)
    else if (this.#problem !== reason) this.#log.warn(`VIPs can't be made local: ${reason}`)
    this.#problem = this.#wishes.size === 0 ? null : reason
  }

  async #close(): Promise<void> {
    this.#lookTimer?.cancel()
    this.#removalTimer?.timer.cancel()
    await (this.#next ?? this.#current)
    const presence = this.#presence
    if (presence === null) return
    let lock: HeldLock | null = null
    try {
      lock = await this.#lock(presence)
      if (lock !== null && (await presence.isAlone())) await this.#clear()
    } catch (error) {
      const level = this.#isOpen || this.#there.size > 0 ? 'warn' : 'debug'
      this.#log[level](`VIPs stay local after the end: ${reasonOf(error)}`)
    } finally {
      // Before the lock is free: of two that end at once, the last one has to see that it is alone.
      await presence.close()
      await lock?.release()
    }
  }

  async #clear(): Promise<void> {
    await this.#place.clear()
    this.#there.clear()
    this.#added.clear()
  }
}

function earliest(times: Iterable<number>): number {
  let first = Infinity
  for (const time of times) if (time < first) first = time
  return first
}
