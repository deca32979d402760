// Real processes at a rate, and a witness that tells what became of them.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Lives } from './lives.mjs'
import { Program, until } from './programs.mjs'

/** The characters of arguments that a line of startLongArguments has at least. */
export const LONG = 60_000

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
  const { load, end, folder } = tools.load
  const isMixed = rate >= FULL_RATE
  const eventsPerProcess = types === 'exit' ? 1 : isMixed ? 1.25 : 2
  const perSecond = Math.round(rate / eventsPerProcess)
  const count = perSecond * seconds
  const args = [end, String(perSecond), String(count), String(seconds * 10), join(folder, 'pids')]
  return start(tools, types, load, [isMixed ? 'subshells' : 'paced', ...args], { count, eventsPerProcess })
}

/** Starts programs, one after the other, with more arguments than any command writes. Each line of theirs is long. */
export function startLongArguments(tools, count, types = 'exit') {
  const { tests, end, folder } = tools.load
  return start(tools, types, tests, ['bomb', end, String(count), '0', join(folder, 'times')], { count })
}

async function start(tools, types, command, args, { count, eventsPerProcess = 1 }) {
  const { witness, folder } = tools.load
  const events = join(folder, 'events')
  const observer = new Program(witness, [events])
  await until('the witness listens', () => observer.text.includes('ready'))
  const program = new Program(command, args)
  const began = Date.now()
  const finish = async () => {
    const [code] = await once(program.child, 'close')
    if (code !== 0) throw new Error(`the load ended with ${code}: ${program.text}`)
    await observer.end()
    const missed = Number(/missed (\d+)/.exec(observer.text)?.[1])
    if (!(missed <= MISSED_MAX)) throw new Error(`the witness: ${observer.text}`)
    const lives = new Lives(readFileSync(events), program.pid)
    const processes = lives.own.length
    if (processes !== count) throw new Error(`the witness: ${processes} of ${count} processes`)
    const rate = Math.round((eventsPerProcess * processes * 1e9) / (lives.end - lives.begin))
    return { lives, types, processes, began, rate }
  }
  const started = { pid: program.pid, done: finish() }
  started.done.catch(() => {})
  return started
}
