// Real processes at a rate, and a witness that tells what became of them.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Lives } from './lives.mjs'
import { Program, until } from './programs.mjs'

/** Events a second at the full rate. */
export const FULL_RATE = 5000

/** The most messages that the witness may miss. The kernel drops one now and then, for all listeners. */
const MISSED_MAX = 10

/**
 * Starts a load of `rate` events a second, for a command that writes events of these types. At the full rate, three of four
 * processes exit without an exec. Two CPUs are not enough for 5,000 programs a second and the services beside them. `done`
 * resolves with the processes of the machine meanwhile.
 */
export async function startLoad(tools, seconds, rate, types = 'exit') {
  const { load, end, witness, folder } = tools.load
  const [pids, events] = [join(folder, 'pids'), join(folder, 'events')]
  const isMixed = rate >= FULL_RATE
  const eventsPerProcess = types === 'exit' ? 1 : isMixed ? 1.25 : 2
  const perSecond = rate / eventsPerProcess
  const observer = new Program(witness, [events])
  await until('the witness listens', () => observer.text.includes('ready'))
  const mode = isMixed ? 'subshells' : 'paced'
  const args = [mode, end, String(perSecond), String(perSecond * seconds), String(seconds * 10), pids]
  const program = new Program(load, args)
  const began = Date.now()
  const finish = async () => {
    const [code] = await once(program.child, 'close')
    if (code !== 0) throw new Error(`the load ended with ${code}: ${program.text}`)
    const { processes, seconds: took } = JSON.parse(program.text)
    await observer.end()
    const missed = Number(/missed (\d+)/.exec(observer.text)?.[1])
    if (!(missed <= MISSED_MAX)) throw new Error(`the witness: ${observer.text}`)
    const lives = new Lives(readFileSync(events), program.pid)
    if (lives.own.length !== processes) throw new Error(`the witness: ${lives.own.length} of ${processes} processes`)
    return { lives, types, processes, began, rate: Math.round((eventsPerProcess * processes) / took) }
  }
  const started = { pid: program.pid, done: finish() }
  started.done.catch(() => {})
  return started
}
