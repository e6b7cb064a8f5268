import { test } from 'tap'
import { bottleneckOf, type LoadFacts } from '../../bench/load/window.ts'
import type { Measurement } from '../../bench/scenario.ts'

/** One second, in which everybody had half of a core. */
const calm: LoadFacts = {
  cpu: { proxyUs: 500_000, steeringUs: 0, generatorUs: 400_000, serverUs: 300_000 },
  elapsedMs: 1000,
  threads: 1,
  loadCores: null,
  machineLoad: 0.5,
}

const cases: readonly [string, Partial<LoadFacts>, Measurement['bottleneck']][] = [
  ['nobody', {}, 'none'],
  ['the proxy', { cpu: { ...calm.cpu, proxyUs: 950_000 } }, 'proxy'],
  ['the proxy, whoever else is busy', { cpu: { ...calm.cpu, proxyUs: 950_000 }, machineLoad: 1 }, 'proxy'],
  ['half of what two threads could do', { cpu: { ...calm.cpu, proxyUs: 950_000 }, threads: 2 }, 'none'],
  ['its agent is not its proxy', { cpu: { ...calm.cpu, proxyUs: 950_000, steeringUs: 100_000 } }, 'none'],
  ['the generator', { cpu: { ...calm.cpu, generatorUs: 910_000 } }, 'generator'],
  ['the server', { cpu: { ...calm.cpu, serverUs: 910_000 } }, 'server'],
  ['both of them on one core', { cpu: { ...calm.cpu, serverUs: 550_000 }, loadCores: 1 }, 'server'],
  ['both of them on two', { cpu: { ...calm.cpu, serverUs: 550_000 }, loadCores: 2 }, 'none'],
  ['others on the machine', { machineLoad: 0.99 }, 'machine'],
  ['no proxy at all', { cpu: { ...calm.cpu, proxyUs: null } }, 'none'],
]

void test('who was at its limit', async t => {
  for (const [name, facts, expected] of cases) t.equal(bottleneckOf({ ...calm, ...facts }), expected, name)
})
