/** What index.d.ts declares against the contract: it may add to it, and takes nothing away. Judged by tsc, never run. */
import { expectTypeOf } from 'expect-type'
import type * as Api from 'proc-events'
import type * as Contract from './contract.js'

/** The names that are promised of a type, and not there. Optional ones would not be missed by assignability. */
type Missing<Promised, Declared> = Promised extends unknown ? Exclude<keyof Promised, keyof Declared> : never

/** What users are given: all that is promised is there, and as promised. */
type Gives<Promised, Declared extends Promised> = [Missing<Promised, Declared>] extends [never] ? true : false

/** What users give: all that is promised is taken, and nothing more is asked for. */
type Takes<Promised extends Declared, Declared> = [Missing<Promised, Declared>] extends [never] ? true : false

// Values: the types are named below. Nobody but the package makes errors, so that their constructor is its own.
type Values<Module> = Omit<Module, 'ProcessMonitorError'>
expectTypeOf<Gives<Values<typeof Contract>, Values<typeof Api>>>().toEqualTypeOf<true>()

// Events, one by one: a union is assignable as soon as its members are, but its names are those that all have.
expectTypeOf<Gives<Contract.ForkEvent, Api.ForkEvent>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.ExecEvent, Api.ExecEvent>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.ExitEvent, Api.ExitEvent>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.CommEvent, Api.CommEvent>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.UidEvent, Api.UidEvent>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.GidEvent, Api.GidEvent>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.SidEvent, Api.SidEvent>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.PtraceEvent, Api.PtraceEvent>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.CoredumpEvent, Api.CoredumpEvent>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.EventBase<'exec'>, Api.EventBase<'exec'>>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.ProcessInfo, Api.ProcessInfo>>().toEqualTypeOf<true>()
expectTypeOf<Api.ProcessEvent>().toExtend<Contract.ProcessEvent>()
expectTypeOf<Api.EventOf<'exit'>>().toExtend<Contract.EventOf<'exit'>>()
expectTypeOf<Api.EventType>().toEqualTypeOf<Contract.EventType>()
expectTypeOf<Api.ProcessEvent['type']>().toEqualTypeOf<Contract.ProcessEvent['type']>()
expectTypeOf<Api.ProcessField>().toEqualTypeOf<Contract.ProcessField>()
expectTypeOf<Api.ErrorCode>().toEqualTypeOf<Contract.ErrorCode>()

// What the monitor tells of itself.
expectTypeOf<Gives<Contract.ProcessMonitor, Api.ProcessMonitor>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.MonitorEvents, Api.MonitorEvents>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.LossReport, Api.LossReport>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.MonitorStats, Api.MonitorStats>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.ProbeReport, Api.ProbeReport>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.ProcessMonitorError, Api.ProcessMonitorError>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.Unsubscribe, Api.Unsubscribe>>().toEqualTypeOf<true>()

// Options, and what else users write.
expectTypeOf<Takes<Contract.MonitorOptions, Api.MonitorOptions>>().toEqualTypeOf<true>()
expectTypeOf<Takes<Contract.ProcessFilter, Api.ProcessFilter>>().toEqualTypeOf<true>()
expectTypeOf<Takes<Contract.SubscribeOptions, Api.SubscribeOptions>>().toEqualTypeOf<true>()
expectTypeOf<Takes<Contract.EventsOptions<'exec'>, Api.EventsOptions<'exec'>>>().toEqualTypeOf<true>()
expectTypeOf<
  Takes<Contract.ProcessCallback<Contract.ExecEvent>, Api.ProcessCallback<Api.ExecEvent>>
>().toEqualTypeOf<true>()

// Methods are compared as if their parameters might narrow: these are held to take all that is promised.
type Promised<M extends keyof Contract.ProcessMonitor> = Parameters<Extract<Contract.ProcessMonitor[M], Callable>>
type Declared<M extends keyof Api.ProcessMonitor> = Parameters<Extract<Api.ProcessMonitor[M], Callable>>
type Callable = (...args: any) => unknown
expectTypeOf<Promised<'initialize'>>().toExtend<Declared<'initialize'>>()
expectTypeOf<Promised<'subscribe'>>().toExtend<Declared<'subscribe'>>()
expectTypeOf<Promised<'subscribeExec'>>().toExtend<Declared<'subscribeExec'>>()
expectTypeOf<Promised<'subscribeExit'>>().toExtend<Declared<'subscribeExit'>>()
expectTypeOf<Promised<'events'>>().toExtend<Declared<'events'>>()
expectTypeOf<Promised<'waitForExit'>>().toExtend<Declared<'waitForExit'>>()
expectTypeOf<Promised<'stop'>>().toExtend<Declared<'stop'>>()
expectTypeOf<Parameters<typeof Contract.findDeletedProcesses>>().toExtend<Parameters<typeof Api.findDeletedProcesses>>()
expectTypeOf<Parameters<typeof Contract.probe>>().toExtend<Parameters<typeof Api.probe>>()
