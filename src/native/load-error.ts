/** What to say where the native part cannot be loaded: on what system, what was tried, and what mends it. */
import { basename } from 'node:path'
import { ProcessMonitorError } from '../api/errors.js'

/** The error for a target, such as linux-x64-gnu, where every attempt failed, each for one of `causes`. */
export function bindingError(target: string, isPublished: boolean, causes: readonly unknown[]): ProcessMonitorError {
  const system = target.slice(0, target.lastIndexOf('-'))
  // "Cannot find module" goes on with the stack of requires, which says nothing here.
  const tried = causes.map((cause) => (cause instanceof Error ? cause.message.split('\n', 1)[0]! : String(cause)))
  const mending = isPublished
    ? remedy(tried, target)
    : `No binary is published for ${system}: build it in a clone of proc-events with \`npm run build\`.`
  return new ProcessMonitorError(
    'ERR_NATIVE_BINDING',
    `The native part of proc-events could not be loaded on ${system} with ${libc(target)} (Node.js ${process.version}). ` +
      `${mending} Tried: ${tried.join('; ')}`,
    { cause: new AggregateError(causes, 'Every attempt to load the native part failed') },
  )
}

/** The C library, and its version where it tells one. */
function libc(target: string): string {
  if (target.includes('-musl')) return 'musl'
  const { header } = reportWithoutNetwork() as { header: { glibcVersionRuntime?: string } }
  return `glibc ${header.glibcVersionRuntime ?? ''}`.trimEnd()
}

/** The report of Node.js. With its part on the network, it would resolve the names of every open connection's peer. */
function reportWithoutNetwork(): unknown {
  const report: { excludeNetwork?: boolean; getReport(): unknown } = process.report
  const before = report.excludeNetwork
  // Older releases have no such setting.
  if (before === undefined) return report.getReport()
  report.excludeNetwork = true
  try {
    return report.getReport()
  } finally {
    report.excludeNetwork = before
  }
}

function remedy(tried: readonly string[], target: string): string {
  const says = (words: RegExp) => tried.some((line) => words.test(line))
  // Told by nothing but the name of this file, which a bundle does not keep.
  if (typeof __filename === 'undefined' || basename(__filename) !== 'load-error.js') {
    return "A bundler has taken it apart: keep 'proc-events' external, and installed beside the bundle."
  }
  if (says(/\.asar\//) && !says(/\.asar\.unpacked\//)) {
    return "It is inside an Electron archive: have it unpacked with asarUnpack: '**/*.node'."
  }
  if (says(/failed to map segment|Operation not permitted/)) {
    return 'Its file may not be executed: move node_modules to a file system that is not mounted noexec.'
  }
  // With the version, as the two parts speak a protocol of their own.
  const { version } = require('../../../package.json') as { version: string }
  const install = `npm install @proc-events/${target}@${version}`
  if (says(/invalid ELF|file too short|wrong ELF|GLIBC|cannot open shared object|Error (loading|relocating)/)) {
    return `Its file is damaged, or another system's: delete node_modules/@proc-events, then install here: \`${install}\`.`
  }
  return `Install it with \`${install}\`, or build it in a clone with \`npm run build\`.`
}
