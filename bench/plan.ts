// How long a run is going to take, said before it begins: people decide by that whether they wait for it.

import { formatDuration } from '../lib/model/duration.ts'

export interface PlannedScenario {
  readonly name: string
  /** How many contestants have a turn in each round of it. */
  readonly turns: number
  /** What one of these takes on an idle machine. */
  readonly turnMs: number
}

export interface PlanOptions {
  readonly rounds: number
  /** null: no limit. */
  readonly maxTimeMs: number | null
}

export interface Plan {
  readonly expectedMs: number
  /** How many whole rounds are likely to be done; at least the first one is. */
  readonly rounds: number
}

export function planRun(scenarios: readonly PlannedScenario[], { rounds, maxTimeMs }: PlanOptions): Plan {
  const roundMs = scenarios.reduce((sum, { turns, turnMs }) => sum + turns * turnMs, 0)
  const fitting = maxTimeMs === null || roundMs === 0 ? rounds : Math.floor(maxTimeMs / roundMs)
  const planned = Math.max(1, Math.min(rounds, fitting))
  // Some scenarios have one more round in what is left of the time.
  const expectedMs = planned < rounds ? Math.max(maxTimeMs ?? 0, roundMs) : planned * roundMs
  return { expectedMs, rounds: planned }
}

/** "about 4m45s for 3 rounds (of 5, which would take longer than --max-time 4m45s)" */
export function describePlan(plan: Plan, { rounds, maxTimeMs }: PlanOptions): string {
  const about = `about ${formatDuration(roundedUp(plan.expectedMs))} for ${plan.rounds} round${plan.rounds === 1 ? '' : 's'}`
  return plan.rounds === rounds || maxTimeMs === null
    ? about
    : `${about} (of ${rounds}, which would take longer than --max-time ${formatDuration(maxTimeMs)})`
}

const stepMs = 5000

/** To five seconds: nobody knows it more exactly. */
function roundedUp(ms: number): number {
  return Math.max(1, Math.ceil(ms / stepMs)) * stepMs
}

/** "1m20s": how long something has taken so far, in whole seconds. */
export function elapsedInWords(ms: number): string {
  return formatDuration(Math.floor(ms / 1000) * 1000)
}
