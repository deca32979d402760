/** The types that TypeScript infers for users' calls. Checked by tsc, never run. */
import { expectTypeOf } from 'expect-type'
import {
  type EventOf,
  type ExecEvent,
  type ExitEvent,
  type ForkEvent,
  type ProcessEvent,
  type Unsubscribe,
  getProcessMonitor,
  toOpenTelemetry,
} from 'proc-events'

const monitor = getProcessMonitor()

export function subscriptions(): void {
  // The event type decides the type of the callback's event.
  const unsubscribe = monitor.subscribe('exit', (pid, event) => {
    expectTypeOf(pid).toEqualTypeOf<number>()
    expectTypeOf(event).toEqualTypeOf<ExitEvent>()
  })
  expectTypeOf(unsubscribe).toEqualTypeOf<Unsubscribe>()
  monitor.subscribe('fork', (_, event) => expectTypeOf(event).toEqualTypeOf<ForkEvent>())
  monitor.subscribeExec((_, event) => expectTypeOf(event).toEqualTypeOf<ExecEvent>(), { replay: true })
  monitor.subscribe('exec' as 'exec' | 'exit', (_, event) => expectTypeOf(event).toEqualTypeOf<ExecEvent | ExitEvent>())
  // A callback for any event fits every type.
  const any = (_pid: number, event: ProcessEvent): string => event.type
  monitor.subscribe('comm', any)
  // @ts-expect-error -- a callback for another event type does not fit
  monitor.subscribe('exec', (_: number, event: ExitEvent) => event.exitCode)
  // @ts-expect-error -- unknown type
  monitor.subscribe('exce', any)
  // @ts-expect-error -- unknown field
  monitor.subscribeExec(any, { capture: ['nam'] })
}

export async function iterators(): Promise<void> {
  expectTypeOf(monitor.events()).toExtend<AsyncIterableIterator<ExecEvent | ExitEvent>>()
  for await (const event of monitor.events()) expectTypeOf(event).toEqualTypeOf<ExecEvent | ExitEvent>()
  for await (const event of monitor.events({ name: 'sh' })) expectTypeOf(event).toEqualTypeOf<ExecEvent | ExitEvent>()
  // The literals need no `as const`.
  for await (const event of monitor.events({ types: ['exit'] })) expectTypeOf(event).toEqualTypeOf<ExitEvent>()
  for await (const event of monitor.events({ types: ['fork', 'exec'] })) {
    expectTypeOf(event).toEqualTypeOf<EventOf<'fork' | 'exec'>>()
    if (event.type === 'fork') expectTypeOf(event).toEqualTypeOf<ForkEvent>()
  }
  const types = ['uid', 'gid'] as const
  for await (const event of monitor.events({ types })) expectTypeOf(event).toEqualTypeOf<EventOf<'uid' | 'gid'>>()
  // @ts-expect-error -- no such type
  monitor.events({ types: ['exce'] })
  await using events = monitor.events()
  expectTypeOf(events.next()).resolves.toExtend<IteratorResult<ExecEvent | ExitEvent>>()
}

export function others(): void {
  expectTypeOf(monitor.waitForExit(1)).resolves.toEqualTypeOf<ExitEvent>()
  void monitor.initialize({ redact: ([program]) => [program ?? ''] })
  void monitor.initialize({ redact: (argv, { name }) => (name === 'psql' ? [] : argv) })
  // @ts-expect-error -- it is synchronous, since events do not wait
  void monitor.initialize({ redact: async (argv) => argv })
  monitor.subscribeExec((_, event) => {
    const { attributes } = toOpenTelemetry(event)
    expectTypeOf(attributes['process.exit.code']).toEqualTypeOf<number | undefined>()
  })
}
