/** The programs in examples/, each run unchanged on the real kernel. */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parse } from 'yaml'
import { ended, program } from '../support/cli-harness.ts'
import { root } from '../support/fake/facade.ts'
import { isRunning } from '../support/load.ts'
import { Renamer, compileRenamer } from '../support/renamer.ts'
import { run, temporaryFolder, until } from '../support/helpers.ts'

const examples = join(root, 'examples')

interface Example {
  readonly child: ChildProcess
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>
  stdout: string
  stderr: string
}

/** Starts a program of examples/ in its own Node.js. */
function example(t: ExecutionContext, [file, ...args]: string[], env: NodeJS.ProcessEnv = {}, cwd = examples): Example {
  const child = spawn(process.execPath, [file!, ...args], { cwd, env: { ...process.env, ...env } })
  t.teardown(() => child.kill('SIGKILL'))
  const it: Example = { child, ended: ended(child), stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => (it.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (it.stderr += text))
  return it
}

/** Starts a process that runs until the test is over. */
function staying(t: ExecutionContext, path: string, ...args: string[]): number {
  const child = spawn(path, ['-c', 'read line', ...args], { stdio: ['pipe', 'ignore', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child.pid!
}

test('metrics: starts and failures are served, and the dashboard uses only served metrics', async (t) => {
  const server = example(t, ['metrics/server.mjs'], { PORT: '0' })
  await until('it serves', () => server.stdout.includes('/metrics'))
  const url = server.stdout.trim()
  await run('/bin/false')
  const get = async (): Promise<string> => (await fetch(url)).text()
  let text = await get()
  while (!/^processes_ended_total\{outcome="failure"\} [1-9]/m.test(text)) text = await get()
  t.regex(text, /^processes_started_total [1-9]/m)
  t.regex(text, /^process_lifetime_seconds_count [1-9]/m)
  t.regex(text, /^proc_events_received_total\{type="exit"\} [1-9]/m)
  t.is((await fetch(new URL('/', url))).status, 404)

  const dashboard = JSON.parse(readFileSync(join(examples, 'metrics', 'dashboard.json'), 'utf8'))
  const expressions: string[] = dashboard.panels.flatMap((panel: any) =>
    panel.targets.map((target: any) => target.expr),
  )
  t.true(expressions.length >= dashboard.panels.length)
  const { groups } = parse(readFileSync(join(examples, 'metrics', 'rules.yml'), 'utf8'), { strict: true })
  const alerts: any[] = groups.flatMap(({ rules }: any) => rules)
  t.true(alerts.length > 2)
  const command = readFileSync(new URL('../../src/cli/output/metrics-text.ts', import.meta.url), 'utf8')
  // Prometheus itself makes the metric `up`.
  expressions.push(...alerts.map(({ expr }) => expr).filter((expr) => !expr.startsWith('up{')))
  for (const expression of [...expressions, dashboard.templating.list[1].query.query]) {
    const names = expression.match(/\bproc(ess(es)?|_events)_\w+/g) ?? []
    t.true(names.length > 0, expression)
    for (const name of names) t.true(new RegExp(`^${name}[{ ]`, 'm').test(text) || command.includes(`'${name}'`), name)
    // The dashboard aggregates by these labels. Prometheus itself adds the instance.
    for (const [, label] of expression.matchAll(/by \((\w+)\)/g))
      t.true(label === 'instance' || text.includes(`${label}="`))
  }
  const ids: number[] = dashboard.panels.map(({ id }: { id: number }) => id)
  t.is(new Set(ids).size, ids.length)

  server.child.kill('SIGTERM')
  t.deepEqual(await server.ended, [0, null])
  t.is(server.stderr, '')
})

test('strays: leftover descendants are ended, and the exit code is passed on', async (t) => {
  // The name of a process must not control the terminal.
  const { path } = program(t, `pe${process.pid}\u009b31m`)
  const name = `pe${process.pid}?31m`
  const ready = join(temporaryFolder(t), 'ready')
  const script = `
    # In a session of its own.
    setsid ${path} -c 'while :; do sleep 1; done' &
    # One that does not want to.
    ${path} -c 'trap : TERM; : > ${ready}; while :; do sleep 1; done' &
    echo $!
    until [ -e ${ready} ]; do sleep 0.01; done
    exit 7`
  const it = example(t, ['strays.mjs', path, '-c', script])
  t.deepEqual(await it.ended, [7, null])
  const reported = [...it.stderr.matchAll(/^left behind: (\S+) \((\d+)\), gets (SIG\w+)$/gm)]
  const pids = reported.map(([, , pid]) => Number(pid))
  t.deepEqual(pids.filter(isRunning), [])
  t.true(reported.some(([, who, , signal]) => who === name && signal === 'SIGKILL'))
  t.true(reported.some(([, , pid, signal]) => pid === it.stdout.trim() && signal === 'SIGKILL'))
  t.true(new Set(pids).size >= 2)
  t.notRegex(it.stderr, /\u009b/)
})

test('strays: without leftover descendants nothing is printed', async (t) => {
  const calm = example(t, ['strays.mjs', '/bin/sh', '-c', 'true & wait; kill -9 $$'])
  t.deepEqual(await calm.ended, [137, null])
  t.is(calm.stderr, '')
  t.deepEqual(await example(t, ['strays.mjs', 'bash', '-c', 'kill -40 $$']).ended, [168, null])
  const missing = example(t, ['strays.mjs', '/no/such/program'])
  t.deepEqual(await missing.ended, [127, null])
  t.regex(missing.stderr, /ENOENT/)
  t.deepEqual(await example(t, ['strays.mjs']).ended, [2, null])
})

test('rules: new and running processes get their nice value and cgroup', async (t) => {
  const { path, name } = program(t)
  const place = temporaryFolder(t)
  const rules = join(place, 'rules.json')
  writeFileSync(
    rules,
    JSON.stringify([
      { match: { name: `^${name}$` }, nice: 7 },
      { match: { exe: `/${name}$`, uid: process.getuid!() }, cgroup: place },
      { match: { name: `^${name}$` }, cgroup: join(place, 'missing') },
    ]),
  )
  const before = staying(t, path)
  await until('it runs the program', () => readFileSync(`/proc/${before}/comm`, 'utf8').trim() === name)
  const it = example(t, ['rules.mjs', rules])
  await until('it is ready', () => it.stdout.includes('ready'))
  t.is(getPriority(before), 7)
  const later = staying(t, path)
  await until('a later one has its place', () => it.stdout.includes(`${name} (${later}): ${place}\n`))
  await until('it is nice', () => getPriority(later) === 7)
  t.regex(readFileSync(join(place, 'cgroup.procs'), 'utf8'), new RegExp(`^${before}.*${later}$`))
  await until('the failure is printed', () =>
    it.stderr.includes(`${name} (${later}): ${join(place, 'missing')}: ENOENT`),
  )
  it.child.kill('SIGTERM')
  t.deepEqual(await it.ended, [0, null])
})

test('rules: all threads of a running process, and a process that takes the name later, get their nice value', async (t) => {
  const folder = temporaryFolder(t)
  const [old, late] = [`old${process.pid}`, `late${process.pid}`]
  const rules = join(folder, 'rules.json')
  writeFileSync(rules, JSON.stringify([{ match: { name: `^(${old}|${late})$`, cwd: '.' }, nice: 5 }]))
  const node = join(folder, old)
  cpSync(process.execPath, node)
  const threaded = spawn(node, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
  t.teardown(() => threaded.kill('SIGKILL'))
  const threads = (): number[] => readdirSync(`/proc/${threaded.pid}/task`).map(Number)
  await until('it has threads', () => threads().length > 4)
  const it = example(t, ['rules.mjs', rules])
  await until('it is ready', () => it.stdout.includes('ready'))
  t.deepEqual([...new Set(threads().map((tid) => getPriority(tid)))], [5])
  const renamer = new Renamer(compileRenamer(folder, 'before'))
  await renamer.request('comm', late)
  await until('it is reported', () => it.stdout.includes(`${late} (${renamer.pid}): nice 5`))
  t.is(getPriority(renamer.pid), 5)
  await renamer.end()
  it.child.kill('SIGTERM')
  t.deepEqual(await it.ended, [0, null])
})

test('rules: a filter that does not exist is an error', async (t) => {
  const rules = join(temporaryFolder(t), 'rules.json')
  writeFileSync(rules, JSON.stringify([{ match: { commandline: 'x' }, nice: 5 }]))
  const it = example(t, ['rules.mjs', rules])
  t.deepEqual(await it.ended, [1, null])
  t.regex(it.stderr, /Did you mean 'commandLine'\?/)
})

/** A stub of the Electron API that the example uses. It prints messages to the window as lines of JSON. */
const ELECTRON = `
  const { EventEmitter } = require('node:events')
  const app = Object.assign(new EventEmitter(), { whenReady: async () => {}, quit: () => console.log('["quit"]') })
  const ipcMain = new EventEmitter()
  class BrowserWindow {
    webContents = { send: (...about) => console.log(JSON.stringify(about)) }
    isDestroyed() { return false }
    async loadFile(file) {
      if (!require('node:fs').existsSync(file)) throw new Error(file)
      ipcMain.emit('listening')
    }
  }
  process.on('SIGTERM', () => app.emit('window-all-closed'))
  module.exports = { app, BrowserWindow, ipcMain }`

test('electron: starts and ends of native, Wine and already running games are reported', async (t) => {
  const app = temporaryFolder(t)
  cpSync(join(examples, 'electron'), app, { recursive: true })
  mkdirSync(join(app, 'node_modules', 'electron'), { recursive: true })
  writeFileSync(join(app, 'node_modules', 'electron', 'index.js'), ELECTRON)
  symlinkSync(root, join(app, 'node_modules', 'proc-events'))

  const factorio = program(t, 'factorio')
  const before = staying(t, program(t, 'cs2').path)
  await until('it runs the game', () => readFileSync(`/proc/${before}/comm`, 'utf8').trim() === 'cs2')
  const it = example(t, ['main.js'], {}, app)
  const reported = (): string[] =>
    it.stdout.split('\n').map((line) => (line ? JSON.parse(line).slice(1).join(' ') : ''))
  await until('it is ready', () => reported().includes('ready'))
  t.true(reported().includes('began Counter-Strike 2'))

  const native = staying(t, factorio.path)
  await until('the game is reported', () => reported().includes('began Factorio'))
  // A launcher and the game count as one.
  const wine = [1, 2].map(() => staying(t, '/bin/sh', 'Z:\\games\\Hollow_Knight.exe'))
  await until('the Wine game is reported', () => reported().includes('began Hollow Knight'))
  process.kill(wine[0]!)
  process.kill(native)
  await until('the exit is reported', () => reported().includes('ended Factorio'))
  t.false(reported().includes('ended Hollow Knight'))
  process.kill(wine[1]!)
  await until('the exit of the last game is reported', () => reported().includes('ended Hollow Knight'))
  t.is(reported().filter((line) => line === 'began Hollow Knight').length, 1)

  // By its folder, and by the name that it takes.
  const folder = join(temporaryFolder(t), 'steamapps', 'common', 'Hades')
  mkdirSync(folder, { recursive: true })
  const inFolder = spawn('/bin/sh', ['-c', 'read line'], { cwd: folder, stdio: ['pipe', 'ignore', 'ignore'] })
  await until('the game in the folder is reported', () => reported().includes('began Hades'))
  inFolder.stdin.end('\n')
  await until('its exit is reported', () => reported().includes('ended Hades'))
  const renamer = new Renamer(compileRenamer(folder, 'wine-loader'))
  await renamer.request('comm', 'Hollow_Knight.e')
  await until('the renamed game is reported', () => {
    return reported().filter((line) => line === 'began Hollow Knight').length === 2
  })
  await renamer.end()
  await until('its exit is reported', () => {
    return reported().filter((line) => line === 'ended Hollow Knight').length === 2
  })

  it.child.kill('SIGTERM')
  t.deepEqual(await it.ended, [0, null])
  t.regex(it.stdout, /\["quit"\]\n$/)
})
