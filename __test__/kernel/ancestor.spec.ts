/** The ancestor filter on the real kernel, with daemons and other distant descendants. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import test from 'ava'
import { copyOf, lines, monitoring, run, until } from '../support/helpers.ts'

const serial = test.serial

/** Starts a session whose creator exits at once. Only the fork then links the session to its ancestor. */
const DAEMON = 'setsid sh -c "(exec $0 $1 & echo \\$!) &"'

/** Starts a shell that runs the lines of its stdin. Its stderr is ignored, because a shell may print "Killed". */
function shell(): { pid: number; run: (line: string) => void; next: () => Promise<string>; end: () => Promise<void> } {
  const child = spawn('/bin/sh', ['-c', 'while read -r line; do eval "$line"; done'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const output = lines(child)
  return {
    pid: child.pid!,
    run: (line) => child.stdin.write(`${line}\n`),
    next: async () => String((await output.next()).value),
    end: async () => {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

serial('a daemon matches its ancestor until its exit, even after its parents and the ancestor exit', async (t) => {
  const program = copyOf('/bin/sleep', 'pe-daemon')
  const ancestor = shell()
  const stranger = shell()
  await monitoring(async (monitor) => {
    const reported: string[] = []
    const execs = new Map<string, number>()
    monitor.subscribeExec(
      (pid, { process: { name } }) => {
        reported.push(`exec ${name}`)
        execs.set(name!, pid)
      },
      { ancestor: ancestor.pid, capture: ['name'] },
    )
    monitor.subscribeExit((pid) => pid === execs.get('pe-daemon') && reported.push('exit pe-daemon'), {
      ancestor: ancestor.pid,
    })
    ancestor.run(DAEMON.replace('$0', program.path).replace('$1', '60'))
    const daemon = Number(await ancestor.next())
    t.assert(daemon > 1)
    stranger.run('/bin/true')
    await until('the daemon is reported', () => execs.has('pe-daemon'))
    t.is(execs.get('pe-daemon'), daemon)
    await ancestor.end()
    process.kill(daemon, 'SIGKILL')
    await until('the exit is reported', () => reported.includes('exit pe-daemon'))
    t.deepEqual(reported, ['exec setsid', 'exec sh', 'exec pe-daemon', 'exit pe-daemon'])
  })
  await stranger.end()
  program.remove()
})

serial('descendants older than the subscription match through their parents or their session', async (t) => {
  const program = copyOf('/bin/sleep', 'pe-before')
  const ancestor = shell()
  ancestor.run(`sh -c "${program.path} 60 & echo \\$!; wait"  &`)
  const grandchild = Number(await ancestor.next())
  t.assert(grandchild > 1)
  const leader = spawn('setsid', ['sh', '-c', `(${program.path} 60 & echo $!) ; read line; true`], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const orphan = Number((await lines(leader).next()).value)
  t.assert(orphan > 1)
  const session = sessionOf(orphan)
  await monitoring(async (monitor) => {
    const exits: number[] = []
    monitor.subscribeExit((pid) => exits.push(pid), { ancestor: ancestor.pid, name: 'pe-before' })
    const inSession: number[] = []
    const replayed = new Promise<void>((resolve) => {
      monitor.subscribeExec((pid) => pid === orphan && (inSession.push(pid), resolve()), {
        ancestor: session,
        replay: true,
      })
    })
    await replayed
    t.deepEqual(inSession, [orphan])
    process.kill(orphan, 'SIGKILL')
    process.kill(grandchild, 'SIGKILL')
    await until('the exit is reported', () => exits.length > 0)
    t.deepEqual(exits, [grandchild])
  })
  leader.stdin.end()
  await ancestor.end()
  program.remove()
})

function sessionOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[3])
}

serial('a process that is spawned right after the subscription matches', async (t) => {
  await monitoring(async (monitor) => {
    for (let round = 0; round < 20; round++) {
      const execs: number[] = []
      const unsubscribe = monitor.subscribeExec((pid) => execs.push(pid), { ancestor: process.pid })
      const child = spawn('/bin/true')
      await until('the process is reported', () => execs.includes(child.pid!))
      unsubscribe()
    }
    t.pass()
  })
})

serial('a pid that no process has is accepted as an ancestor, and matches nothing', async (t) => {
  const ended = await run('/bin/true')
  await monitoring(async (monitor) => {
    const [absent, present]: [number[], number[]] = [[], []]
    monitor.subscribeExec((pid) => absent.push(pid), { ancestor: ended })
    monitor.subscribeExec((pid) => present.push(pid), { ancestor: process.pid })
    const child = await run('/bin/true')
    await monitor.flush()
    t.true(present.includes(child))
    t.deepEqual(absent, [])
  })
})
