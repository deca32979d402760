/** The steps of a random run: calls of users and records of a source, in any order. */
import * as fc from 'fast-check'
import type { ErrorCode, EventType, ProcessField, ProcessInfo } from '../../../dist/index.js'
import { FIELDS, type Filter, filters, processes } from './filters.ts'

/** The arguments of a subscription. */
export interface SubscribeArgs {
  type: EventType
  filter: Filter
  capture: ProcessField[]
  /** The callback's action in its first call, its second call, and so on. */
  reactions: Action[]
  /** The subscription whose callback is reused. */
  reuse?: number
}

/** A user's action, also within a callback. `throw` occurs only within a callback. */
export type Action =
  | { do: 'take' | 'initialize' | 'stop' | 'ref' | 'unref' | 'nothing' | 'throw' }
  | { do: 'subscribe'; args: SubscribeArgs }
  | { do: 'unsubscribe'; which: number; by: 'call' | 'dispose' | 'abort' }

/** A record of a source. */
export type Item =
  | { is: 'event'; type: EventType; pid: number; time: number; process?: ProcessInfo | undefined; padding: number }
  | { is: 'loss'; lost: number }
  | { is: 'restart' | 'fallenBack' | 'failed'; code: ErrorCode }
  | { is: 'opened'; source: 0 | 1 }
  | { is: 'scanned' | 'closed' }

/** One step of a run. Impossible steps are skipped, such as a record from a closed source. */
export type Step =
  Action | { do: 'push'; items: Item[] } | { do: 'advance'; source: 0 | 1 } | { do: 'turn'; drainAtMost: number }

const type = fc.constantFrom('exec' as const, 'exit' as const, 'fork' as const)
const code = fc.constantFrom<ErrorCode>('ERR_PERMISSION', 'ERR_SOURCE_FAILED', 'ERR_PROC_UNREADABLE')

const unsubscription = fc
  .tuple(fc.nat(5), fc.constantFrom('call' as const, 'dispose' as const, 'abort' as const))
  .map(([which, by]): Action => ({ do: 'unsubscribe', which, by }))
const subscription = (reactions: fc.Arbitrary<Action[]>): fc.Arbitrary<Action> => {
  const capture = fc.subarray(FIELDS)
  const reuse = fc.oneof({ weight: 4, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: fc.nat(5) })
  return fc.record({ type, filter: filters, capture, reactions, reuse }).map((args) => ({ do: 'subscribe', args }))
}
const action = fc.constantFrom<Action>(
  ...(['take', 'take', 'initialize', 'initialize', 'initialize', 'stop', 'stop', 'ref', 'unref'] as const).map(
    (name) => ({ do: name }),
  ),
)
const reaction = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Action>({ do: 'nothing' }) },
  { weight: 2, arbitrary: fc.constant<Action>({ do: 'throw' }) },
  { weight: 2, arbitrary: unsubscription },
  { weight: 2, arbitrary: subscription(fc.constant([])) },
  { weight: 1, arbitrary: action },
  { weight: 1, arbitrary: fc.constant<Action>({ do: 'stop' }) },
)

/** The size of a record. Most fit into the facade's first buffer, and some do not fit into its second one. */
const padding = fc.oneof({ weight: 60, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(200_000) })
const event = fc
  .record({ type, pid: fc.integer({ min: 1, max: 9 }), process: processes, padding })
  .map((event): Item => ({ is: 'event', time: 0, ...event }))
const items = fc.oneof(
  { weight: 12, arbitrary: fc.array(event, { minLength: 1, maxLength: 6 }) },
  { weight: 1, arbitrary: fc.nat(9).map((lost): Item[] => [{ is: 'loss', lost }]) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('restart' as const, 'fallenBack' as const, 'failed' as const), code)
      .map(([is, code]): Item[] => [{ is, code }]),
  },
  { weight: 1, arbitrary: fc.constant<Item[]>([{ is: 'closed' }]) },
)
const anything = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: items.map((items): Step => ({ do: 'push', items })) },
    {
      weight: 4,
      arbitrary: fc.constantFrom(0 as const, 1 as const).map((source): Step => ({ do: 'advance', source })),
    },
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 9 }).map((drainAtMost): Step => ({ do: 'turn', drainAtMost })) },
    { weight: 4, arbitrary: subscription(fc.array(reaction, { maxLength: 4 })) },
    { weight: 1, arbitrary: unsubscription },
    { weight: 3, arbitrary: action },
  ),
  { minLength: 1, maxLength: 60, size: 'max' },
)

const turn: Step = { do: 'turn', drainAtMost: 9 }
const advance: Step = { do: 'advance', source: 0 }
const beginning = fc.constantFrom<Step[]>([], [{ do: 'take' }, { do: 'initialize' }, advance, turn, advance, turn])

/** Many runs begin like an ordinary session, so that they reach more states. */
export const steps: fc.Arbitrary<Step[]> = fc.tuple(beginning, anything).map((parts) => parts.flat())
