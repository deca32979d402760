/** The monitor against its model, in random runs of calls and records. */
import assert from 'node:assert/strict'
import test from 'ava'
import * as fc from 'fast-check'
import { loadFacade } from '../support/fake/facade.ts'
import { Model } from '../support/fake/model.ts'
import { FacadeDriver } from '../support/fake/driver.ts'
import { type Action, type Item, steps } from '../support/fake/steps.ts'

/** The most records in one step. More may take the facade several turns of the event loop. */
const RECORDS_A_TURN = 60

test.serial('after any calls and any records the facade equals the model', async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (steps, listens) => {
      const model = new Model(listens)
      const driver = new FacadeDriver(loadFacade(t), listens)
      const both = (action: Action): void => (model.perform(action), driver.perform(action))
      let [time, queued] = [0, 0]
      const push = (reported: Item): void => {
        const item = reported.is === 'event' ? { ...reported, time: ++time } : reported
        if (queued >= RECORDS_A_TURN || !model.push(item)) return
        queued++
        driver.push(item)
      }
      const turn = async (): Promise<void> => {
        queued = 0
        await driver.turn()
        model.turn()
        assert.deepEqual(driver.seen(), model.seen())
      }
      try {
        for (const step of steps) {
          if (step.do === 'push') step.items.forEach(push)
          else if (step.do === 'advance') push(model.next(step.source))
          else if (step.do === 'turn') {
            driver.drainAtMost(step.drainAtMost)
            await turn()
          } else both(step)
        }
        await turn()
        // In the end, every session is closed and every promise is settled.
        for (let references = driver.references(); references >= 0; references--) both({ do: 'stop' })
        push({ is: 'closed' })
        await turn()
        const { held, sources } = driver.seen()
        assert.equal(held, false)
        for (const { calls } of sources) assert.match(calls.join(), /^(scan,)?(stop,)?join$/)
      } finally {
        driver.dispose()
      }
    }),
    { numRuns: 600, includeErrorInReport: true },
  )
  t.pass()
})
