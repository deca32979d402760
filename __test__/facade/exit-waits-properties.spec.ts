/** Random runs of waits, answers, exits and ends. Each wait settles with the right exit or the right error. */
import assert from 'node:assert/strict'
import test from 'ava'
import * as fc from 'fast-check'
import type { ExitEvent } from '../../dist/index.js'
import { type Fake, loadFacade, settled } from '../support/fake/facade.ts'

type Answer = 'runs' | 'gone' | 'zombie'
type Step =
  | { do: 'initialize' | 'stop' | 'advance' | 'fail' | 'close' | 'restart' | 'turn' }
  | { do: 'wait'; pid: number; aborts: boolean }
  | { do: 'abort'; which: number }
  | { do: 'exit'; pid: number }
  | { do: 'answer'; which: number; answer: Answer }

/** A call of `waitForExit`, and its outcome. */
interface Wait {
  readonly pid: number
  readonly controller: AbortController | null
  state: 'pending' | 'exited' | string
  exit: ExitEvent | null
  /** The id in the native part, or 0 if the call was rejected at once. */
  id: number
  isRunning: boolean
  /** The number of the last exit of its pid since the call. */
  last: number | null
  /** The expected outcome: an exit code, an error code, or null while it is undecided. */
  expected: number | string | null
}

class Run {
  readonly #facade: Fake
  readonly #waits: Wait[] = []
  #begun = 0
  #exits = 0
  /** The effects of the queued records. */
  #queued: (() => void)[] = []

  constructor(facade: Fake) {
    this.#facade = facade
    const { fake, monitor } = facade
    fake.behaviour.open = () => null
    fake.behaviour.scan = () => null
    fake.behaviour.watchExit = (source: any, id: number) => {
      source.asked = [...(source.asked ?? []), id]
      return null
    }
    fake.behaviour.closeAfter = null
    monitor.on('error', () => {})
  }

  async perform(step: Step): Promise<void> {
    const { monitor, fake, r } = this.#facade
    switch (step.do) {
      case 'initialize':
        monitor.initialize().catch(() => {})
        return
      case 'stop':
        // Queued records have no effect any more.
        this.#queued = []
        this.#decideAll('ERR_STOPPED')
        void monitor.stop()
        return
      case 'wait':
        return this.#wait(step.pid, step.aborts)
      case 'abort': {
        const wait = this.#waits[step.which % this.#waits.length]
        if (wait === undefined || wait.controller === null) return
        decide(wait, 'ABORT_ERR')
        return wait.controller.abort()
      }
      case 'advance':
        return this.#advance()
      case 'turn':
        await settled(fake)
        for (const happen of this.#queued.splice(0)) happen()
        return
      case 'restart':
        if (this.#isOpen()) fake.source.push(r.restart('ERR_SOURCE_FAILED', 5, 'recvmsg'))
        return
      case 'fail':
      case 'close': {
        if (!this.#isLive()) return
        if (step.do === 'fail') fake.source.push(r.failed('ERR_PERMISSION', 1, 'bind'))
        fake.source.push(r.closed())
        fake.source.isOver = true
        const code = step.do === 'fail' ? 'ERR_PERMISSION' : 'ERR_SOURCE_FAILED'
        if (!this.#isStopped()) this.#queued.push(() => this.#decideAll(code))
        return
      }
      case 'exit': {
        if (!this.#isOpen()) return
        const code = ++this.#exits
        fake.source.push(r.exit(step.pid, { code }))
        this.#queued.push(() => this.#exited(step.pid, code))
        return
      }
      case 'answer': {
        const { asked = [] } = fake.source ?? {}
        if (!this.#isOpen() || asked.length === 0) return
        const [id] = asked.splice(step.which % asked.length, 1)
        const wait = this.#waits.find((wait) => wait.id === id)!
        const code = ++this.#exits
        if (step.answer === 'zombie') fake.source.push(r.zombie(id, wait.pid, { code }))
        else fake.source.push(r.watched(id, step.answer === 'runs'))
        this.#queued.push(() => this.#answered(wait, step.answer, code))
      }
    }
  }

  /** Ends the monitor in its current state, and checks the outcome of each wait. */
  async finish(): Promise<void> {
    const { monitor, fake } = this.#facade
    await this.perform({ do: 'turn' })
    // A decided outcome does not depend on the end of the monitor.
    for (const wait of this.#waits) if (wait.expected !== null) check(wait)
    for (let i = 0; i < 3; i++) {
      await this.perform({ do: 'stop' })
      await this.perform({ do: 'close' })
      await this.perform({ do: 'turn' })
    }
    this.#waits.forEach(check)
    fake.behaviour.open = () => [this.#facade.r.opened()]
    fake.behaviour.scan = () => []
    fake.behaviour.closeAfter = 0
    await monitor.initialize()
    assert.deepEqual(fake.source.options.rules, [], 'a rule of a wait is left')
    await monitor.stop()
  }

  async #wait(pid: number, aborts: boolean): Promise<void> {
    const controller = aborts ? new AbortController() : null
    const promise = this.#facade.monitor.waitForExit(pid, controller === null ? {} : { signal: controller.signal })
    const wait: Wait = {
      pid,
      controller,
      state: 'pending',
      exit: null,
      id: 0,
      isRunning: false,
      last: null,
      expected: null,
    }
    this.#waits.push(wait)
    promise.then(
      (event) => Object.assign(wait, { state: 'exited', exit: event }),
      (error) => (wait.state = error.code),
    )
    // The call is rejected at once, or is pending.
    for (let i = 0; i < 3; i++) await Promise.resolve()
    if (wait.state === 'pending') wait.id = ++this.#begun
    else wait.expected = 'ERR_STOPPED'
  }

  #advance(): void {
    const { fake, r } = this.#facade
    if (!this.#isLive()) return
    const { source } = fake
    if (this.#isStopped()) source.isOver = true
    if (this.#isStopped()) source.push(r.closed())
    else if (source.isOpen !== true) source.push(r.opened())
    else if (source.calls.includes('scan') && source.isScanned !== true) {
      source.push(r.scanned(1))
      source.isScanned = true
    }
    source.isOpen = true
  }

  #isLive(): boolean {
    const { source } = this.#facade.fake
    return source !== undefined && source.isOver !== true
  }

  #isStopped(): boolean {
    return this.#facade.fake.source.calls.includes('stop')
  }

  /** Returns true if the facade handles records that are pushed now, unless a stop precedes the next turn. */
  #isOpen(): boolean {
    return this.#isLive() && !this.#isStopped() && this.#facade.fake.source.isScanned === true
  }

  #decideAll(code: string): void {
    for (const wait of this.#waits) decide(wait, code)
  }

  #exited(pid: number, code: number): void {
    for (const wait of this.#waits.filter((wait) => wait.pid === pid)) {
      if (wait.isRunning) decide(wait, code)
      else wait.last = code
    }
  }

  #answered(wait: Wait, answer: Answer, code: number): void {
    if (answer === 'runs') wait.isRunning = true
    else decide(wait, wait.last ?? (answer === 'zombie' ? code : 'ERR_NO_SUCH_PROCESS'))
  }
}

/** Returns a function that runs the action once. */
function decide(wait: Wait, expected: number | string): void {
  wait.expected ??= expected
}

function check({ pid, state, exit, expected }: Wait): void {
  const [got, of] = exit === null ? [state, pid] : [exit.exitCode, exit.pid]
  assert.deepEqual([got, of], [expected, pid])
}

const pid = fc.integer({ min: 1, max: 3 })
const which = fc.nat(5)
const answer = fc.constantFrom<Answer>('runs', 'runs', 'gone', 'zombie')
const step = fc.oneof<[fc.WeightedArbitrary<Step>, ...fc.WeightedArbitrary<Step>[]]>(
  { weight: 3, arbitrary: fc.constant({ do: 'initialize' }) },
  { weight: 5, arbitrary: fc.constant({ do: 'advance' }) },
  { weight: 5, arbitrary: fc.constant({ do: 'turn' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'stop' }, { do: 'fail' }, { do: 'close' }, { do: 'restart' }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait' as const), pid, aborts: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), which }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('exit' as const), pid }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('answer' as const), which, answer }) },
)
const turn: Step = { do: 'turn' }
const advance: Step = { do: 'advance' }
const beginning = fc.constantFrom<Step[]>([], [{ do: 'initialize' }, turn, advance, turn, advance, turn])
const steps = fc.tuple(beginning, fc.array(step, { maxLength: 40, size: 'max' })).map((parts) => parts.flat())

test('in any order of exits, answers and ends a wait settles with its exit or an error', async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      const run = new Run(loadFacade(t))
      for (const step of steps) await run.perform(step)
      await run.finish()
    }),
    { numRuns: 400, includeErrorInReport: true },
  )
  t.pass()
})
