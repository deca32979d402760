// Runs Rust's tests, then TypeScript's, and counts them. The last line is `N passed, N failed`, with `, N skipped` if any
// were. A suite that cannot run or runs no test counts as a failure.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { project, root } from './toolchain.mjs'

const env = project()
const total = { passed: 0, failed: 0, skipped: 0 }

add(
  'cargo test',
  countCargo(await run('cargo', ['test', '--workspace', '--no-fail-fast', ...colors('--color=always')])),
)
add('ava', countAva(await runAva()))

console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`)
process.exitCode = total.failed > 0 ? 1 : 0

/** Runs a suite and prints its output. Resolves with the output as plain text, and with the problem if it failed. */
function run(command, args) {
  return new Promise((done) => {
    let text = ''
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (chunk) => {
      text += chunk
      process.stdout.write(chunk)
    })
    child.on('error', (error) => done({ text, problem: `could not be run: ${error.message}` }))
    child.on('close', (code, signal) => {
      const problem = code === 0 ? undefined : signal ? `was ended by ${signal}` : `ended with exit code ${code}`
      done({ text: stripVTControlCharacters(text), problem })
    })
  })
}

/** Runs ava. It needs a newer Node.js than the package does, which is a development dependency. */
async function runAva() {
  if (existsSync(join(root, 'node_modules', '.bin', 'node'))) return run('ava', colors('--color'))
  const problem = "needs the Node.js of node_modules/.bin, but its install script did not run (npm's allowScripts)"
  return { text: '', problem }
}

function add(suite, { passed, failed, skipped, problem }) {
  if (!problem && passed + failed === 0) problem = 'ran no tests'
  if (problem) console.log(`${suite} ${problem}`)
  total.passed += passed
  total.failed += problem ? Math.max(failed, 1) : failed
  total.skipped += skipped
}

/** Counts cargo's summaries. It prints one for each test program: `test result: ok. 5 passed; 0 failed; 1 ignored; …`. */
function countCargo({ text, problem }) {
  const of = (what) => sum(text.matchAll(new RegExp(String.raw`^test result: .*?(\d+) ${what};`, 'gm')))
  return { passed: of('passed'), failed: of('failed'), skipped: of('ignored'), problem }
}

/**
 * Counts ava's results. It marks each passed test, and counts everything else at the end, such as `1 test failed`. It prints
 * the number of passed tests only if all passed.
 */
function countAva({ text, problem }) {
  const end = text.slice(text.lastIndexOf('\n  ─\n') + 1)
  const of = (what) => sum(end.matchAll(new RegExp(String.raw`^ {2}(\d+) (?:${what})$`, 'gm')))
  return {
    passed: [...text.matchAll(/^ {2}[✔√] /gm)].length,
    failed: of('tests? failed|hooks? failed|unhandled rejections?|uncaught exceptions?|tests? remained pending .*'),
    skipped: of('tests? skipped|tests? todo'),
    problem,
  }
}

function sum(matches) {
  return [...matches].reduce((before, [, count]) => before + Number(count), 0)
}

function colors(flag) {
  return process.stdout.isTTY ? [flag] : []
}
