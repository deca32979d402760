// Parts of a chain that are away for ten seconds. Each function takes the chain: its parts by name, and `start` for the collector.

import { pause } from './programs.mjs'

const SECONDS = 10

export const receiverAway = ({ sink }) => sink.away(SECONDS)

/** Ends the collector by a signal, and starts it again. */
export function collectorAway(signal) {
  return async (chain) => {
    await chain.collector.end(signal)
    await pause(SECONDS)
    chain.collector = chain.start()
  }
}

/** Stops a part by SIGSTOP. */
export function stopped(part) {
  return async (chain) => {
    chain[part].signal('SIGSTOP')
    await pause(SECONDS)
    chain[part].signal('SIGCONT')
  }
}
