// Passive health: an endpoint whose dials keep failing is set aside for a while, so that clients don't wait for it.
// Live traffic probes it afterwards: one more failure sets it aside for twice as long, one success forgives all.
// Never more than half of a service port's endpoints are set aside: when most dials fail, the fault is probably ours.

export interface PassiveHealthRules {
  /** Consecutive dial failures that set an endpoint aside; 0 switches passive health off. */
  readonly failures: number
  readonly firstMs: number
  readonly longestMs: number
}

export const defaultPassiveHealth: PassiveHealthRules = { failures: 3, firstMs: 5000, longestMs: 300_000 }

/** What is known of one endpoint. Times are on the clock of the caller. */
export interface EndpointHealth {
  consecutiveFailures: number
  /** How often in a row it was set aside without a success in between. */
  timesSetAside: number
  setAsideUntil: number
}

export function newEndpointHealth(): EndpointHealth {
  return { consecutiveFailures: 0, timesSetAside: 0, setAsideUntil: Number.NEGATIVE_INFINITY }
}

export function isSetAside(health: EndpointHealth, now: number): boolean {
  return now < health.setAsideUntil
}

export function recordSuccess(health: EndpointHealth): void {
  health.consecutiveFailures = 0
  health.timesSetAside = 0
  health.setAsideUntil = Number.NEGATIVE_INFINITY
}

/**
 * A dial failed. `all` are the endpoints of the service port, this one among them. True if it is set aside by this.
 */
export function recordFailure(
  health: EndpointHealth,
  all: Iterable<EndpointHealth>,
  rules: PassiveHealthRules,
  now: number,
): boolean {
  health.consecutiveFailures++
  const probeFailed = health.timesSetAside > 0
  if (rules.failures === 0 || isSetAside(health, now)) return false
  if (health.consecutiveFailures < rules.failures && !probeFailed) return false
  const durationMs = Math.min(rules.firstMs * 2 ** health.timesSetAside, rules.longestMs)
  return setAside(health, all, durationMs, health.timesSetAside + 1, now)
}

/**
 * Sets an endpoint aside for so long, for the how-manieth time; false, and without effect, where half of them are
 * aside already. One that is aside already stays so for the new duration.
 */
export function setAside(
  health: EndpointHealth,
  all: Iterable<EndpointHealth>,
  durationMs: number,
  timesSetAside: number,
  now: number,
): boolean {
  let count = 0
  let others = 0
  for (const each of all) {
    count++
    if (each !== health && isSetAside(each, now)) others++
  }
  if ((others + 1) * 2 > count) return false
  health.setAsideUntil = now + durationMs
  health.timesSetAside = timesSetAside
  return true
}
