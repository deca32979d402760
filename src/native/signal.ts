/** Sends a signal to a process only if its pid still belongs to it. */
import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'
import { checkInteger, checkObject, fromNative, invalidArgType } from '../api/errors.js'
import { PID_MAX_LIMIT, load } from './binding.js'
import { SIGRTMIN, SIGRTMAX } from './record.js'

/**
 * Sends a signal to a process, only if its pid still belongs to it. The pid of a process that has exited may be given to
 * another one, which `process.kill` would hit. It needs no running monitor.
 *
 * With pidfds (Linux 5.3 and newer), the pid cannot be reused between the check and the signal.
 *
 * ```ts
 * monitor.subscribeExec((pid, { process: { startTime } }) => {
 *   if (typeof startTime === 'number') signalProcess({ pid, startTime }, 'SIGTERM')
 * }, { name: 'stray', capture: ['startTime'] })
 * ```
 *
 * @param process - `pid`: 1 to 4,194,304. `startTime`: the process's {@link ProcessInfo.startTime}.
 * @param signal - a name such as `'SIGTERM'` or `'SIGRTMIN+1'`, or a number from 0 to 64. 0 only checks whether the process
 * runs, and whether it may be signalled.
 * @returns true if the signal was sent. false if the process has exited.
 * @throws SystemError with the `code` `'EPERM'` if the process may not be signalled.
 * @throws a {@link ProcessMonitorError} `ERR_PROC_UNREADABLE` if /proc cannot be read, `ERR_PROC_NAMESPACE` if it is that of
 * another pid namespace.
 * `ERR_UNSUPPORTED_PLATFORM` or `ERR_NATIVE_BINDING` if the native part is unavailable.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or RangeError `ERR_OUT_OF_RANGE` for an argument that is not as typed. TypeError
 * `ERR_UNKNOWN_SIGNAL` for an unknown name.
 */
export function signalProcess(
  process: { readonly pid: number; readonly startTime: number },
  signal: NodeJS.Signals | `SIGRTMIN+${number}` | number,
): boolean {
  checkObject('process', process)
  const { pid, startTime } = process
  checkInteger('process.pid', pid, 1, PID_MAX_LIMIT)
  checkInteger('process.startTime', startTime, 0, Number.MAX_SAFE_INTEGER)
  const { sent, error } = load().signalProcess(pid, startTime, signalNumber(signal))
  if (!error) return sent
  const failure = fromNative(error)
  if (failure.code === 'ERR_PROC_UNREADABLE' || error.errno === 0) throw failure
  // The error has the form of those that `process.kill` throws.
  const { errno, syscall = 'kill' } = error
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error']
  throw Object.assign(new Error(`${syscall} ${code}: ${text}, pid ${pid}`), { errno: -errno, code, syscall })
}

function signalNumber(signal: unknown): number {
  if (typeof signal === 'number') {
    checkInteger('signal', signal, 0, SIGRTMAX)
    return signal
  }
  if (typeof signal !== 'string') throw invalidArgType('signal', 'of type string or number', signal)
  const number = Object.hasOwn(constants.signals, signal)
    ? constants.signals[signal as NodeJS.Signals]
    : realTimeSignal(signal)
  if (number !== undefined) return number
  throw Object.assign(new TypeError(`Unknown signal: ${signal}`), { code: 'ERR_UNKNOWN_SIGNAL' })
}

function realTimeSignal(name: string): number | undefined {
  const [, offset] = /^SIGRTMIN\+(\d{1,2})$/.exec(name) ?? []
  const number = SIGRTMIN + Number(offset)
  return number <= SIGRTMAX ? number : undefined
}
