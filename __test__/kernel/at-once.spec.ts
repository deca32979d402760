/** Details of short-lived processes, on the real kernel. They are read before the program runs. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { ProcessInfo } from '../../dist/index.js'
import { copyOf, monitoring, until } from '../support/helpers.ts'
import { Load, has } from '../support/load.ts'

const serial = test.serial
const COUNT = 100

/** The shortest-lived process: a program whose first system call is exit. */
function shortest(): { path: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'pe-shortest-'))
  const source = join(folder, 'shortest.c')
  const path = join(folder, 'pe-shortest')
  const exit =
    process.arch === 'arm64'
      ? 'register long number __asm__("x8") = 93; __asm__ volatile("svc 0" ::"r"(number));'
      : '__asm__ volatile("syscall" ::"a"(60), "D"(0));'
  writeFileSync(source, `void _start(void) { ${exit} }`)
  execFileSync('gcc', ['-O2', '-nostdlib', '-static', '-o', path, source])
  return { path, remove: () => rmSync(folder, { recursive: true }) }
}

async function captured(program: string, run: () => void): Promise<readonly ProcessInfo[]> {
  const reported: ProcessInfo[] = []
  await monitoring(async (monitor) => {
    const pids = new Set<number>()
    monitor.subscribeExec((pid, { process: info }) => (pids.add(pid), reported.push(info)), {
      ancestor: process.pid,
      capture: ['name', 'exe', 'argv', 'cwd', 'uid', 'cgroup', 'startTime'],
    })
    let ended = 0
    monitor.subscribeExit((pid) => pids.has(pid) && ended++, { ancestor: process.pid })
    await until('it is in a hurry', () => monitor.stats().priority === 'realtime')
    run()
    await until('all have ended', () => ended === COUNT)
  })
  return reported.filter(({ argv }) => argv?.[0] === program)
}

for (const [name, program] of [
  ['a program that ends by itself', () => copyOf('/bin/true', 'pe-at-once')],
  ['a program of three instructions', shortest],
] as const) {
  serial(`the details of ${name} are captured before its exit`, async (t) => {
    const { path, remove } = program()
    const reported = await captured(path, () => {
      for (let count = 0; count < COUNT; count++) spawnSync(path, ['pe-argument'], { stdio: 'ignore' })
    })
    remove()
    // Rarely an idle CPU takes over the process before the capture worker has read it.
    const whole = reported.filter(
      ({ exe, argv, cwd }) => exe === path && argv?.[1] === 'pe-argument' && cwd === process.cwd(),
    )
    t.log(`of ${COUNT} processes, ${reported.length} have argv and ${whole.length} have all details`)
    t.true(reported.length >= 0.9 * COUNT)
    t.true(whole.length >= 0.75 * COUNT)
  })
}

serial(
  'another program gets its share of the CPUs while both are full of execs whose details are captured',
  async (t) => {
    if (!has(t, 'cc')) return
    const load = new Load('pe-full')
    try {
      await monitoring(async (monitor) => {
        let execs = 0
        monitor.subscribeExec(() => execs++, { capture: ['name', 'exe', 'argv', 'cwd', 'uid', 'cgroup'] })
        const script = `
        const began = Date.now()
        let ticks = 0
        setInterval(() => ticks++, 5)
        process.stdin.resume().on('end', () => process.stdout.write(String((5 * ticks) / (Date.now() - began)), process.exit))`
        const other = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
        let output = ''
        other.stdout.on('data', (part: Buffer) => (output += part.toString()))
        await load.storm({ count: 10_000, workers: 2 }).done
        other.stdin.end()
        await once(other, 'close')
        const share = Number(output)
        t.log(`a timer of 5 ms ran ${(100 * share).toFixed(0)} % of its times`)
        t.true(execs >= 10_000 && share > 0.2, `${execs} execs, ${share}`)
      })
    } finally {
      load.remove()
    }
  },
)
