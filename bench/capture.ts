/** `npm run bench -- capture`: the captured details of short-lived processes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { captureTable, countLines, type Captured, type Row } from './capture-table.ts'
import { buildTools, isInstalled, type Tools } from './peers.ts'
import { end, observe } from './run.ts'

const here = import.meta.dirname
/** The argument of every short process. It identifies captured arguments. */
const argument = 'pe-argument'

interface Load {
  readonly name: string
  readonly program: string
  readonly commands: readonly (readonly string[])[]
}

interface Observer {
  readonly name: string
  readonly command: (program: string) => readonly string[]
  /** True if the observer prints counts at the end. The others print a line for each event. */
  readonly isOurs: boolean
}

function loads(tools: Tools, count: number): Load[] {
  // The programs have unique names, so that no other process is counted.
  const dynamic = join(tools.folder, 'pe-true')
  copyFileSync('/bin/true', dynamic)
  chmodSync(dynamic, 0o755)
  const node = (mode: string, program: string): string[] => {
    return [process.execPath, join(here, 'peers', 'spawner.mjs'), mode, program, argument, String(count)]
  }
  const shell = ['sh', '-c', `i=0; while [ $i -lt ${count} ]; do "$0" ${argument}; i=$((i+1)); done`, dynamic]
  return [
    { name: 'spawnSync', program: dynamic, commands: [node('sync', dynamic)] },
    { name: 'every 10 ms', program: dynamic, commands: [node('async', dynamic)] },
    { name: 'shell loop', program: dynamic, commands: [shell] },
    { name: 'two shell loops', program: dynamic, commands: [shell, shell] },
    { name: 'static, spawnSync', program: tools.end, commands: [node('sync', tools.end)] },
  ]
}

function observers(): Observer[] {
  const node =
    (file: string, ...rest: string[]) =>
    (program: string) => {
      return [process.execPath, join(here, 'peers', file), program, argument, ...rest]
    }
  const nobody = [
    'setpriv',
    '--reuid',
    '65534',
    '--regid',
    '65534',
    '--clear-groups',
    '--inh-caps',
    '-all',
    '--bounding-set',
    '-all',
  ]
  return [
    { name: 'proc-events', command: node('capture.mjs', 'auto'), isOurs: true },
    { name: 'proc-events, maxLatency 100', command: node('capture.mjs', 'auto', '100'), isOurs: true },
    { name: 'proc-events, ordinary priority', command: node('capture.mjs', 'ordinary'), isOurs: true },
    ...(process.getuid?.() === 0 && isInstalled('setpriv')
      ? [
          {
            name: 'proc-events, as user nobody',
            command: (program: string) => [...nobody, ...node('capture.mjs', 'auto')(program)],
            isOurs: true,
          },
        ]
      : []),
    ...(isInstalled('forkstat')
      ? [{ name: 'forkstat', command: () => ['forkstat', '-e', 'exec'], isOurs: false }]
      : []),
    ...(isInstalled('extrace') ? [{ name: 'extrace', command: () => ['extrace'], isOurs: false }] : []),
    { name: 'Node, polling', command: node('capture-poller.mjs'), isOurs: true },
  ]
}

async function work(commands: readonly (readonly string[])[]): Promise<void> {
  const children = commands.map(([program = '', ...args]) => spawn(program, args, { stdio: 'ignore' }))
  await Promise.all(children.map((child) => once(child, 'exit')))
  await setTimeout(500)
}

/** Resolves with the rest of a child's output. */
function lastWords(child: ChildProcess): () => string {
  let text = ''
  child.stdout?.on('data', (part: Buffer) => (text += part.toString()))
  return () => text
}

async function measure(tools: Tools, observer: Observer, load: Load): Promise<Captured & { scheduled?: string }> {
  const output = join(tools.folder, 'lines')
  const child = await observe(observer.command(load.program), observer.isOurs, output)
  const said = lastWords(child)
  await work(load.commands)
  await end(child, { isOurs: observer.isOurs, leavesListenerRegistered: !observer.isOurs }, tools.hush)
  if (!observer.isOurs) return countLines(readFileSync(output, 'latin1'), load.program, argument)
  await setTimeout(50)
  return JSON.parse(said().slice(said().lastIndexOf('{'))) as Captured
}

export async function capture(wanted: (peer: string) => boolean, quick: boolean): Promise<void> {
  const tools = buildTools(() => false)
  const rows: Row[] = []
  const count = quick ? 50 : 300
  try {
    // Other users must be able to read the processes' files.
    chmodSync(tools.folder, 0o755)
    for (const observer of observers().filter(({ name }) => wanted(name))) {
      let scheduled: string | undefined
      const own: Omit<Row, 'peer'>[] = []
      for (const load of loads(tools, count)) {
        const captured = await measure(tools, observer, load)
        scheduled = captured.scheduled ?? scheduled
        own.push({ ...captured, load: load.name, made: count * load.commands.length })
      }
      const peer = scheduled === undefined ? observer.name : `${observer.name} (${scheduled})`
      rows.push(...own.map((row) => Object.assign(row, { peer })))
    }
  } finally {
    rmSync(tools.folder, { recursive: true })
  }
  console.log(captureTable(rows))
}
