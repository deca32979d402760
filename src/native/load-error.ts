/** The error of a native part that cannot be loaded: the system, the next thing to do, and the attempts. */
import { basename } from 'node:path'
import { ProcessMonitorError } from '../api/errors.js'

/** Returns the error for a target such as linux-x64-gnu. `causes` has the error of each attempt. */
export function bindingError(target: string, isPublished: boolean, causes: readonly unknown[]): ProcessMonitorError {
  const system = target.slice(0, target.lastIndexOf('-'))
  // Keep the first line. In "Cannot find module", the stack of requires follows, which does not help.
  const tried = causes.map((cause) => (cause instanceof Error ? cause.message.split('\n', 1)[0]! : String(cause)))
  const nextStep = isPublished
    ? remedy(tried, target)
    : `No binary is published for ${system}. Build it in a clone of proc-events with \`npm run build\`.`
  return new ProcessMonitorError(
    'ERR_NATIVE_BINDING',
    `The native part of proc-events could not be loaded on ${system} with ${libc(target)} (Node.js ${process.version}). ` +
      `${nextStep} Tried: ${tried.join('; ')}`,
    { cause: new AggregateError(causes, 'Every attempt to load the native part failed') },
  )
}

/** Returns the name of the C library, and the version of glibc. */
function libc(target: string): string {
  if (target.includes('-musl')) return 'musl'
  const { header } = reportWithoutNetwork() as { header: { glibcVersionRuntime?: string } }
  return `glibc ${header.glibcVersionRuntime ?? ''}`.trimEnd()
}

/** Returns the report of Node.js without its network part, which would resolve the peer's name of every open connection. */
function reportWithoutNetwork(): unknown {
  const report: { excludeNetwork?: boolean; getReport(): unknown } = process.report
  const before = report.excludeNetwork
  // Older releases do not have this setting.
  if (before === undefined) return report.getReport()
  report.excludeNetwork = true
  try {
    return report.getReport()
  } finally {
    report.excludeNetwork = before
  }
}

function remedy(tried: readonly string[], target: string): string {
  const hasText = (words: RegExp) => tried.some((line) => words.test(line))
  // A bundle is recognized by the name of this file only, because a bundler does not keep it.
  if (typeof __filename === 'undefined' || basename(__filename) !== 'load-error.js') {
    return "The package was bundled. Mark 'proc-events' as external, and install it next to the bundle."
  }
  if (hasText(/\.asar\//) && !hasText(/\.asar\.unpacked\//)) {
    return "The binary is inside an Electron archive. Unpack it with asarUnpack: '**/*.node'."
  }
  if (hasText(/failed to map segment|Operation not permitted/)) {
    return 'The binary may not be executed. Move node_modules to a file system that is not mounted noexec.'
  }
  // Name the version, because both packages must have the same one.
  const { version } = require('../../../package.json') as { version: string }
  const install = `npm install @proc-events/${target}@${version}`
  if (hasText(/invalid ELF|file too short|wrong ELF|GLIBC|cannot open shared object|Error (loading|relocating)/)) {
    return `The binary is damaged or built for another system. Delete node_modules/@proc-events, then run \`${install}\`.`
  }
  return `Install it with \`${install}\`, or build it in a clone with \`npm run build\`.`
}
