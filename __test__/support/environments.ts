/** Commands that run others in another environment, and programs of `programs/` that print one object of JSON there. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import { atMost } from './helpers.ts'
import { skipped } from './load.ts'

/** An ordinary user. */
export const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
/** A pid namespace with a /proc of its own. */
export const namespace = ['unshare', '-p', '-f', '--mount-proc']

/** Runs a command that must succeed within `timeout` milliseconds on a usual machine, and returns the object that it prints. */
export async function printed(
  t: ExecutionContext,
  [command, ...args]: readonly string[],
  timeout: number,
): Promise<unknown> {
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: atMost(timeout) })
  let output = ''
  let complaints = ''
  child.stdout.on('data', (chunk) => (output += String(chunk)))
  child.stderr.on('data', (chunk) => (complaints += String(chunk)))
  t.deepEqual(await once(child, 'close'), [0, null], complaints)
  t.log(output.trim())
  return JSON.parse(output)
}

/** Returns true if `user`, which is a command that runs another one as a user, can start Node.js and read a file. */
export function mayRead(t: ExecutionContext, user: readonly string[], file: string): boolean {
  const script = `require('fs').accessSync(${JSON.stringify(file)})`
  const [command, ...args] = [...user, process.execPath, '-e', script]
  return spawnSync(command!, args).status === 0 || skipped(t, 'user nobody cannot read the package')
}
