/** A new facade for each test: the compiled package, loaded again, with its own fake binding. */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type * as Api from '../../../dist/index.js'

const require = createRequire(import.meta.url)
export const root: string = fileURLToPath(new URL('../../..', import.meta.url))
const binding = fileURLToPath(new URL('binding.cjs', import.meta.url))

export const noop = (): void => {}

export interface Fake {
  api: typeof Api
  monitor: Api.ProcessMonitor
  // The fake is plain JavaScript without types.
  fake: any
  r: any
}

export function loadFacade(t: ExecutionContext): Fake {
  for (const path of Object.keys(require.cache)) {
    if (path.startsWith(root) && !path.includes('node_modules')) delete require.cache[path]
  }
  process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] = binding
  const api = require('../../../dist/index.js') as typeof Api
  // Load the binding now. The facade would load it on first use, when it may belong to another test.
  const { fake } = require('../../../dist/src/native/binding.js').load()
  const monitor = api.getProcessMonitor()
  t.teardown(() => monitor.unref())
  return { api, monitor, fake, r: fake.records }
}

export async function initialized(t: ExecutionContext): Promise<Fake> {
  const facade = loadFacade(t)
  await facade.monitor.initialize()
  return facade
}

/** Resolves when all records that are queued now have been handled. */
export async function settled(fake: Fake['fake']): Promise<void> {
  let turns = 0
  do {
    if (turns++ > 100_000) throw new Error('records were not handled')
    await new Promise((resolve) => setImmediate(resolve))
  } while (fake.sources.some((source: { idle: boolean }) => !source.idle))
  await new Promise((resolve) => setImmediate(resolve))
}

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
  /** Milliseconds. */
  took: number
}

/** Runs a script in its own Node.js, with `api`, `monitor`, `fake` and `r` defined unless `bare`. */
export async function child(script: string, { bare = false, env = {} } = {}): Promise<Outcome> {
  const head = bare
    ? ''
    : `const api = require('./dist/index.js'); const monitor = api.getProcessMonitor();
       const { fake } = require(process.env.NAPI_RS_NATIVE_LIBRARY_PATH); const r = fake.records;`
  const started = performance.now()
  const node = spawn(process.execPath, ['-e', head + script], {
    cwd: root,
    env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: binding, ...env },
    timeout: 20_000,
  })
  let [stdout, stderr] = ['', '']
  node.stdout.on('data', (chunk) => (stdout += chunk))
  node.stderr.on('data', (chunk) => (stderr += chunk))
  const code = await new Promise<number | null>((resolve) => node.on('close', resolve))
  return { code, stdout, stderr, took: performance.now() - started }
}
