// A benchmark that starts one contestant, says which processes that are and where its files are, and stays. To be killed.

import { readlinkSync } from 'node:fs'
import type { Route } from '../../../bench/contestant.ts'
import { contestantOf } from '../../../bench/contestants/registry.ts'

const [name = '', route = ''] = process.argv.slice(2)
const running = await contestantOf(name).start({ threads: 1, routes: [JSON.parse(route) as Route] })
const pids = running.pids()
process.stdout.write(`${JSON.stringify({ pids, folder: readlinkSync(`/proc/${pids[0]}/cwd`) })}\n`)
setInterval(() => {}, 2 ** 30)
