/** Stand-ins for Electron, which no registry has: its limits and its environments, imitated in Node.js. See docs/runtimes.md. */
import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, linkSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { program } from '../support/cli-harness.ts'
import { root } from '../support/fake/facade.ts'
import { temporaryFolder } from '../support/helpers.ts'
import { application, builtBinary, host, installMain, installPlatform, release } from '../support/installed.ts'
import { has } from '../support/load.ts'

// The package has no types.
const { symbols } = createRequire(import.meta.url)('node-api-headers')
const { readElf } = await release('elf.mjs')
const serial = test.serial
const support = join(root, '__test__', 'support', 'electron')

interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program in its own Node.js. */
async function node(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, timeout: 40_000 })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on('close', (...how) => resolve(how)),
  )
  return { code, signal, stdout, stderr }
}

function compile(...args: string[]): void {
  const headers = join(dirname(fileURLToPath(import.meta.resolve('node-api-headers/package.json'))), 'include')
  const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O2', '-I', headers, ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`cc failed: ${stderr}`)
}

/** Returns the environment in which an addon loads with the limit of Electron's Node-API. */
function limited(folder: string, addon: string): NodeJS.ProcessEnv {
  const LIBRARY = join(folder, `limited-${basename(addon)}`)
  const source = join(support, 'no-external-buffers.c')
  // The addon is a dependency, although no function of it is called.
  compile('-o', LIBRARY, source, '-Wl,--no-as-needed', `-Wl,-rpath,${dirname(addon)}`, addon)
  return { LIBRARY, NAPI_RS_NATIVE_LIBRARY_PATH: join(support, 'bind-first.cjs') }
}

test('the addon uses only functions of Node-API 8 and of the C library', (t) => {
  const known = new Set([...symbols.v8.js_native_api_symbols, ...symbols.v8.node_api_symbols])
  const { undefinedSymbols } = readElf(builtBinary) as { undefinedSymbols: string[] }
  const ofNode = undefinedSymbols.filter((symbol) => /^(napi_|node_api_|uv_|_Z)/.test(symbol))
  t.true(ofNode.length > 10)
  t.deepEqual(
    ofNode.filter((symbol) => !known.has(symbol)),
    [],
  )
})

serial('the addon makes no external buffer, whatever is called', async (t) => {
  if (!has(t, 'cc') || host.libc !== 'glibc') return
  const folder = temporaryFolder(t)
  const forbidden = join(folder, 'external-buffer.node')
  compile('-o', forbidden, join(support, 'external-buffer.c'))
  const refused = await node([join(support, 'bind-first.cjs')], limited(folder, forbidden))
  t.is(refused.signal, 'SIGABRT')
  t.regex(refused.stderr, /^napi_create_external_arraybuffer makes an external buffer$/m)

  const { code, stdout, stderr } = await node([join(support, 'everything.cjs'), root], limited(folder, builtBinary))
  t.is(code, 0, stderr)
  t.deepEqual(JSON.parse(stdout), { signal: 'SIGTERM', length: 60_018 })
  const [, calls] = /^(\d+) calls seen$/.exec(stderr.trim()) ?? []
  t.true(Number(calls) > 2, stderr)
})

/** Creates an application in a folder instead of an archive. The binary is beside the archive, or a file of it. */
function archived(t: ExecutionContext, isUnpacked: boolean): { path: string; unpacked: string } {
  const resources = application(t)
  const [path, unpacked] = ['app.asar', 'app.asar.unpacked'].map((name) => join(resources, name)) as [string, string]
  mkdirSync(path)
  for (const file of ['main.cjs', 'utility.cjs']) copyFileSync(join(support, file), join(path, file))
  installMain(path)
  const inArchive = installPlatform(path)
  if (!isUnpacked) {
    copyFileSync(builtBinary, inArchive)
    return { path, unpacked }
  }
  // An archive lists an unpacked file, but has no bytes of it.
  writeFileSync(inArchive, '')
  const beside = inArchive.replace(path, unpacked)
  mkdirSync(dirname(beside), { recursive: true })
  copyFileSync(builtBinary, beside)
  return { path, unpacked }
}

const preload = (name: string): string => `--require=${join(support, name)}`

for (const [isUnpacked, way, title] of [
  [true, 'stop', 'from app.asar.unpacked, the main process and a utility process that stops see the same events'],
  [true, 'disconnect', 'from app.asar.unpacked, a utility process ends when its parent closes the channel'],
  [true, 'kill', 'from app.asar.unpacked, a utility process that is killed ends, and the main process goes on'],
  [false, 'stop', 'from the copy of a binary inside an archive, the addon works, too'],
] as const) {
  serial(title, async (t) => {
    const { path, unpacked } = archived(t, isUnpacked)
    const { path: executable } = program(t)
    const NODE_OPTIONS = [preload('archive.cjs'), preload('parent-port.cjs')].join(' ')
    const env = { NODE_OPTIONS, NAPI_RS_NATIVE_LIBRARY_PATH: '' }
    const { code, stdout, stderr } = await node([join(path, 'main.cjs'), executable, way], env)
    t.deepEqual([code, stderr], [0, ''])
    const { pid, own, reported, library, ...end } = JSON.parse(stdout)
    const events = [
      { type: 'exec', pid },
      { type: 'exit', pid, exitCode: 3 },
    ]
    t.deepEqual([own, reported], [events, events])
    t.true(isUnpacked ? library.startsWith(`${unpacked}/`) : library.endsWith('/copied-out.node'), library)
    t.deepEqual(end, way === 'kill' ? { code: null, signal: 'SIGTERM' } : { code: 0, signal: null })
  })
}

serial('an empty binary in the archive is not loaded in place of the unpacked one', async (t) => {
  const { path } = archived(t, true)
  const { code, stderr } = await node([join(path, 'main.cjs'), '/bin/sh', 'stop'], { NAPI_RS_NATIVE_LIBRARY_PATH: '' })
  t.is(code, 1)
  t.regex(stderr, /ERR_NATIVE_BINDING.*Unpack it with asarUnpack: '\*\*\/\*\.node'/s)
})

for (const [title, isSame, numbers] of [
  ['two copies of the package in one process work beside each other', false, [2, 2, 1, 0]],
  ['one binary at two paths in one process has one native thread', true, [1, 1, 1, 0]],
] as const) {
  serial(title, async (t) => {
    const [first, second] = [application(t), application(t)]
    const [one, two] = [installPlatform(first), installPlatform(second)]
    cpSync(builtBinary, one)
    if (isSame) linkSync(one, two)
    else cpSync(builtBinary, two)
    const args = [join(support, 'copies.cjs'), installMain(first), installMain(second)]
    const { code, stdout, stderr } = await node(args, { NAPI_RS_NATIVE_LIBRARY_PATH: '' })
    t.deepEqual([code, stderr], [0, ''])
    t.deepEqual(JSON.parse(stdout), numbers)
  })
}

serial('options, filters and callbacks of another V8 context work', async (t) => {
  const { path } = program(t)
  const { code, stdout, stderr } = await node([join(support, 'contexts.cjs'), root, path])
  t.deepEqual([code, stderr], [0, ''])
  t.deepEqual(JSON.parse(stdout), { name: basename(path), exitCode: 3, codes: Array(3).fill('ERR_INVALID_ARG_TYPE') })
})
