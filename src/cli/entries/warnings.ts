/** Shows the monitor's warning about polling as a message. Other warnings of Node.js stay as they are. */

/** Returns a function that restores the earlier behaviour. */
export function onMonitorWarning(onWarning: (message: string, code: string | null) => void): () => void {
  const listeners = process.listeners('warning')
  const warned = (warning: Error & { code?: string }): void => {
    if (warning.name === 'ProcessMonitorWarning') onWarning(warning.message, warning.code ?? null)
    else for (const listener of listeners) listener(warning)
  }
  process.removeAllListeners('warning').on('warning', warned)
  return () => {
    process.off('warning', warned)
    for (const listener of listeners) process.on('warning', listener)
  }
}
