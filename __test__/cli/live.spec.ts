/** The `proc-events` command on a fake binding: losses, failures, polling. */
import test from 'ava'
import { child } from '../support/fake/facade.ts'

/** Runs the command with these arguments. The script `then` runs once the command has started. */
function commanded(args: readonly string[], then: string, before = ''): ReturnType<typeof child> {
  return child(`
    // The command takes its own reference, so this test gives its reference back.
    monitor.stop()
    process.argv = [process.argv[0], 'proc-events', ...${JSON.stringify(args)}]
    ${before}
    const begun = setInterval(() => {
      if (monitor.stats().source === null) return
      clearInterval(begun)
      setTimeout(() => { ${then} }, 20)
    }, 5)
    require('./dist/src/cli/main.js')
  `)
}

/** Returns the entries between the start and the end of a recording. */
function inside(stdout: string): any[] {
  const entries = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  if (entries[0].type !== 'start' || entries.at(-1).type !== 'end') throw new Error(stdout)
  return entries.slice(1, -1)
}

const moment = ['type', 'time', 'timestampNs', 'timeNs']
const place = ['stream', 'seq']
const exec = `fake.source.push(r.exec(10, { process: { name: 'sh', ppid: 1, argv: ['sh'] } }))`

test.serial('a loss is printed in its place and counted', async (t) => {
  const then = `${exec}; fake.source.push(r.loss(0, 3, 1, 0)); fake.source.push(r.exit(10, { code: 0 }));
    setTimeout(() => process.kill(process.pid, 'SIGINT'), 50)`
  const text = await commanded([], then)
  t.is(text.code, 0)
  const [first, second, third] = text.stdout.split('\n').map((line) => line.slice(12))
  t.regex(first!, / exec .* sh$/)
  t.is(second, " !loss  3 events lost by the kernel's socket; 1 exec and 0 exits were recovered from /proc")
  t.regex(third!, /exit .* sh$/)
  t.regex(text.stderr, /^1 exec and 1 exit in .*, 0 failed, 3 events lost\n/)
  const json = await commanded(['--json'], then)
  const [, loss] = inside(json.stdout)
  t.deepEqual(Object.keys(loss), [...moment, 'cause', 'lost', 'recoveredExecs', 'recoveredExits', ...place])
  t.like(loss, { type: 'loss', cause: 'socket', lost: 3, recoveredExecs: 1, recoveredExits: 0 })
})

test.serial('an unreported loss is printed at the end', async (t) => {
  const then = `fake.source.counters[6] = 2; ${exec}; setTimeout(() => process.kill(process.pid, 'SIGINT'), 50)`
  const { stdout, stderr } = await commanded(['--json'], then)
  t.regex(stderr, /, 2 events lost\n/)
  t.is(inside(stdout).at(-1).type, 'loss')
  t.like(JSON.parse(stdout.trimEnd().split('\n').at(-1)!), { type: 'end', lost: 2 })
})

test.serial('the fallback to polling and a restart are printed in their place', async (t) => {
  const then = `fake.source.push(r.restart('ERR_SOURCE_FAILED', 9, 'recvmsg')); ${exec};
    setTimeout(() => process.kill(process.pid, 'SIGINT'), 50)`
  const polling = `fake.behaviour.open = () => [r.fallenBack('ERR_SOURCE_FAILED', 1, 'bind'), r.opened(0, 1)];`
  const { stdout, stderr } = await commanded(['--source', 'auto', '--json'], then, polling)
  // Costs are unknown while polling.
  const [fallen, restart] = inside(stdout).filter(({ note }) => note !== 'usage')
  t.like(JSON.parse(stdout.split('\n')[0]!), { type: 'start', source: 'polling', watching: null })
  t.deepEqual(Object.keys(fallen), [...moment, 'note', 'code', 'message', ...place])
  t.like(fallen, { type: 'note', note: 'polling', code: 'ERR_SOURCE_FAILED' })
  t.regex(fallen.message, /^Polling \/proc, which may miss .* \(bind: EPERM, operation not permitted\)\.$/)
  t.like(restart, { type: 'note', note: 'restart', code: 'ERR_SOURCE_FAILED' })
  t.regex(stderr, /^1 exec and 0 exits in .*\n$/)
})

test.serial('a fatal failure ends the command after the pending output', async (t) => {
  const then = `${exec}; fake.source.fail('ERR_SOURCE_FAILED', 9, 'recvmsg')`
  const { code, stdout, stderr } = await commanded([], then)
  t.is(code, 1)
  t.regex(stdout, / exec .* sh\n$/)
  t.regex(stderr, /proc-events: ERR_SOURCE_FAILED: recvmsg: EBADF, .*\. Start the command again\.\n/)
})

test.serial('the container filter is applied in the command', async (t) => {
  const id = '3f'.repeat(32)
  const of = (pid: number, cgroup: string) =>
    `fake.source.push(r.exec(${pid}, { process: { name: 'sh', cgroup: '${cgroup}' } }));`
  const then = `${of(10, '/')}${of(11, `/docker/${id}`)}; setTimeout(() => process.kill(process.pid, 'SIGINT'), 50)`
  const { stdout } = await commanded(['--container', '3f3f', '--json'], then)
  t.deepEqual(
    inside(stdout).map(({ pid }) => pid),
    [11],
  )
})

test.serial('an event that several alternatives select is printed once, and --pid ignores a reused pid', async (t) => {
  const exec = (pid: number, name: string) => `fake.source.push(r.exec(${pid}, { process: { name: '${name}' } }));`
  const then = `${exec(10, 'a')}${exec(11, 'b')}${exec(12, 'c')}fake.source.push(r.exit(10, { code: 0 }));
    setTimeout(() => { ${exec(10, 'b')} setTimeout(() => process.kill(process.pid, 'SIGINT'), 50) }, 20)`
  const printed = async (...args: string[]) =>
    inside((await commanded(['--json', ...args], then)).stdout).map(({ type, pid, name }) => `${type} ${pid} ${name}`)
  t.deepEqual(await printed('--name', 'a', '--name', '/^[ab]$/'), ['exec 10 a', 'exec 11 b', 'exec 10 b'])
  t.deepEqual(await printed('--pid', '10', '--pid', '12'), ['exec 10 a', 'exec 12 c', 'exit 10 a'])
  t.deepEqual(await printed('--pid', '10', '--name', 'b', '--name', 'a'), ['exec 10 a'])
})
