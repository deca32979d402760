/** Checks the options of `initialize`, and converts them for the native part. */
import { checkFlag, checkInteger, checkObject, checkOneOf, invalidArgType } from '../api/errors.js'
import type { MonitorOptions, Redact } from '../api/options.js'
import { type NativeOptions, checkProcRoot } from '../native/binding.js'

/** The longest delay of a timer, in milliseconds: 24 days. */
export const TIMER_MAX_MS: number = 2 ** 31 - 1
const SIZE_MAX = 2 ** 31 - 1
/** In bytes: 1 MiB. */
const ARGV_BYTES_MAX = 2 ** 20
/** The index is the binding's number. */
const SOURCES: readonly string[] = ['netlink', 'polling', 'auto']

/** The native options without the rules, and the options that only the facade uses. */
export interface CheckedOptions extends Omit<NativeOptions, 'rules'> {
  readonly redact: Redact | null
}

export function checkOptions(options: MonitorOptions): CheckedOptions {
  checkObject('options', options)
  const { source, pollingInterval, receiveBufferSize, queueSize, maxArgvBytes, priority, redact } = options
  const { kernelThreads } = options
  checkFlag('options.kernelThreads', kernelThreads)
  if (redact !== undefined && typeof redact !== 'function') {
    throw invalidArgType('options.redact', 'of type function', redact)
  }
  if (source !== undefined) checkOneOf('options.source', source, SOURCES)
  if (pollingInterval !== undefined) checkInteger('options.pollingInterval', pollingInterval, 1, TIMER_MAX_MS)
  if (receiveBufferSize !== undefined) checkInteger('options.receiveBufferSize', receiveBufferSize, 1, SIZE_MAX)
  if (queueSize !== undefined) checkInteger('options.queueSize', queueSize, 1, SIZE_MAX)
  if (maxArgvBytes !== undefined) checkInteger('options.maxArgvBytes', maxArgvBytes, 1, ARGV_BYTES_MAX)
  if (priority !== undefined) checkOneOf('options.priority', priority, ['auto', 'ordinary'])
  return {
    source: SOURCES.indexOf(source ?? 'netlink'),
    pollingInterval: pollingInterval ?? 250,
    receiveBufferSize: receiveBufferSize ?? 0,
    queueSize: queueSize ?? 0,
    maxArgvBytes: maxArgvBytes ?? 0,
    procRoot: checkProcRoot(options.procRoot),
    kernelThreads: kernelThreads === true,
    raisePriority: priority !== 'ordinary',
    redact: redact ?? null,
  }
}
