// The same script goes to a real kube-apiserver and to the embedded control plane, step by step, and every answer must
// be the same: status, reason, causes, objects. What is different on purpose is in docs/CONTROL-PLANE.md by an id,
// the step names that id, and an id that excuses nothing any more fails as well.

import t from 'tap'
import { createComparer, type Difference } from './differential/compare.ts'
import { documentedDifferences, excuses } from './differential/differences.ts'
import { createPlayer } from './differential/play.ts'
import { script } from './differential/script/script.ts'
import { startServers } from './differential/servers.ts'
import type { Chapter, Step } from './differential/step.ts'

const servers = await startServers(t)
const real = createPlayer(servers.real)
const ours = createPlayer(servers.ours)
const comparer = createComparer()
let steps = 0
let differentMessages = 0

for (const chapter of script) {
  await t.test(chapter.title, async t => {
    const named = namedDifferences(chapter)
    const idle = new Set(named)
    for (const step of chapter.steps) {
      const [realAnswer, ourAnswer] = await Promise.all([real.play(step), ours.play(step)])
      const { differences, messages } = comparer.compare(step, realAnswer, ourAnswer)
      steps += 1
      differentMessages += messages.length
      const unexplained = differences.filter(difference => {
        const excuse = named.find(each => each.covers(step) && excuses[each.id]?.(difference))
        if (excuse) idle.delete(excuse)
        return excuse === undefined
      })
      if (unexplained.length === 0) t.pass(step.name)
      else t.fail(step.name, { request: shortened(step.request), differences: unexplained.map(shown) })
    }
    t.same(
      [...idle].map(({ id, where }) => `${id} (${where})`),
      [],
      'no difference is named in vain',
    )
  })
}

void t.test('the list of differences is the one in the docs', async t => {
  const documented = documentedDifferences()
  t.same(documented.map(({ id }) => id).sort(), Object.keys(excuses).sort(), 'the same ids')
  for (const { id, what, reason } of documented) t.ok(what !== '' && reason !== '', `${id} has a reason`)
  const named = new Set(script.flatMap(chapter => namedDifferences(chapter).map(({ id }) => id)))
  t.same([...named].sort(), Object.keys(excuses).sort(), 'the script names each of them, and no other')
  t.ok(steps >= 250, `${steps} steps`)
  t.comment(`${steps} steps, ${documented.length} differences, ${differentMessages} texts in other words`)
})

interface NamedDifference {
  readonly id: string
  readonly where: string
  covers(step: Step): boolean
}

/** Those of single steps first, so that a chapter's own doesn't leave them without anything to excuse. */
function namedDifferences({ differs, differsIn = {} }: Chapter): readonly NamedDifference[] {
  return [
    ...Object.entries(differsIn).flatMap(([name, ids]) =>
      ids.map(id => ({ id, where: name, covers: (step: Step) => step.name === name })),
    ),
    ...differs.map(id => ({ id, where: 'the chapter', covers: () => true })),
  ]
}

/** `body.spec.type: "ClusterIP" there, nothing here` */
function shown({ path, real, ours }: Difference): string {
  return `${path}: ${shortened(real)} there, ${shortened(ours)} here`
}

function shortened(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 1000)
}
