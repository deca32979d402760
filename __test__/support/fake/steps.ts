/** What users may do and what a source may report, in any order: the steps of a random run. */
import * as fc from 'fast-check'
import type { ErrorCode, EventType, ProcessField, ProcessInfo } from '../../../dist/index.js'
import { FIELDS, type Filter, filters, processes } from './filters.ts'

/** A subscription to be made. */
export interface SubscribeArgs {
  type: EventType
  filter: Filter
  capture: ProcessField[]
  /** What the callback does when it is called for the first time, for the second time, and so on. */
  reactions: Action[]
  /** The subscription whose callback is taken instead of a new one. */
  reuse?: number
}

/** What a user may do, within a callback too; `throw` only there. */
export type Action =
  | { do: 'take' | 'initialize' | 'stop' | 'ref' | 'unref' | 'nothing' | 'throw' }
  | { do: 'subscribe'; args: SubscribeArgs }
  | { do: 'unsubscribe'; which: number; by: 'call' | 'dispose' | 'abort' }

/** What a source reports. */
export type Item =
  | { is: 'event'; type: EventType; pid: number; time: number; process?: ProcessInfo; padding: number }
  | { is: 'loss'; lost: number }
  | { is: 'restart' | 'fallenBack' | 'failed'; code: ErrorCode }
  | { is: 'opened'; source: 0 | 1 }
  | { is: 'scanned' | 'closed' }

/** One step of a run. What makes no sense at its time, such as a report from a source that has ended, is left out. */
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

/** Most fit into the facade's first buffer, some do not fit into its second. */
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

/** Many runs begin as an ordinary life does, so that they come further. */
export const steps: fc.Arbitrary<Step[]> = fc.tuple(beginning, anything).map((parts) => parts.flat())
