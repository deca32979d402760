/** Compares index.d.ts with the contract. It may add to the contract, but remove nothing. Checked by tsc, never run. */
import { expectTypeOf } from 'expect-type'
import type * as Api from 'proc-events'
import type * as Contract from './contract.js'

/** The properties of the contract that are not declared. Assignability alone does not miss optional ones. */
type Missing<Promised, Declared> = Promised extends unknown ? Exclude<keyof Promised, keyof Declared> : never

/** For types that users get: every property of the contract is declared with the same type. */
type Gives<Promised, Declared extends Promised> = [Missing<Promised, Declared>] extends [never] ? true : false

/** For types that users pass: every property of the contract is accepted, and no further one is required. */
type Takes<Promised extends Declared, Declared> = [Missing<Promised, Declared>] extends [never] ? true : false

// The list of what is missing is complete and up to date.
type Declares<Keys, Pending> = Extract<Keys, Pending>
expectTypeOf<Declares<keyof Api.MonitorOptions, Contract.Pending['MonitorOptions']>>().toBeNever()
expectTypeOf<Declares<Api.ProcessField, Contract.Pending['ProcessField']>>().toBeNever()
expectTypeOf<Declares<keyof Api.ExitEvent, Contract.Pending['ExitEvent']>>().toBeNever()
expectTypeOf<Declares<keyof Api.MonitorStats, Contract.Pending['MonitorStats']>>().toBeNever()

// Values. The types follow below. The constructor of errors is private to the package.
type Values<Module> = Omit<Module, 'ProcessMonitorError'>
expectTypeOf<Gives<Values<typeof Contract>, Values<typeof Api>>>().toEqualTypeOf<true>()

// Each event on its own, because the keys of a union are only the keys that all members have.
expectTypeOf<Gives<Contract.ResourceUsage, Api.ResourceUsage>>().toEqualTypeOf<true>()
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

// The monitor, its events and its statistics.
expectTypeOf<Gives<Contract.ProcessMonitor, Api.ProcessMonitor>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.MonitorEvents, Api.MonitorEvents>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.LossReport, Api.LossReport>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.MonitorStats, Api.MonitorStats>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.ProbeReport, Api.ProbeReport>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.ProcessMonitorError, Api.ProcessMonitorError>>().toEqualTypeOf<true>()
expectTypeOf<Gives<Contract.Unsubscribe, Api.Unsubscribe>>().toEqualTypeOf<true>()

// Options and callbacks.
expectTypeOf<Takes<Contract.MonitorOptions, Api.MonitorOptions>>().toEqualTypeOf<true>()
expectTypeOf<Takes<Contract.ProcessFilter, Api.ProcessFilter>>().toEqualTypeOf<true>()
expectTypeOf<Takes<Contract.SubscribeOptions, Api.SubscribeOptions>>().toEqualTypeOf<true>()
expectTypeOf<Takes<Contract.EventsOptions<'exec'>, Api.EventsOptions<'exec'>>>().toEqualTypeOf<true>()
expectTypeOf<
  Takes<Contract.ProcessCallback<Contract.ExecEvent>, Api.ProcessCallback<Api.ExecEvent>>
>().toEqualTypeOf<true>()

// Method parameters are bivariant, so compare them on their own. They must accept every argument of the contract.
type Promised<M extends keyof Contract.ProcessMonitor> = Parameters<Extract<Contract.ProcessMonitor[M], Callable>>
type Declared<M extends keyof Api.ProcessMonitor> = Parameters<Extract<Api.ProcessMonitor[M], Callable>>
type Callable = (...args: any) => unknown
expectTypeOf<Promised<'initialize'>>().toExtend<Declared<'initialize'>>()
expectTypeOf<Promised<'subscribe'>>().toExtend<Declared<'subscribe'>>()
expectTypeOf<Promised<'subscribeExec'>>().toExtend<Declared<'subscribeExec'>>()
expectTypeOf<Promised<'subscribeExit'>>().toExtend<Declared<'subscribeExit'>>()
expectTypeOf<Promised<'events'>>().toExtend<Declared<'events'>>()
expectTypeOf<Promised<'waitForExit'>>().toExtend<Declared<'waitForExit'>>()
expectTypeOf<Promised<'flush'>>().toExtend<Declared<'flush'>>()
expectTypeOf<Promised<'stop'>>().toExtend<Declared<'stop'>>()
expectTypeOf<Parameters<typeof Contract.findDeletedProcesses>>().toExtend<Parameters<typeof Api.findDeletedProcesses>>()
expectTypeOf<Parameters<typeof Contract.signalProcess>>().toExtend<Parameters<typeof Api.signalProcess>>()
expectTypeOf<Parameters<typeof Contract.probe>>().toExtend<Parameters<typeof Api.probe>>()
