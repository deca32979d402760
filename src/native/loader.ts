/** Loads this system's native part: from a clone's root folder, or from the package of the platform. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { bindingError } from './load-error.js'

/** The published packages. Each is a literal `require`, so that bundlers and file tracers find it. */
const PACKAGES: { readonly [target: string]: () => unknown } = {
  'linux-x64-gnu': () => require('@proc-events/linux-x64-gnu'),
  'linux-x64-musl': () => require('@proc-events/linux-x64-musl'),
  'linux-arm64-gnu': () => require('@proc-events/linux-arm64-gnu'),
  'linux-arm64-musl': () => require('@proc-events/linux-arm64-musl'),
}

/**
 * Loads the first native part that is found. `NAPI_RS_NATIVE_LIBRARY_PATH` replaces the search by a path.
 *
 * @throws ProcessMonitorError `ERR_NATIVE_BINDING` if every attempt fails. The message lists the attempts.
 */
export function loadBinding(): unknown {
  // `napi build` names the file so. On 32-bit ARM the name includes the calling convention.
  const target = `${process.platform}-${process.arch}-${abi()}${process.arch === 'arm' ? 'eabihf' : ''}`
  const published = PACKAGES[target]
  const path = process.env['NAPI_RS_NATIVE_LIBRARY_PATH']
  // In a single executable, the plain `require` loads only Node.js's own modules.
  const loadFile = (file: string) => createRequire(join(process.cwd(), 'here'))(file) as unknown
  const loadFromClone = () => require(`../../../proc-events.${target}.node`) as unknown
  const attempts = path ? [() => loadFile(path)] : [loadFromClone, ...(published ? [published] : [])]
  const causes: unknown[] = []
  for (const load of attempts) {
    try {
      return load()
    } catch (error) {
      causes.push(error)
    }
  }
  throw bindingError(target, published !== undefined, causes)
}

/** Returns the C library of this process, from its memory map. The report of Node.js would cost 2 MB. */
function abi(): 'gnu' | 'musl' {
  try {
    // With UTF-8, Node.js opens, reads and closes the file in one step. A worker terminated between steps would leave it open.
    const maps = readFileSync('/proc/self/maps', 'utf8')
    // The map lists the target of a link. Until glibc 2.34 that was a name such as libc-2.17.so.
    return /\/libc(\.so\.6|-2\.\d+\.so)/.test(maps) ? 'gnu' : 'musl'
  } catch {
    return 'gnu'
  }
}
