/** An iterator against its model, in random runs of events, calls and ends. */
import assert from 'node:assert/strict'
import test from 'ava'
import * as fc from 'fast-check'
import type { ExecEvent, ExitEvent } from '../../dist/index.js'
import { type Fake, initialized, settled } from '../support/fake/facade.ts'

type Step =
  | { do: 'event'; pid: number; type: 'exec' | 'exit' | 'fork' }
  | { do: 'next' | 'return' | 'throw' | 'abort' | 'stop' | 'fail' | 'turn' }

const weighted = (weight: number, ...steps: Step[]): fc.WeightedArbitrary<Step> => ({
  weight,
  arbitrary: fc.constantFrom(...steps),
})
const event = fc.record({
  do: fc.constant('event' as const),
  pid: fc.integer({ min: 1, max: 9 }),
  type: fc.constantFrom('exec' as const, 'exec' as const, 'exit' as const, 'fork' as const),
})
const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
  { weight: 12, arbitrary: event },
  weighted(12, { do: 'next' }),
  weighted(4, { do: 'turn' }),
  weighted(1, { do: 'return' }),
  weighted(1, { do: 'throw' }),
  weighted(1, { do: 'abort' }),
  weighted(1, { do: 'stop' }),
  weighted(1, { do: 'fail' }),
)

/** The model of an iterator: a queue of events, and a queue of pending calls. */
class Model {
  /** The answer to each call: an event, `'done'`, an error, or `'pending'`. */
  readonly answers: string[] = []
  readonly #size: number
  #held: string[] = []
  #waiting: number[] = []
  #last = 'done'
  isOpen = true

  constructor(size: number) {
    this.#size = size
  }

  event(name: string): void {
    if (!this.isOpen) return
    if (this.#waiting.length > 0) this.answers[this.#waiting.shift()!] = name
    else if (this.#held.length < this.#size) this.#held.push(name)
    else this.end('ERR_QUEUE_OVERFLOW')
  }

  call(answer: 'next' | 'return' | 'throw'): void {
    if (answer !== 'next') this.drop('done')
    const isHeld = this.#held.length > 0
    if (answer === 'return') this.answers.push('done')
    else if (answer === 'throw') this.answers.push('mine')
    else if (isHeld) this.answers.push(this.#held.shift()!)
    else if (this.isOpen) this.#waiting.push(this.answers.push('pending') - 1)
    else this.answers.push(this.#take())
  }

  /** Ends the iterator. `last` is its answer after the queued events. */
  end(last: string): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#last = last
    for (const place of this.#waiting.splice(0)) this.answers[place] = this.#take()
  }

  /** Ends the iterator and drops the queued events. */
  drop(last: string): void {
    const isOver = !this.isOpen && this.#held.length === 0 && this.#last === 'done'
    this.#held = []
    if (!this.isOpen && !isOver) this.#last = last
    this.end(last)
  }

  #take(): string {
    const last = this.#last
    this.#last = 'done'
    return last
  }
}

class IteratorDriver {
  readonly answers: string[] = []
  readonly #facade: Fake
  readonly #signal = new AbortController()
  readonly #events: AsyncIterableIterator<ExecEvent | ExitEvent>
  #hasFailed = false

  constructor(facade: Fake, queueSize: number) {
    this.#facade = facade
    facade.monitor.on('error', () => {})
    this.#events = facade.monitor.events({ queueSize, signal: this.#signal.signal })
  }

  perform(step: Step): void {
    const { monitor, fake, r } = this.#facade
    if (step.do === 'event') fake.source.push(r.event(step.type, step.pid))
    else if (step.do === 'abort') this.#signal.abort()
    else if (step.do === 'stop') void monitor.stop()
    else if (step.do === 'fail') {
      if (!this.#hasFailed) fake.source.fail('ERR_SOURCE_FAILED', 5, 'recvmsg')
      this.#hasFailed = true
    } else if (step.do !== 'turn') {
      const place = this.answers.push('pending') - 1
      const call = step.do === 'throw' ? this.#events.throw!(new Error('mine')) : this.#events[step.do]!()
      call.then(
        ({ value, done }) => (this.answers[place] = done === true ? 'done' : `${value.type} ${value.pid}`),
        (error) => (this.answers[place] = error.message === 'mine' ? 'mine' : error.code),
      )
    }
  }

  /** Returns true if the iterator is still subscribed. */
  isOpen(): boolean {
    const { firstInterest, interests } = this.#facade.fake.source
    const [types] = [firstInterest, ...interests].at(-1)
    return types !== 0
  }
}

test.serial('in any order of events, calls and ends an iterator equals the model', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, queueSize) => {
        const facade = await initialized(t)
        const [model, driver] = [new Model(queueSize), new IteratorDriver(facade, queueSize)]
        const queued: Step[] = []
        let hasEnded = false
        // The facade handles records in a later turn of the event loop.
        const turn = async (): Promise<void> => {
          await settled(facade.fake)
          for (const step of queued.splice(0)) {
            if (hasEnded) break
            if (step.do === 'fail') {
              hasEnded = true
              model.end('ERR_SOURCE_FAILED')
            } else if (step.do === 'event' && step.type !== 'fork') model.event(`${step.type} ${step.pid}`)
          }
          assert.deepEqual(driver.answers, model.answers)
          if (!hasEnded) assert.equal(driver.isOpen(), model.isOpen)
        }
        for (const step of steps) {
          if (step.do === 'event' || step.do === 'fail') {
            if (!hasEnded) driver.perform(step)
            queued.push(step)
            continue
          }
          // Queued events come before a call, but an end in the same turn comes before them.
          if (step.do === 'next') await turn()
          driver.perform(step)
          if (step.do === 'next' || step.do === 'return' || step.do === 'throw') model.call(step.do)
          if (step.do === 'abort') model.drop('ABORT_ERR')
          if (step.do === 'stop') {
            queued.length = 0
            model.end('done')
            hasEnded = true
            await turn()
          }
        }
        await turn()
        await facade.monitor.stop()
      },
    ),
    { numRuns: 400, includeErrorInReport: true },
  )
  t.pass()
})
