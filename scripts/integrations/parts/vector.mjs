// The transform of examples/vector, compiled and run by Vector's language, with the lines of a real agent. Vector itself is in no
// package registry. A pipe from the agent into the transform stands in for its source, which waits while its buffer is full.

import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { stopped } from '../disturbances.mjs'
import { Account } from '../account.mjs'
import { startLoad } from '../load.mjs'
import { Program, pause, until } from '../programs.mjs'

const { parse } = createRequire(import.meta.url)('yaml')

export async function run(checks, tools, rate) {
  if (checks.isWanted('the transform')) await transform(checks, tools, rate)
  await once(checks, tools, rate, 'undisturbed', 20, async () => {})
  await once(checks, tools, rate, 'the reader is stopped (SIGSTOP) for 10 s', 15, stopped('reader'))
}

/** Writes the transform to a file, and returns its path with the command of the source. */
function recipe(folder) {
  const { sources, transforms } = parse(readFileSync(join(root, 'examples', 'vector', 'vector.yaml'), 'utf8'))
  const program = join(folder, 'transform.vrl')
  writeFileSync(program, transforms.events.source)
  return { program, command: sources.processes.command }
}

async function once(checks, tools, rate, title, seconds, disturb) {
  if (!checks.isWanted(title)) return
  const folder = tools.folder('vector')
  const { program, command } = recipe(folder)
  const [pipe, output] = [join(folder, 'pipe'), join(folder, 'events.ndjson')]
  execFileSync('mkfifo', [pipe])
  const reader = new Program('sh', ['-c', 'exec "$0" "$1" < "$2"', tools.vrl, program, pipe], { output })
  const agent = new Program('sh', ['-c', 'pipe=$0 && exec "$@" > "$pipe"', pipe, ...command], {
    env: tools.environment,
  })
  await until('the agent writes', () => statSync(output).size > 0)
  const parts = { agent, 'transform, compiled without optimization': reader }
  const before = Object.values(parts).map(({ cpu }) => cpu)
  const load = await startLoad(tools, seconds, rate, 'exec,exit')
  await pause(2)
  await disturb({ agent, reader })
  const done = await load.done
  // The agent ends when its lines are written.
  let size = -1
  await until('the lines are read', async () => {
    const last = size
    size = statSync(output).size
    await pause(1)
    return size === last
  })
  const spent = Object.entries(parts).map(([name, part], index) => [name, part.cpu - before[index]])
  const memory = agent.memoryMax
  await agent.end()
  await reader.exit
  const account = new Account(done)
  for (const line of readFileSync(output, 'utf8').trimEnd().split('\n')) account.add(JSON.parse(line))
  account.check(checks, title, { cpu: title === 'undisturbed' ? spent : [], memory })
}

async function transform({ check }, tools, rate) {
  const vrl = tools.vrl
  const folder = tools.folder('vector')
  const { program, command: source } = recipe(folder)
  const output = join(folder, 'events.ndjson')
  const [command, ...args] = source
  const agent = new Program(command, args, { env: tools.environment, output })
  await until('the agent writes', () => statSync(output).size > 0)
  const load = await startLoad(tools, 2, rate, 'exec,exit')
  const { processes } = await load.done
  const read = () => readFileSync(output, 'utf8').trimEnd().split('\n')
  const isOfLoad = (line) => line.type === 'exit' && line.ppid === load.pid
  await until('the exits are written', () => {
    return (
      read()
        .slice(0, -1)
        .filter((line) => isOfLoad(JSON.parse(line))).length >= processes
    )
  })
  await agent.end()
  const own = { stream: 'a', seq: 7, time: '2026-01-02T03:04:05.678Z', timestampNs: 5 }
  const loss = { type: 'loss', ...own, cause: 'output', lost: 3 }
  const note = { type: 'note', ...own, note: 'polling', code: null, message: 'polls' }
  const lines = [...read(), JSON.stringify(loss), JSON.stringify(note)].map((line) => JSON.parse(line))
  // The source `exec` adds these where the line has none: an event has a pid, and each line has a stream.
  const added = { command: source, stream: 'stdout', host: 'vm', source_type: 'exec' }
  const input = lines.map((line) => JSON.stringify({ pid: 4242, timestamp: 'now', ...added, ...line })).join('\n')
  const { status, stdout, stderr } = spawnSync(vrl, [program], { input, encoding: 'utf8', maxBuffer: 1 << 30 })
  if (!check('the transform compiles and runs', status === 0, stderr)) return
  const results = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  check('each line comes out', results.length === lines.length, `${results.length} of ${lines.length}`)
  check(
    'each time is that of the line',
    results.every(({ timestamp, time }) => Date.parse(timestamp) === Date.parse(time)),
  )
  check(
    'each line has its stream and its number',
    results.every(({ stream, seq }, index) => stream === lines[index].stream && seq === lines[index].seq),
  )
  const remarks = results.filter(({ type }) => ['start', 'loss', 'note', 'heartbeat', 'end'].includes(type))
  const isClean = remarks.every(({ pid }) => pid === undefined)
  check('lines that are no events have no pid', isClean && remarks.length >= 4, `${remarks.length} lines`)
  const failed = lines.filter(
    ({ type, exitCode, signal }) => type === 'exit' && (signal !== null || (exitCode ?? 0) !== 0),
  )
  check(
    'failures are marked',
    results.filter((line) => line.failed).length === failed.length,
    `${failed.length} failures`,
  )
}
