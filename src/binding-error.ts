/** What to say where the native part cannot be loaded: on what system, what was tried, and what mends it. */
import { ProcessMonitorError } from './errors.js'

/** What binaries are published for, each for glibc and for musl. */
const PUBLISHED: ReadonlySet<string> = new Set(['linux-x64', 'linux-arm64'])

/** The error for a loader that has thrown `error`. */
export function bindingError(error: unknown): ProcessMonitorError {
  const libc = libcHere()
  const system = `${process.platform}-${process.arch}`
  const tried = attempts(error)
  return new ProcessMonitorError(
    'ERR_NATIVE_BINDING',
    `The native part of proc-events could not be loaded on ${system} with ${libc ?? 'musl'} (Node.js ${process.version}). ` +
      `${remedy(tried, system, libc ? 'gnu' : 'musl')} Tried: ${tried.join('; ')}`,
    { cause: error },
  )
}

/** The C library and its version; undefined where it is musl, which tells no version. */
function libcHere(): string | undefined {
  // Otherwise the report would resolve the names of every open connection's peer.
  Object.assign(process.report, { excludeNetwork: true })
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime && `glibc ${header.glibcVersionRuntime}`
}

/** What the loader tried: its own error chains one cause per attempt. Its own message only blames npm, and is left out. */
function attempts(error: unknown): string[] {
  const seen = new Set<unknown>()
  const lines: string[] = []
  for (let e = error; e instanceof Error && !seen.has(e); e = e.cause) {
    seen.add(e)
    // "Cannot find module" goes on with the stack of requires, which says nothing here.
    lines.push(e.message.split('\n', 1)[0] ?? '')
  }
  if (lines.length < 2) return [lines[0] ?? String(error)]
  // The last attempt comes first in the chain. WebAssembly is tried by every generated loader, but never built here.
  return lines
    .slice(1)
    .toReversed()
    .filter((line) => !line.includes('wasi'))
}

function remedy(tried: readonly string[], system: string, abi: string): string {
  const says = (words: RegExp) => tried.some((line) => words.test(line))
  if (says(/Cannot find module '.*native\.js'/)) {
    return "A bundler has left it out: keep 'proc-events' external, and installed beside the bundle."
  }
  if (!PUBLISHED.has(system)) {
    return `No binary is published for ${system}: build it in a clone of proc-events with \`npm run build\`.`
  }
  if (says(/\.asar\//) && !says(/\.asar\.unpacked\//)) {
    return "It is inside an Electron archive: have it unpacked with asarUnpack: '**/*.node'."
  }
  const install = `npm install ${packageName(system, abi)}`
  if (says(/failed to map segment|Operation not permitted/)) {
    return 'Its file may not be executed: move node_modules to a file system that is not mounted noexec.'
  }
  if (says(/invalid ELF|file too short|wrong ELF|GLIBC|cannot open shared object|Error (loading|relocating)/)) {
    return `Its file is damaged, or another system's: delete node_modules/@proc-events, then install here: \`${install}\`.`
  }
  return `Install it with \`${install}\`, or build it in a clone with \`npm run build\`.`
}

/** With the version, as the two parts speak a protocol of their own. */
function packageName(system: string, abi: string): string {
  const { version } = require('../package.json') as { version: string }
  return `@proc-events/${system}-${abi}@${version}`
}
