// A Node.js program that reads the lines of forkstat instead of this package. Prints "ready", and at SIGTERM writes the
// records (see records.ts) to its first argument. The last argument is the path of hush, which removes forkstat's listener.
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'

const [file, , hush] = process.argv.slice(2)
const records = new Uint32Array(3 * 1_000_000)
let count = 0

const forkstat = spawn('forkstat', ['-l', '-e', 'exec,exit'], { stdio: ['ignore', 'pipe', 'inherit'] })
createInterface(forkstat.stdout).on('line', (line) => {
  const [, kind, pid] = / (exec|exit) +(\d+)/.exec(line) ?? []
  if (kind === undefined || count === records.length) return
  records[count++] = Number(pid)
  records[count++] = kind === 'exec' ? 1 : 2
  records[count++] = 0
})
await setTimeout(700)
console.log('ready')
process.once('SIGTERM', () => {
  spawnSync(hush, [String(forkstat.pid)])
  forkstat.kill('SIGINT')
  forkstat.once('close', () => {
    writeFileSync(file, records.subarray(0, count))
    process.exit()
  })
})
