// Observes processes from within a container, and prints one JSON object a line: `ready` when events arrive, then `result`.
// The argument is an object: `source`; the number of its `own` processes with their `token` and lifetime in `seconds`; `differs` if
// /proc is that of another pid namespace. Standard input has the pids of the processes outside that are to be seen, as JSON.
const { spawn } = require('node:child_process')
const { readFileSync } = require('node:fs')
const { text } = require('node:stream/consumers')
const { getProcessMonitor } = require('proc-events')

const PATIENCE_MS = 10_000
const { source, token, own, seconds, differs } = JSON.parse(process.argv[2])
const monitor = getProcessMonitor()
const seen = new Map()
const started = []
const result = { type: 'result', warnings: [], containerId: null, cgroup: null }
process.on('warning', ({ code, message }) => result.warnings.push(`${code ?? ''} ${message}`.trim()))

/** Returns what is known of a process. Bootstrap events are of processes that ran before. */
function entry(pid) {
  if (!seen.has(pid)) seen.set(pid, { argv: [], isNew: false, execs: 0, exits: 0, exitCode: null })
  return seen.get(pid)
}

monitor.subscribeExec(
  (pid, { origin, process: { argv, containerId, cgroup } }) => {
    const of = entry(pid)
    of.execs++
    of.isNew ||= origin !== 'bootstrap'
    of.argv = argv ?? of.argv
    of.containerId = containerId
    if (of.argv.includes(token)) Object.assign(result, { containerId, cgroup })
  },
  { capture: ['argv', 'cgroup'] },
)
monitor.subscribeExit((pid, { exitCode }) => Object.assign(entry(pid), { exits: entry(pid).exits + 1, exitCode }))

/** Resolves when a condition holds, or when the patience has run out. */
async function until(condition) {
  const deadline = performance.now() + PATIENCE_MS
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
}

async function runOne() {
  const child = spawn('/bin/sh', ['-c', `sleep ${seconds}; exit 7`, token], { stdio: 'ignore' })
  await new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject))
  started.push(child.pid)
}

/** Returns the pids of this program's processes, as /proc shows them. */
function ownPids() {
  return differs ? [...seen.keys()].filter((pid) => entry(pid).argv.includes(token)) : started
}

function summary(pids) {
  const all = pids.map((pid) => entry(pid))
  const count = (is) => all.filter(is).length
  return {
    execs: count(({ execs }) => execs > 0),
    exits: count(({ exits }) => exits === 1),
    argv: count(({ argv }) => argv.length > 0),
    codes: [...new Set(all.map(({ exitCode }) => exitCode))],
  }
}

/** Returns the number of new processes that nothing here has started. */
function strangers(foreign) {
  const known = new Set([...ownPids(), ...foreign])
  return [...seen].filter(
    ([pid, { isNew, argv }]) => isNew && !known.has(pid) && argv.length > 0 && argv[0] !== 'sleep',
  ).length
}

async function observe() {
  await monitor.initialize({ source })
  Object.assign(result, { source: monitor.stats().source, watching: monitor.stats().watching })
  console.log(JSON.stringify({ type: 'ready' }))
  await Promise.all(Array.from({ length: own - 1 }, runOne))
  const expected = JSON.parse(await text(process.stdin))
  // Events come in order, so that those of the processes outside come before the last one's exit.
  await runOne()
  await until(() => summary(ownPids()).exits >= own && summary(expected).exits >= expected.length)
  result.own = { started: own, ...summary(ownPids()) }
  const ids = expected.map((pid) => entry(pid).containerId ?? null)
  result.foreign = { started: expected.length, ids, ...summary(expected) }
  result.strangers = strangers(expected)
  result.unseen = monitor.stats().unseen
  await monitor.stop()
}

async function main() {
  await observe().catch(({ code, message }) => (result.error = { code, message }))
  const status = readFileSync('/proc/self/status', 'utf8')
  const of = (key) => new RegExp(`^${key}:\\s*(\\S+)$`, 'm').exec(status)?.[1]
  Object.assign(result, { uid: process.getuid(), seccomp: of('Seccomp'), capabilities: of('CapEff') })
  console.log(JSON.stringify(result))
  process.stdin.destroy()
}

main()
