// An agent that writes to the journal of the namespace proc-events, and the collector of examples/opentelemetry-collector/
// journald.yaml, which reads it. The journal runs here without systemd as the first process, in mounts of its own, because
// the kernel reports processes in the initial pid namespace only. The part `systemd` has a real one.

import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, symlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { Sink, startCollector } from '../collector.mjs'
import { collectorAway, receiverAway, stopped } from '../disturbances.mjs'
import { Account } from '../account.mjs'
import { LONG, startLoad, startLongArguments } from '../load.mjs'
import { Program, pause, run as runProgram, until } from '../programs.mjs'
import { Skip } from '../report.mjs'

const JOURNALD = '/lib/systemd/systemd-journald'

const cases = {
  undisturbed: [20, async () => {}],
  'the receiver is away for 10 s': [15, receiverAway],
  'the collector is away for 10 s': [15, collectorAway()],
  'the agent is stopped (SIGSTOP) for 10 s': [15, stopped('agent')],
  'journald is stopped (SIGSTOP) for 10 s': [15, stopped('journald')],
  // Lines of 200 kB.
  'long arguments': [null, async () => {}],
}

export async function run(checks, tools, rate) {
  if (process.getuid() !== 0) throw new Skip('journald: root is needed')
  if (!existsSync(JOURNALD)) throw new Skip(`journald: ${JOURNALD} is missing`)
  tools.debian('journalctl', 'systemd')
  for (const [title, [seconds, disturb]] of Object.entries(cases))
    if (checks.isWanted(title)) await withJournal(checks, tools, rate, title, seconds, disturb)
}

/** Mounts that only the journal and its readers see, held by a process. */
async function mounts() {
  const script = `
    mount -t tmpfs tmpfs /run/systemd && mount -t tmpfs tmpfs /run/log && mkdir -p /var/log/journal &&
    mount -t tmpfs -o size=2g tmpfs /var/log/journal && mount -t tmpfs tmpfs /etc/systemd &&
    cp "$0" /etc/systemd/ && echo ready && exec sleep 3600`
  const settings = join(root, 'examples', 'systemd', 'journald@proc-events.conf')
  const holder = new Program('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, settings])
  await until('the mounts are made', () => holder.text.includes('ready'))
  return { holder, by: ['nsenter', '--target', String(holder.pid), '--mount'], at: `/proc/${holder.pid}/root` }
}

async function withJournal(checks, tools, rate, title, seconds, disturb) {
  const folder = tools.folder('journald')
  const sink = new Sink(tools, folder)
  await sink.start()
  const { holder, by, at } = await mounts()
  mkdirSync(join(at, 'run/systemd/journal.proc-events'), { recursive: true })
  // LogRateLimitIntervalSec=0 of the unit, as systemd passes it to the journal.
  mkdirSync(join(at, 'run/systemd/units'), { recursive: true })
  symlinkSync('0', join(at, 'run/systemd/units/log-rate-limit-interval:proc-events.service'))
  symlinkSync('0', join(at, 'run/systemd/units/log-rate-limit-burst:proc-events.service'))
  const journald = new Program(by[0], [...by.slice(1), JOURNALD, 'proc-events'])
  const path = join(at, 'run/systemd/journal.proc-events/stdout')
  await until('the journal listens', () => existsSync(path))
  const agent = await startAgent(tools, path)
  const env = { ...sink.endpoint, STATE_DIRECTORY: join(folder, 'state') }
  const start = () => startCollector(tools, 'journald.yaml', env, { by, log: join(folder, 'collector.log') })
  const chain = { sink, agent, journald, start, collector: start() }
  const list = ['journalctl', '--namespace=proc-events', '--unit=proc-events.service', '--lines=1', '--quiet']
  await until('the journal has lines', async () => {
    return (await runProgram(by[0], [...by.slice(1), ...list])).text.includes('{')
  })
  const used = () => [agent.cpu, journald.cpu, chain.collector.cpu, sink.program.cpu]
  const before = used()
  const load = await (seconds === null ? startLongArguments(tools, 300) : startLoad(tools, seconds, rate))
  await pause(2)
  await disturb(chain)
  const done = await load.done
  const account = new Account(done)
  let long = 0
  await sink.settle(account, 60, (line) => {
    account.add(line)
    if (line.type === 'exit' && line.argv?.join('').length >= LONG) long++
  })
  const spent = used().map((time, index) => time - before[index])
  const names = ['agent', 'journald', 'collector and journalctl', 'receiver']
  const cpu = title === 'undisturbed' ? names.map((name, index) => [name, spent[index]]) : []
  const memory = agent.memoryMax
  await agent.end()
  removeUnitGroups()
  await sink.settleEnd(account)
  account.check(checks, title, { cpu, memory })
  if (seconds === null) checks.check('long arguments arrive', long === done.processes, `${long} of ${done.processes}`)
  await chain.collector.end()
  await journald.end()
  await holder.end()
  await sink.end()
}

/** Starts the agent with a connection to the journal as its standard output, as systemd does. */
async function startAgent(tools, path) {
  const socket = connect(path)
  await once(socket, 'connect')
  // Identifier, unit, priority, level prefix, and the three ways of forwarding.
  await new Promise((resolve) => socket.write('proc-events\nproc-events.service\n6\n0\n0\n0\n0\n', resolve))
  const unit = readFileSync(join(root, 'examples', 'systemd', 'proc-events.service'), 'utf8')
  const [, line] = /^ExecStart=(.*)$/m.exec(unit)
  // The journal finds the unit of a line by the control group of its writer.
  const enter = unitGroups().map((group) => `echo $$ > ${join(group, 'cgroup.procs')}`)
  const script = [...enter, `exec ${line}`].join(' && ')
  const agent = new Program('sh', ['-c', script], { env: tools.environment, stdout: socket })
  socket.destroy()
  return agent
}

/** Creates the control groups of the unit in each hierarchy that may name a unit. Without one, the connection names it. */
function unitGroups() {
  return ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd']
    .filter((hierarchy) => existsSync(join(hierarchy, 'cgroup.procs')))
    .map((hierarchy) => {
      const group = join(hierarchy, 'system.slice', 'proc-events.service')
      mkdirSync(group, { recursive: true })
      return group
    })
}

function removeUnitGroups() {
  for (const group of unitGroups()) {
    rmdirSync(group)
    // The slice is that of other units, too, where systemd runs.
    if (readdirSync(join(group, '..'), { withFileTypes: true }).every((entry) => !entry.isDirectory()))
      rmdirSync(join(group, '..'))
  }
}
