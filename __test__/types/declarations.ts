/** `index.d.ts` declares what is compiled, and `proc-events/prometheus` uses its types. Judged by tsc, never run. */
import { expectTypeOf } from 'expect-type'
import type * as Compiled from '../../dist/index.js'
import type { collectMonitorMetrics } from '../../dist/prometheus.js'
import type * as Declared from 'proc-events'

// Values: the same names, and each is assignable to the other.
expectTypeOf<keyof typeof Declared>().toEqualTypeOf<keyof typeof Compiled>()
expectTypeOf<typeof Declared>().toExtend<typeof Compiled>()
expectTypeOf<typeof Compiled>().toExtend<typeof Declared>()

// Types that neither generic methods nor an event emitter keep from being compared as a whole.
expectTypeOf<Declared.ErrorCode>().toEqualTypeOf<Compiled.ErrorCode>()
expectTypeOf<Declared.EventsOptions<'exec'>>().toEqualTypeOf<Compiled.EventsOptions<'exec'>>()
expectTypeOf<Declared.MonitorEvents>().toEqualTypeOf<Compiled.MonitorEvents>()
expectTypeOf<Declared.MonitorOptions>().toEqualTypeOf<Compiled.MonitorOptions>()
expectTypeOf<Declared.MonitorStats>().toEqualTypeOf<Compiled.MonitorStats>()
expectTypeOf<Declared.OpenTelemetryEvent>().toEqualTypeOf<Compiled.OpenTelemetryEvent>()
expectTypeOf<Declared.ProcessEvent>().toEqualTypeOf<Compiled.ProcessEvent>()
expectTypeOf<Declared.SubscribeOptions>().toEqualTypeOf<Compiled.SubscribeOptions>()
expectTypeOf<keyof Declared.ProcessMonitor>().toEqualTypeOf<keyof Compiled.ProcessMonitor>()

// The monitor that `proc-events/prometheus` takes is the one of index.d.ts, and a compiled one is assignable to it.
type Collected = Parameters<typeof collectMonitorMetrics>[0]
expectTypeOf<Collected>().toEqualTypeOf<Pick<Declared.ProcessMonitor, 'stats'>>()
expectTypeOf<Compiled.ProcessMonitor>().toExtend<Collected>()
