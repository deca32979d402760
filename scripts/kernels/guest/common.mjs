// Shared by the checks of a guest: the installed package, and patience instead of sleeps.

import { createRequire } from 'node:module'

/** The one monitor of a check. Each check stops it once. */
export const monitor = createRequire('/srv/app/x.js')('proc-events').getProcessMonitor()

/** Waits until `holds` returns true, for at most `seconds`. Returns its last result. */
export async function until(holds, seconds) {
  const end = Date.now() + seconds * 1000
  while (!holds() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10))
  return holds()
}

/** Starts the monitor. Prints the code of a failure, and ends this program. */
export async function start(options) {
  await monitor.initialize(options).catch((error) => {
    console.log(JSON.stringify({ error: error.code ?? String(error) }))
    process.exit(0)
  })
}

export function result(value) {
  console.log(JSON.stringify(value))
}

/** Shell script: starts programs one after the other, and prints their pids. Arguments: count, program. */
export const LOOP = 'i=0; while [ $i -lt "$1" ]; do "$2" & echo $!; wait; i=$((i+1)); done'
