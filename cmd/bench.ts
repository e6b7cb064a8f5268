// kube-relay bench: this proxy and those that people would otherwise run, side by side on this machine. Exits with 1 if
// nothing could be measured, with 130 after Ctrl-C, which still shows what was measured until then.

import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { runBench } from '../bench/bench.ts'
import type { Contestant } from '../bench/contestant.ts'
import { contestantNames, contestantOf } from '../bench/contestants/registry.ts'
import { descriptorLimit } from '../bench/environment.ts'
import { proxyIp, serverIp } from '../bench/load/free-port.ts'
import { loadTools } from '../bench/load/tools.ts'
import { choosePinning } from '../bench/pinning.ts'
import { renderComparison } from '../bench/report/compare.ts'
import { renderHtml } from '../bench/report/html.ts'
import { readResult, renderJson } from '../bench/report/json.ts'
import { renderTable } from '../bench/report/table.ts'
import type { BenchResult } from '../bench/result.ts'
import { generators, outsideGenerator, type GeneratorName } from '../bench/outside/generator.ts'
import {
  checkScenarioNames,
  describeScenarios,
  expectedTurnMs,
  makeScenarios,
  scenarioNames,
} from '../bench/scenarios/registry.ts'
import { terminalProgress } from '../bench/terminal-progress.ts'
import { reasonOf, RelayError } from '../lib/model/error.ts'
import { parseDuration } from './flag-values.ts'
import { listenForSignals } from './until-stopped.ts'

interface BenchFlags {
  readonly contestants: readonly Contestant[]
  readonly rounds: number
  readonly duration?: number
  readonly warmUp?: number
  readonly maxTime?: number
  readonly threads: number
  readonly showConfig?: true
  readonly json?: string
  readonly html?: string
  readonly compare?: string
  readonly generator: GeneratorName
  readonly pin: boolean
}

/** Of one scenario, and of all of them, which are to take no more than five minutes. */
const usualDurationMs = 2000
const durationOfAllMs = 800
const timeOfAllMs = 285_000

const mostRounds = 1000
const mostThreads = 1024
const longestDurationMs = 3_600_000

export function benchCommand(): Command {
  return new Command('bench')
    .argument('<scenario...>', `${scenarioNames.join(', ')}, or all`)
    .optionsGroup('What is measured:')
    .addOption(
      new Option('--contestants <list>', 'who takes part: names with variants, or definition files')
        .argParser(parseContestants)
        .default(contestantNames.map(contestantOf), contestantNames.join(',')),
    )
    .addOption(
      new Option('--threads <n>', 'threads or processes that each of them may proxy with')
        .argParser(count(mostThreads))
        .default(1),
    )
    .option('--show-config', 'show how each of them is configured, and measure nothing')
    .optionsGroup('How it is measured:')
    .addOption(
      new Option('--rounds <n>', 'how often each of them has its turn')
        .argParser(count(mostRounds))
        .default(5),
    )
    .option(
      '--duration <duration>',
      'of a measurement, once in each turn or twice (default: 2s, for all 800ms)',
      parseBoundedDuration,
    )
    .option(
      '--warm-up <duration>',
      'before each measurement, left out of it (default: half the duration, at most 1s)',
      parseBoundedDuration,
    )
    .option(
      '--max-time <duration>',
      'begin no further round that would end later than this (default: no limit, for all 4m45s)',
      parseBoundedDuration,
    )
    .addOption(
      new Option('--generator <name>', 'who makes the load: wrk for tcp-rr, iperf3 for tcp-stream')
        .choices(generators)
        .default('own'),
    )
    .option('--no-pin', "don't pin proxy and load to cores of their own")
    .optionsGroup('Output:')
    .option('--json <file>', 'write all measurements, for --compare or a program of yours')
    .option('--html <file>', 'write a report with charts, a single file')
    .option('--compare <file>', 'say what is better or worse than in a file that --json wrote')
    .addHelpText('after', help)
    .action(bench)
}

const help = `
Scenarios:
${describeScenarios()
  .map(line => `  ${line}`)
  .join('\n')}

Contestants: ${contestantNames.join(', ')}; those that are not installed are named, and left out.
All traffic stays on loopback.

Examples:
  kube-relay bench all --html report.html --json out.json
  kube-relay bench tcp-rr tcp-crr --contestants direct,kube-relay,haproxy --rounds 7
  kube-relay bench tcp-rr --contestants kube-relay,kube-relay:workers=2
  kube-relay bench tcp-stream --contestants kube-relay,./my-proxy.yaml --show-config
  kube-relay bench all --compare out.json`

async function bench(names: readonly string[], flags: BenchFlags): Promise<void> {
  const chosen = checkScenarioNames(names)
  if (flags.showConfig) return showConfig(flags)
  failUnlessEnoughDescriptors()
  const before = flags.compare === undefined ? null : readResult(flags.compare)
  for (const file of [flags.json, flags.html]) if (file !== undefined) failUnlessWritable(file)
  const generator = await outsideGenerator(flags.generator, chosen)

  const signals = listenForSignals()
  const stop = new AbortController()
  void signals.stop.then(() => stop.abort())
  // What is left then ends by itself: each process of the benchmark watches this one.
  void signals.again.then(() => process.exit(130))

  const progress = terminalProgress(process.stderr)
  const pinning = await choosePinning(flags.pin, flags.threads)
  const tools = loadTools(pinning)
  const durationMs = flags.duration ?? (names.includes('all') ? durationOfAllMs : usualDurationMs)
  const warmUpMs = flags.warmUp ?? Math.min(durationMs / 2, 1000)
  let result: BenchResult
  try {
    result = await runBench({
      scenarios: generator?.scenarios(tools) ?? makeScenarios(chosen, tools),
      contestants: flags.contestants,
      rounds: flags.rounds,
      maxTimeMs: flags.maxTime ?? (names.includes('all') ? timeOfAllMs : null),
      expectedTurnMs: name => expectedTurnMs(name, { durationMs, warmUpMs }),
      durationMs,
      warmUpMs,
      threads: flags.threads,
      generator: generator?.describe ?? 'own',
      pinning: pinning.describe,
      signal: stop.signal,
      progress,
    })
  } finally {
    progress.done()
    await tools.close()
  }
  report(result, before, flags)
  const measured = result.scenarios.some(({ measurements }) => measurements.length > 0)
  process.exit(result.interrupted ? 130 : measured ? 0 : 1)
}

function report(result: BenchResult, before: BenchResult | null, { json, html, compare }: BenchFlags): void {
  process.stdout.write(renderTable(result))
  if (before !== null) process.stdout.write(`\n${renderComparison(before, result, compare ?? '')}`)
  if (json !== undefined) write(json, renderJson(result))
  if (html !== undefined) write(html, renderHtml(result))
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text)
    process.stderr.write(`${file} is written\n`)
  } catch (error) {
    throw new RelayError('BENCH', `${file} can't be written: ${reasonOf(error)}`, { cause: error })
  }
}

/** Before a run of minutes, not after it. */
function failUnlessWritable(file: string): void {
  const folder = path.dirname(path.resolve(file))
  try {
    if (existsSync(file) && statSync(file).isDirectory()) throw new Error('it is a folder')
    accessSync(existsSync(file) ? file : folder, constants.W_OK)
  } catch (error) {
    throw new RelayError('INVALID_CONFIG', `${file} can't be written: ${reasonOf(error)}`, { cause: error })
  }
}

/** The busiest scenario but `idle`, which says its own, has 100 flows; a proxy has two descriptors for each. */
const descriptorsNeeded = 400

/** With fewer, some contestants would wait for their descriptors, and others fail: nothing to compare. */
function failUnlessEnoughDescriptors(): void {
  const limit = descriptorLimit()
  if (limit >= descriptorsNeeded) return
  throw new RelayError(
    'BENCH',
    `the benchmark needs ${descriptorsNeeded} descriptors, and a process may have ${limit}: ` +
      `ulimit -n ${descriptorsNeeded}, or more (idle: 16,500, sync: 10,500)`,
  )
}

function showConfig({ contestants, threads }: BenchFlags): void {
  const routes = [
    {
      protocol: 'TCP',
      listen: { ip: proxyIp, port: 8080 },
      server: { ip: serverIp, port: 9090 },
    },
  ] as const
  const shown = contestants.map(contestant => {
    const { name, describe } = contestant
    const files = contestant
      .config({ routes, threads })
      .map(file => `# ${file.name}\n${file.text.trimEnd()}\n`)
    return `## ${name}: ${describe}\n${files.length === 0 ? '# nothing to configure\n' : files.join('\n')}`
  })
  process.stdout.write(shown.join('\n'))
}

function parseContestants(text: string): readonly Contestant[] {
  const names = text
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
  if (names.length === 0) throw new InvalidArgumentError(`Expected some of ${contestantNames.join(', ')}.`)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new InvalidArgumentError(`${twice} is there twice.`)
  return names.map(contestantOf)
}

function parseBoundedDuration(text: string): number {
  const ms = parseDuration(text)
  if (ms < 50 || ms > longestDurationMs) throw new InvalidArgumentError('Expected 50ms to 1h.')
  return ms
}

function count(most: number): (text: string) => number {
  return text => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : NaN
    if (!(number >= 1 && number <= most)) {
      throw new InvalidArgumentError(`Expected a whole number from 1 to ${most}.`)
    }
    return number
  }
}
