import * as fc from 'fast-check'
import t from 'tap'
import { DescriptorBudget, descriptorLimit, openDescriptors } from '../../lib/dataplane/descriptor-budget.ts'

function recorded(limit: number): { budget: DescriptorBudget; changes: string[] } {
  const changes: string[] = []
  const budget = new DescriptorBudget(
    limit,
    () => changes.push('exhausted'),
    () => changes.push('available'),
  )
  return { budget, changes }
}

void t.test('a quarter, and at most 128, is kept back', async t => {
  t.equal(recorded(100).budget.usable, 75)
  t.equal(recorded(20_000).budget.usable, 19_872)
})

void t.test('exhausted once, available once, with some room in between', async t => {
  const { budget, changes } = recorded(400) // 300 usable
  for (let client = 0; client < 149; client++) budget.take(2)
  t.ok(budget.hasRoom)
  t.strictSame(changes, [])
  budget.take(2)
  t.notOk(budget.hasRoom)
  t.strictSame(changes, ['exhausted'])
  for (let client = 0; client < 7; client++) budget.giveBack(2)
  t.strictSame(changes, ['exhausted'], 'a twentieth of 300 and one client more')
  budget.giveBack(2)
  t.strictSame(changes, ['exhausted'])
  budget.giveBack(2)
  t.strictSame(changes, ['exhausted', 'available'])
})

void t.test('others are noticed once they have eaten into the reserve', async t => {
  const { budget, changes } = recorded(400) // 100 kept back
  budget.take(100)
  budget.observe(100 + 75)
  t.equal(budget.usable, 300)
  budget.observe(100 + 270)
  t.equal(budget.usable, 105)
  t.strictSame(changes, [])
  budget.observe(100 + 290)
  t.strictSame(changes, ['exhausted'])
  budget.observe(100 + 50)
  t.strictSame(changes, ['exhausted', 'available'])
})

void t.test('a refusal of the system closes it until the next look', async t => {
  const { budget, changes } = recorded(400)
  budget.starved()
  t.notOk(budget.hasRoom)
  budget.observe(null)
  t.ok(budget.hasRoom)
  t.strictSame(changes, ['exhausted', 'available'])
})

void t.test('whatever happens, it is available when all clients have gone and one would fit', async () => {
  const step = fc.oneof(fc.constant('take'), fc.constant('give'), fc.constant('listen'))
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 300 }), fc.array(step, { maxLength: 200 }), (limit, steps) => {
      const { budget, changes } = recorded(limit)
      let clients = 0
      for (const each of steps) {
        if (each === 'listen') budget.takeListener()
        if (each === 'take' && budget.hasRoom) {
          budget.take(2)
          clients++
        }
        if (each === 'give' && clients > 0) {
          budget.giveBack(2)
          clients--
        }
        if (clients > 0 && budget.used > Math.max(budget.usable, steps.length * 3)) return false
      }
      while (clients-- > 0) budget.giveBack(2)
      const alternates = changes.every((change, index) => change === (index % 2 ? 'available' : 'exhausted'))
      return alternates && budget.exhausted === !budget.hasRoom
    }),
  )
})

void t.test('the real ones', async t => {
  t.ok(descriptorLimit() >= 256)
  const open = openDescriptors()
  t.ok(open === null || (open > 3 && open < descriptorLimit()))
})
