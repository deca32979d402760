#!/usr/bin/env node
/** The `proc-events` command: executes a request, and exits with its code. */
import { completion } from './commands/completion.js'
import { doctor } from './commands/doctor.js'
import { help } from './commands/help.js'
import { run } from './commands/run.js'
import { wait } from './commands/wait.js'
import { watch } from './commands/watch.js'
import { describe, exitCodeOf } from './exit-codes.js'
import { type Request, parse } from './flags/args.js'
import { print } from './output/output.js'
import { version } from './version.js'
import { printable } from '../recording/text.js'

/** stdout has only results. A message may contain a file name or an argument, so escape it. */
function notify(text: string): void {
  process.stderr.write(`proc-events: ${printable(text)}\n`)
}

/** Resolves with the exit code. */
async function execute(request: Request): Promise<number> {
  switch (request.command) {
    case 'run':
      return run(request, notify)
    case 'wait':
      return wait(request, notify)
    case 'doctor':
      return doctor(request, version())
    case 'watch':
      await watch(request, notify)
      break
    case 'help':
      await print(process.stdout, help(request.about))
      break
    case 'version':
      await print(process.stdout, `${version()}\n`)
      break
    case 'completion':
      await print(process.stdout, completion(request.shell))
  }
  return 0
}

async function main(): Promise<void> {
  try {
    process.exitCode = await execute(parse(process.argv.slice(2)))
  } catch (error) {
    notify(describe(error))
    process.exitCode = exitCodeOf(error)
  }
}

// An error of stderr cannot be reported.
process.stderr.on('error', () => {})

void main()
