import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { outsideGenerator } from '../../bench/outside/generator.ts'
import { readIperf3Report } from '../../bench/outside/iperf3.ts'
import { readWrkReport } from '../../bench/outside/wrk.ts'
import { run } from '../cmd/program.ts'
import { readJson, temporaryFolder } from './processes.ts'

const wrk = `Running 2s test @ http://127.77.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.70ms    1.42ms  28.40ms   93.00%
    Req/Sec    40.55k     3.25k   45.00k    80.00%
  Latency Distribution
     50%  635.00us
     75%    1.62ms
     90%    2.39ms
     99%    1.20s
  81241 requests in 2.01s, 8.37MB read
Requests/sec:  40418.91
Transfer/sec:      4.16MB
`

void test('what wrk prints', async t => {
  t.strictSame(readWrkReport(wrk), {
    operationsPerSecond: 40_418.91,
    requests: 81_241,
    p50Us: 635,
    p99Us: 1_200_000,
    errors: {},
  })
  const failing = wrk.replace(
    'Requests/sec',
    '  Socket errors: connect 0, read 12, write 0, timeout 3\n  Non-2xx or 3xx responses: 7\nRequests/sec',
  )
  t.strictSame(readWrkReport(failing).errors, { 'read error': 12, 'timeout error': 3, 'not a success': 7 })
  t.throws(() => readWrkReport('unable to connect to 127.0.0.1'), {
    code: 'BENCH',
    message: /unable to connect/,
  })
})

void test('what iperf3 prints', async t => {
  const report = { end: { sum_received: { bytes: 1000, seconds: 0.5 } } }
  t.strictSame(readIperf3Report(JSON.stringify(report)), { bytes: 1000, seconds: 0.5 })
  t.throws(() => readIperf3Report('{"error":"unable to connect"}'), {
    code: 'BENCH',
    message: /unable to connect/,
  })
  for (const text of ['', 'null', '{}', '{"end":{"sum_received":{"bytes":"x","seconds":1}}}']) {
    t.throws(() => readIperf3Report(text), { code: 'BENCH' }, text)
  }
})

void test('which generator is for what', async t => {
  t.equal(await outsideGenerator('own', ['idle']), null)
  await t.rejects(outsideGenerator('wrk', ['tcp-rr', 'idle']), {
    code: 'INVALID_CONFIG',
    message: /wrk makes the load of tcp-rr only, not of idle/,
  })
})

/** A program of that name which does what the script says, found first in the PATH of the benchmark. */
function standIn(t: Test, name: string, script: string): string {
  const folder = temporaryFolder(t)
  writeFileSync(path.join(folder, name), `#!${process.execPath}\n${script}`, { mode: 0o755 })
  return `${folder}${path.delimiter}${process.env['PATH'] ?? ''}`
}

void test('with a stand-in for wrk: our server answers it, and its figures are ours', async t => {
  const PATH = standIn(
    t,
    'wrk',
    `const args = process.argv.slice(2)
    if (args.includes('-v')) { console.log('wrk 4.1.0 [epoll]'); process.exit(1) }
    fetch(args.at(-1)).then(async response => {
      if ((await response.text()).length !== 64) process.exit(3)
      setTimeout(() => { console.log(${JSON.stringify(wrk)}); process.exit(0) }, 1000)
    }, error => { console.error(error.cause); process.exit(2) })`,
  )
  const json = path.join(temporaryFolder(t), 'out.json')
  const args = ['--contestants', 'direct,pipe', '--rounds', '1', '--duration', '100ms', '--json', json]
  const { code, stderr } = await run(t, ['bench', 'tcp-rr', '--generator', 'wrk', ...args], { PATH })
  t.equal(code, 0, stderr)
  const result = readJson(json)
  t.equal(result.options.generator, 'wrk 4.1.0')
  t.strictSame(result.scenarios[0]?.failures, [])
  t.match(result.scenarios[0]?.measurements, [
    { contestant: 'direct', values: { ops_per_s: 40_418.91 } },
    { contestant: 'pipe', values: { ops_per_s: 40_418.91, wrk_p99_us: 1_200_000, cpu_us_per_op: Number } },
  ])
})

void test('with a stand-in for iperf3: its server is behind the proxy, and gone afterwards', async t => {
  const PATH = standIn(
    t,
    'iperf3',
    `const net = require('node:net')
    const args = process.argv.slice(2)
    const after = flag => args[args.indexOf(flag) + 1]
    if (args.includes('--version')) console.log('iperf 3.12 (cJSON 1.7.15)')
    else if (args.includes('-s')) net.createServer(s => s.on('error', () => {}).end('x')).listen(+after('-p'), after('-B'))
    else net.connect(+after('-p'), after('-c')).on('error', error => {
      console.log(JSON.stringify({ error: error.message })); process.exit(1)
    }).once('data', () => setTimeout(() => {
      const bytes = args.includes('-R') ? 3000 : 1000
      console.log(JSON.stringify({ end: { sum_received: { bytes, seconds: 2 } } })); process.exit(0)
    }, 1200))`,
  )
  const json = path.join(temporaryFolder(t), 'out.json')
  const args = ['--contestants', 'pipe', '--rounds', '1', '--duration', '100ms', '--json', json]
  const { code, stderr } = await run(t, ['bench', 'tcp-stream', '--generator', 'iperf3', ...args], { PATH })
  t.equal(code, 0, stderr)
  t.match(readJson(json), {
    options: { generator: 'iperf3 3.12' },
    scenarios: [
      {
        failures: [],
        measurements: [{ values: { up_bytes_per_s: 500, down_bytes_per_s: 1500, bytes_per_s: 1000 } }],
      },
    ],
  })
  const left = readdirSync('/proc').filter(
    name => /^\d+$/.test(name) && commandOf(name).includes(PATH.split(path.delimiter)[0] ?? ''),
  )
  t.strictSame(left, [])
})

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
