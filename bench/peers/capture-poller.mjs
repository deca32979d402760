// Like capture.mjs, but reads /proc every 100 ms.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

const [program, argument] = process.argv.slice(2)
const captured = { exe: 0, argv: 0, name: 0 }
let before = new Set()

function read(what, pid) {
  try {
    return what(pid)
  } catch {
    return undefined
  }
}

function look() {
  const now = new Set(readdirSync('/proc').map(Number).filter(Boolean))
  for (const pid of now) {
    if (before.has(pid)) continue
    if (read((of) => readlinkSync(`/proc/${of}/exe`), pid) === program) captured.exe++
    const argv = read((of) => readFileSync(`/proc/${of}/cmdline`, 'latin1'), pid)
    if (argv === `${program}\0${argument}\0`) captured.argv++
    if (read((of) => readFileSync(`/proc/${of}/comm`, 'latin1'), pid) === `${basename(program)}\n`) captured.name++
  }
  before = now
}

look()
const timer = setInterval(look, 100)
console.log('ready')
process.once('SIGTERM', () => {
  clearInterval(timer)
  console.log(JSON.stringify(captured))
})
