/** Checks the options of `initialize`, and converts them for the native part. */
import { checkFlag, checkInteger, checkOneOf, invalidArgType } from '../api/errors.js'
import { type KnownKeys, checkOptionsObject, pickKnown } from '../api/known-keys.js'
import type { MonitorOptions } from '../api/options.js'
import { type NativeOptions, checkProcRoot, defaultProcRoot } from '../native/binding.js'

/** The longest delay of a timer, in milliseconds: 24 days. */
export const TIMER_MAX_MS: number = 2 ** 31 - 1
const SIZE_MAX = 2 ** 31 - 1
/** The longest `maxLatency`, in milliseconds. */
export const LATENCY_MAX_MS: number = 10_000
/** In bytes: 1 MiB. */
const ARGV_BYTES_MAX = 2 ** 20
/** The index is the binding's number. */
const SOURCES: readonly string[] = ['netlink', 'polling', 'auto']
/** The index is the binding's number. */
const EFFORTS: readonly string[] = ['low', 'normal', 'high']

const OPTIONS: KnownKeys<MonitorOptions> = {
  source: true,
  pollingInterval: true,
  effort: true,
  receiveBufferSize: true,
  queueSize: true,
  maxArgvBytes: true,
  maxLatency: true,
  kernelThreads: true,
  procRoot: true,
  priority: true,
  redact: true,
}

/** The options that have a default of their own. */
type Defaults = {
  readonly [K in Exclude<keyof MonitorOptions, 'procRoot' | 'redact'>]-?: NonNullable<MonitorOptions[K]>
}

/** The user's options, and the defaults of the others. */
type EffectiveOptions = Defaults & { readonly procRoot: string } & Pick<MonitorOptions, 'redact'>

/** The documented defaults, which are equal to options that are not given. */
const DEFAULTS: Defaults = {
  source: 'netlink',
  pollingInterval: 250,
  effort: 'normal',
  receiveBufferSize: 8 * 2 ** 20,
  queueSize: 65_536,
  maxArgvBytes: 65_536,
  maxLatency: 0,
  kernelThreads: false,
  priority: 'auto',
}

/** The options of `initialize` after their check. */
export interface CheckedOptions {
  /** The options of the native part, without the rules. */
  readonly native: Omit<NativeOptions, 'rules'>
  /** The user's options and the defaults of the others. */
  readonly effective: MonitorOptions
}

/** Checks the option `maxLatency` of the monitor or of a subscription. */
export function checkLatency(maxLatency: unknown): void {
  if (maxLatency !== undefined) checkInteger('options.maxLatency', maxLatency, 0, LATENCY_MAX_MS)
}

export function checkOptions(options: MonitorOptions): CheckedOptions {
  checkOptionsObject(options, OPTIONS)
  const { source, pollingInterval, receiveBufferSize, queueSize, maxArgvBytes, priority, redact } = options
  checkLatency(options.maxLatency)
  checkFlag('options.kernelThreads', options.kernelThreads)
  if (redact !== undefined && typeof redact !== 'function') {
    throw invalidArgType('options.redact', 'of type function', redact)
  }
  if (source !== undefined) checkOneOf('options.source', source, SOURCES)
  if (pollingInterval !== undefined) checkInteger('options.pollingInterval', pollingInterval, 1, TIMER_MAX_MS)
  if (options.effort !== undefined) checkOneOf('options.effort', options.effort, EFFORTS)
  if (receiveBufferSize !== undefined) checkInteger('options.receiveBufferSize', receiveBufferSize, 1, SIZE_MAX)
  if (queueSize !== undefined) checkInteger('options.queueSize', queueSize, 1, SIZE_MAX)
  if (maxArgvBytes !== undefined) checkInteger('options.maxArgvBytes', maxArgvBytes, 1, ARGV_BYTES_MAX)
  if (priority !== undefined) checkOneOf('options.priority', priority, ['auto', 'ordinary'])
  checkProcRoot(options.procRoot)
  const effective = withDefaults(options)
  return {
    native: {
      source: SOURCES.indexOf(effective.source),
      pollingInterval: effective.pollingInterval,
      effort: EFFORTS.indexOf(effective.effort),
      // The native part has its own defaults of the sizes.
      receiveBufferSize: receiveBufferSize ?? 0,
      queueSize: queueSize ?? 0,
      maxArgvBytes: maxArgvBytes ?? 0,
      procRoot: effective.procRoot,
      maxLatency: effective.maxLatency,
      kernelThreads: effective.kernelThreads,
      raisePriority: effective.priority !== 'ordinary',
    },
    effective,
  }
}

/** Returns the names of the given options that differ from the effective ones. */
export function differingOptions(options: MonitorOptions, effective: MonitorOptions): string[] {
  const names = Object.keys(OPTIONS) as (keyof MonitorOptions)[]
  return names.filter((name) => options[name] !== undefined && options[name] !== effective[name])
}

/** Copies the options, because the user may change the object later. */
function withDefaults(options: MonitorOptions): EffectiveOptions {
  const given = Object.entries(pickKnown(options, OPTIONS)).filter(([, value]) => value !== undefined)
  return { ...DEFAULTS, procRoot: defaultProcRoot(), ...Object.fromEntries(given) }
}
