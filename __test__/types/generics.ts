/** The types that TypeScript infers for users' calls. Checked by tsc, never run. */
import { expectTypeOf } from 'expect-type'
import {
  type EventOf,
  type ExecEvent,
  type ExitEvent,
  type ForkEvent,
  type ProcessEvent,
  type ProcessField,
  type ProcessInfo,
  type SubscribeOptions,
  type Unsubscribe,
  findDeletedProcesses,
  getProcessMonitor,
  probe,
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

export async function captures(): Promise<void> {
  type Text = string | null
  // Without a capture, or with one that is no literal, every detail may be undefined.
  monitor.subscribeExec((_, { process }) => expectTypeOf(process).toEqualTypeOf<ProcessInfo>())
  monitor.subscribeExec((_, { process }) => expectTypeOf(process.name).toEqualTypeOf<Text | undefined>(), {
    name: 'sh',
  })
  const some: ProcessField[] = ['name']
  const options: SubscribeOptions = { capture: ['name'] }
  const either = Math.random() > 0.5 ? ('name' as const) : ('exe' as const)
  const oneOf = Math.random() > 0.5 ? (['name'] as const) : (['exe', 'cwd'] as const)
  for (const shared of [options, { capture: some }, { capture: [either] as const }, { capture: oneOf }]) {
    monitor.subscribeExec((_, { process }) => expectTypeOf(process.name).toEqualTypeOf<Text | undefined>(), shared)
  }
  monitor.subscribeExec((_, event) => expectTypeOf(event).toEqualTypeOf<ExecEvent>(), { capture: [] })
  monitor.subscribeExec((_, event) => expectTypeOf(event).toEqualTypeOf<ExecEvent>(), { capture: [either] })
  monitor.subscribeExec((_, event) => expectTypeOf(event).toEqualTypeOf<ExecEvent>(), { capture: oneOf })

  // Literals need no `as const`.
  monitor.subscribeExec(
    (_, event) => {
      expectTypeOf(event).toExtend<ExecEvent>()
      expectTypeOf(event.process.name).toEqualTypeOf<Text>()
      expectTypeOf(event.process.argv).toEqualTypeOf<readonly string[] | null>()
      expectTypeOf(event.process.exe).toEqualTypeOf<Text | undefined>()
    },
    { capture: ['name', 'argv'], uid: 0 },
  )
  monitor.subscribeExit(
    (_, { process, exitCode }) => {
      expectTypeOf(exitCode).toEqualTypeOf<number | null>()
      expectTypeOf(process.cgroup).toEqualTypeOf<Text>()
      expectTypeOf(process.containerId).toEqualTypeOf<Text>()
      expectTypeOf(process.startTime).toEqualTypeOf<number | null>()
    },
    { capture: ['cgroup', 'startTime'] },
  )
  monitor.subscribe('fork', (_, event) => expectTypeOf(event.process.uid).toEqualTypeOf<number | null>(), {
    capture: ['uid'],
  })
  monitor.subscribe('fork', (_, event) => expectTypeOf(event.ppid).toEqualTypeOf<number>(), { capture: ['uid'] })
  monitor.subscribe<'exit'>('exit', (_, event) => expectTypeOf(event).toEqualTypeOf<ExitEvent>(), { capture: ['uid'] })
  for await (const { process } of monitor.events({ capture: ['name'] })) {
    expectTypeOf(process.name).toEqualTypeOf<Text>()
    expectTypeOf(process.exe).toEqualTypeOf<Text | undefined>()
  }
  for await (const event of monitor.events({ types: ['exit'], capture: ['ppid'] })) {
    expectTypeOf(event.exitCode).toEqualTypeOf<number | null>()
    expectTypeOf(event.process.ppid).toEqualTypeOf<number | null>()
  }
  // Shared options need `as const`.
  const mutable = { name: 'sh', capture: ['name'] }
  // @ts-expect-error -- TypeScript widens the literals to string
  monitor.subscribeExec(() => {}, mutable)
  const shared = { name: 'sh', capture: ['name'] } as const
  monitor.subscribeExec((_, { process }) => expectTypeOf(process.name).toEqualTypeOf<Text>(), shared)
  monitor.subscribeExit((_, { process }) => expectTypeOf(process.name).toEqualTypeOf<Text>(), shared)
  for await (const { process } of monitor.events(shared)) expectTypeOf(process.name).toEqualTypeOf<Text>()
  // An empty list is an alternative to the fields. TypeScript ignores undefined when it infers them.
  monitor.subscribeExec((_, event) => expectTypeOf(event).toEqualTypeOf<ExecEvent>(), {
    capture: Math.random() > 0.5 ? ['name'] : [],
  })
  // A callback for any event still fits.
  monitor.subscribeExec((_: number, event: ProcessEvent) => event.type, { capture: ['name'] })
  // @ts-expect-error -- the type finds a misspelt option
  monitor.subscribeExec(() => {}, { capture: ['name'], commandline: 'x' })
  // @ts-expect-error -- the arguments are read-only
  monitor.subscribeExec((_, { process }) => process.argv?.shift())
}

/** Under `exactOptionalPropertyTypes`, which is set here, every option accepts undefined. */
export function undefinedOptions(): void {
  const nothing = undefined as undefined
  const filter = { name: nothing, exe: nothing, cwd: nothing, commandLine: nothing, uid: nothing, cgroup: nothing }
  const subscribe = {
    ...filter,
    ancestor: nothing,
    capture: nothing,
    replay: nothing,
    recapture: nothing,
    signal: nothing,
  }
  monitor.subscribeExec((_, event) => expectTypeOf(event).toEqualTypeOf<ExecEvent>(), subscribe)
  monitor.events({ ...subscribe, types: nothing, queueSize: nothing })
  const sizes = { pollingInterval: nothing, receiveBufferSize: nothing, queueSize: nothing, maxArgvBytes: nothing }
  const names = { source: nothing, procRoot: nothing, priority: nothing, redact: nothing, kernelThreads: nothing }
  void monitor.initialize({ ...sizes, ...names })
  void monitor.waitForExit(1, { signal: nothing, startTime: nothing })
  void probe({ procRoot: nothing })
  findDeletedProcesses(new Map(), { procRoot: nothing })
  toOpenTelemetry({} as ProcessEvent, { arguments: nothing })
}

export function deletedProcesses(): void {
  findDeletedProcesses(new Map<number, string>())
  findDeletedProcesses(new Set([1]))
  findDeletedProcesses({ keys: () => new Set([1]).keys() })
  // @ts-expect-error -- the keys of an array are its indexes
  findDeletedProcesses([1])
  // @ts-expect-error -- likewise
  findDeletedProcesses(Uint32Array.of(1))
  // @ts-expect-error -- the keys are no pids
  findDeletedProcesses(new Map<string, number>())
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
