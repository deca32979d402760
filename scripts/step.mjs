// A step of a script prints one line to stderr: its title, then its duration. The output of its command is printed only if
// it fails.

import { spawnSync } from 'node:child_process'
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './toolchain.mjs'

/** Prints one line to stderr. */
export function say(line) {
  process.stderr.write(`${line}\n`)
}

/** Runs a command as one step. Returns true if it succeeded. */
export function step(title, env, [command, ...args], cwd = root) {
  process.stderr.write(`${title} … `)
  const started = Date.now()
  const output = namelessFile()
  try {
    const { status, signal, error } = spawnSync(command, args, { cwd, env, stdio: ['ignore', output, output] })
    if (status === 0) {
      say(`${((Date.now() - started) / 1000).toFixed(1)} s`)
      return true
    }
    say('failed')
    const text = contents(output).trim()
    if (text) say(text)
    if (error) say(error.code === 'ENOENT' ? `${command} is missing` : String(error))
    else say(`${[command, ...args].join(' ')}: ${signal ? `ended by ${signal}` : `exit code ${status}`}`)
    return false
  } finally {
    closeSync(output)
  }
}

/** Opens one file for both streams, which keeps the order of lines. It is unlinked, so that Ctrl-C leaves no file. */
function namelessFile() {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-'))
  try {
    return openSync(join(folder, 'output'), 'w+')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function contents(fd) {
  const bytes = Buffer.alloc(fstatSync(fd).size)
  readSync(fd, bytes, 0, bytes.length, 0)
  return bytes.toString()
}
