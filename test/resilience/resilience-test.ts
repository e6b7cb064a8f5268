// A tap test with a scenario of its own; skipped, with the reason, where there can be no network of its own.

import tap, { test, type Test } from 'tap'
import { missingForOwnNetwork } from '../own-network.ts'
import { openScenario, type Scenario } from './scenario.ts'

/** Longer than .taprc has it: these run many processes, on machines that may be busy. */
const timeout = 300_000

// Of the whole file.
tap.setTimeout(3 * timeout)

export function resilienceTest(name: string, body: (t: Test, scenario: Scenario) => Promise<void>): void {
  void test(name, { skip: missingForOwnNetwork() ?? false, timeout }, async t => {
    await body(t, await openScenario(t))
  })
}
