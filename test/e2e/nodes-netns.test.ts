// All scenarios on two nodes, pods and a client outside, with `--vip-mode netns`. See nodes/README.md.

import t from 'tap'
import { runScenarios } from './nodes/run-scenarios.ts'

await runScenarios(t, 'netns')
