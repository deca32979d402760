/** Where this system's native part lies: beside the package in a clone, else in the package of the platform. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { bindingError } from './load-error.js'

/** What is published; word for word, so that whoever traces or bundles an application sees what it needs. */
const PACKAGES: { readonly [target: string]: () => unknown } = {
  'linux-x64-gnu': () => require('@proc-events/linux-x64-gnu'),
  'linux-x64-musl': () => require('@proc-events/linux-x64-musl'),
  'linux-arm64-gnu': () => require('@proc-events/linux-arm64-gnu'),
  'linux-arm64-musl': () => require('@proc-events/linux-arm64-musl'),
}

/**
 * Loads the native part, the first that is there. `NAPI_RS_NATIVE_LIBRARY_PATH` names another one to be loaded instead.
 *
 * @throws ProcessMonitorError `ERR_NATIVE_BINDING`, with all that was tried.
 */
export function loadBinding(): unknown {
  // As `napi build` names the file: on 32-bit ARM, with the calling convention.
  const target = `${process.platform}-${process.arch}-${abi()}${process.arch === 'arm' ? 'eabihf' : ''}`
  const published = PACKAGES[target]
  const named = process.env['NAPI_RS_NATIVE_LIBRARY_PATH']
  // The `require` of a single executable has Node.js's own modules only.
  const fromNamed = (path: string) => createRequire(join(process.cwd(), 'here'))(path) as unknown
  const besides = () => require(`../../../proc-events.${target}.node`) as unknown
  const ways = named ? [() => fromNamed(named)] : [besides, ...(published ? [published] : [])]
  const causes: unknown[] = []
  for (const load of ways) {
    try {
      return load()
    } catch (error) {
      causes.push(error)
    }
  }
  throw bindingError(target, published !== undefined, causes)
}

/** The C library of this very process, told by what it has loaded; the report of Node.js would cost 2 MB. */
function abi(): 'gnu' | 'musl' {
  try {
    // As UTF-8, Node.js reads a file in one go: a worker that is terminated amid several steps would leave it open.
    const maps = readFileSync('/proc/self/maps', 'utf8')
    // What is a link is listed as the file it leads to: glibc's was libc-2.17.so and the like until 2.34.
    return /\/libc(\.so\.6|-2\.\d+\.so)/.test(maps) ? 'gnu' : 'musl'
  } catch {
    return 'gnu'
  }
}
