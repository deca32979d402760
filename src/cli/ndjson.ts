/** An event as a line of JSON. Its keys, their order and their units are relied upon: they are added to, never changed. */
import type { ExecEvent, ExitEvent } from '../event-types.js'

/** `time` is the event's. What is unknown is null; what only exits have is absent from execs. */
export function jsonLine(event: ExecEvent | ExitEvent, time: Date): string {
  const { type, pid, timestampNs, origin, process } = event
  const ppid = (type === 'exec' ? process.ppid : event.ppid) ?? null
  const head = {
    type,
    time: time.toISOString(),
    timestampNs,
    pid,
    ppid,
    name: process.name ?? null,
    origin,
  }
  if (type === 'exec') return JSON.stringify(head)
  const { exitCode, signal, coreDumped, durationNs } = event
  return JSON.stringify({ ...head, exitCode, signal, coreDumped, durationNs })
}
