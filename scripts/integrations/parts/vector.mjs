// The transform of examples/vector, compiled and run by Vector's language, with the lines of a real agent.

import { spawnSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { startLoad } from '../load.mjs'
import { Program, until } from '../programs.mjs'

const { parse } = createRequire(import.meta.url)('yaml')

export async function run({ check }, tools, isQuick) {
  const vrl = tools.vrl
  const folder = tools.folder('vector')
  const { sources, transforms } = parse(readFileSync(join(root, 'examples', 'vector', 'vector.yaml'), 'utf8'))
  const program = join(folder, 'transform.vrl')
  writeFileSync(program, transforms.events.source)

  const output = join(folder, 'events.ndjson')
  const [command, ...args] = sources.processes.command
  const agent = new Program(command, args, { env: tools.environment, output })
  await until('the agent writes', () => statSync(output).size > 0)
  const load = startLoad(tools, 2, isQuick)
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
  const loss = { type: 'loss', time: '2026-01-02T03:04:05.678Z', timestampNs: 5, cause: 'output', lost: 3 }
  const note = { type: 'note', time: loss.time, timestampNs: 6, note: 'polling', code: null, message: 'polls' }
  const lines = [...read(), JSON.stringify(loss), JSON.stringify(note)].map((line) => JSON.parse(line))
  // The source `exec` adds these, the pid only where the line has none.
  const added = { command: sources.processes.command, stream: 'stdout', host: 'vm', source_type: 'exec' }
  const input = lines.map((line) => JSON.stringify({ pid: 4242, ...added, timestamp: 'now', ...line })).join('\n')
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
