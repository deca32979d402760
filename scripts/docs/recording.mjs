// Records the command: runs it on a pseudo-terminal (util-linux's `script`) beside a small real load, and draws the
// terminal's screens. `npm run recording` writes docs/recording.svg.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { packagesAreInstalled } from '../packages.mjs'
import { say, step } from '../step.mjs'
import { machine, root } from '../toolchain.mjs'
import { draw } from './svg.mjs'

/** The recorded command and its load. Ctrl-C ends the command after the load. */
const scene = {
  columns: 84,
  rows: 19,
  args: ['--name', '/^(build|cc|cc1|as|collect2|ld|hello|server)$/'],
  files: {
    'hello.c': 'int main(void) { return 3; }\n',
    build: '#!/bin/sh\ncp /bin/sleep server\n./server 9 &\ncc -o hello hello.c\n./hello\nsleep 0.3\nkill -9 $!\n',
  },
  load: ['./build'],
}
/** The duration of a screen in milliseconds. It is longer than the real one for readability, and limited. */
const [FRAME, PAUSE] = [220, 900]

const here = import.meta.dirname
if (!packagesAreInstalled(here) && !step("Installing the docs' npm packages", machine, ['npm', 'ci'], here))
  process.exit(1)
const { Terminal } = createRequire(import.meta.url)('@xterm/headless')

const chunks = await record()
const frames = await play(chunks)
const title = ['proc-events', ...scene.args.map((argument) => (/^[\w-]+$/.test(argument) ? argument : `'${argument}'`))]
const svg = draw({ columns: scene.columns, rows: scene.rows, title: title.join(' '), frames })
writeFileSync(join(root, 'docs', 'recording.svg'), svg)
say(`docs/recording.svg: ${frames.length} frames, ${Math.ceil(svg.length / 1000)} kB`)

/** Returns the bytes that the terminal got, with their times. */
async function record() {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-recording-'))
  for (const [name, text] of Object.entries(scene.files)) {
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), 0o755)
  }
  const command = [process.execPath, join(root, 'dist', 'src', 'cli', 'main.js'), ...scene.args]
  const shell = `stty cols ${scene.columns} rows ${scene.rows} -echoctl; exec ${command.map(quoted).join(' ')}`
  const env = { ...process.env, TERM: 'xterm-256color', SHELL: '/bin/sh', LANG: 'C.UTF-8' }
  for (const name of ['NO_COLOR', 'FORCE_COLOR', 'CI']) delete env[name]
  const terminal = spawn('script', ['--quiet', '--return', '--command', shell, '/dev/null'], { cwd: folder, env })
  try {
    const sent = []
    terminal.stdout.on('data', (bytes) => sent.push({ at: performance.now(), bytes }))
    terminal.stderr.pipe(process.stderr)
    const ended = once(terminal, 'close')
    // The first output shows that the command watches.
    await Promise.race([once(terminal.stdout, 'data'), ended])
    await wait(PAUSE)
    const [program, ...words] = scene.load
    await once(spawn(program, words, { cwd: folder, stdio: 'ignore' }), 'close')
    await wait(PAUSE)
    terminal.stdin.write('\x03')
    const [code] = await ended
    if (code !== 0)
      throw new Error(`the command ended with exit code ${code}: ${Buffer.concat(sent.map(({ bytes }) => bytes))}`)
    return sent
  } finally {
    terminal.kill()
    rmSync(folder, { recursive: true })
  }
}

/** Returns the screens that a terminal shows for these bytes. */
async function play(sent) {
  const { columns, rows } = scene
  const terminal = new Terminal({ cols: columns, rows, allowProposedApi: true })
  const shown = []
  let at = 0
  for (const [index, { at: time, bytes }] of sent.entries()) {
    await new Promise((resolve) => terminal.write(bytes, resolve))
    const gap = (sent[index + 1]?.at ?? Infinity) - time
    shown.push({ at, lines: screen(terminal, rows, columns) })
    at += Math.round(Math.min(Math.max(gap, FRAME), PAUSE))
  }
  return shown
}

/** Splits each line into words of one style, so that each word has its own column with any font. */
function screen(terminal, rows, columns) {
  const { active } = terminal.buffer
  return Array.from({ length: rows }, (_, row) => {
    const line = active.getLine(active.baseY + row)
    const pieces = []
    for (let column = 0; column < columns; column++) {
      const cell = line.getCell(column)
      const text = cell.getChars() || ' '
      const look = {
        ...(cell.isFgPalette() ? { color: cell.getFgColor() } : {}),
        ...(cell.isBold() ? { bold: true } : {}),
        ...(cell.isDim() ? { dim: true } : {}),
      }
      const last = pieces.at(-1)
      const goes = last && !last.text.endsWith('  ') && ['color', 'bold', 'dim'].every((of) => last[of] === look[of])
      if (goes) last.text += text
      else if (text !== ' ') pieces.push({ column, text, ...look })
    }
    for (const piece of pieces) piece.text = piece.text.trimEnd()
    return pieces
  })
}

function quoted(word) {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`
}
