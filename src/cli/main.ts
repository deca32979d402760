#!/usr/bin/env node
/** The `proc-events` command: does what is asked for, and ends as the outcome says. */
import { help, parse } from './args.js'
import { describe, exitCodeOf } from './outcome.js'
import { print } from './output.js'
import { watch } from './watch.js'

/** stdout is only for what was asked for. */
function tell(text: string): void {
  process.stderr.write(`proc-events: ${text}\n`)
}

async function answer(args: readonly string[]): Promise<void> {
  const request = parse(args)
  switch (request.command) {
    case 'help':
      return print(process.stdout, help())
    case 'version':
      return print(process.stdout, `${version()}\n`)
    case 'watch':
      return watch(request, tell)
  }
}

function version(): string {
  return (require('../../package.json') as { version: string }).version
}

async function main(): Promise<void> {
  try {
    await answer(process.argv.slice(2))
  } catch (error) {
    tell(describe(error))
    process.exitCode = exitCodeOf(error)
  }
}

// Nobody is left to be told.
process.stderr.on('error', () => {})

void main()
