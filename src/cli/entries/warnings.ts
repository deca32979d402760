/** Shows the monitor's warning about polling as a message. Other warnings of Node.js stay as they are. */
import type { ErrorCode } from '../../api/errors.js'
import { commandMessage } from '../exit-codes.js'

/** Returns a function that restores the earlier behaviour. */
export function onMonitorWarning(onWarning: (message: string, code: string | null) => void): () => void {
  const listeners = process.listeners('warning')
  const warned = (warning: Error & { code?: string }): void => {
    const { name, message, code } = warning
    if (name === 'ProcessMonitorWarning')
      onWarning(code ? commandMessage(message, code as ErrorCode) : message, code ?? null)
    else for (const listener of listeners) listener(warning)
  }
  process.removeAllListeners('warning').on('warning', warned)
  return () => {
    process.off('warning', warned)
    for (const listener of listeners) process.on('warning', listener)
  }
}
