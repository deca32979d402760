/** Stand-ins for Electron, which no test can run: the calls of the binary, its places, its processes. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { child, root } from '../support/fake/facade.ts'

const load = (name: string): Promise<any> => import(join(root, 'scripts', 'release', name))
const { readElf } = await load('elf.mjs')
const { hostTarget } = await load('targets.mjs')
const host = hostTarget()
const binary = join(root, host.file)

/** Reports the exit of a process that it starts. `seen` gets its pid. Works in any process that may load the package. */
const WATCH = `
async function watch(monitor, seen) {
  const { spawnSync } = require('node:child_process')
  const exits = new Set()
  monitor.subscribeExit((pid) => exits.add(pid))
  await monitor.initialize({ source: 'auto' })
  let pid
  // Without the connector, a short process may be missed.
  do {
    ;({ pid } = spawnSync('/bin/sleep', ['0.05']))
    await new Promise((resolve) => setTimeout(resolve, 20))
  } while (!exits.has(pid))
  seen(pid)
}
`

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'proc-events-electron-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

/** Installs what runs below `app`, and the binary of the platform with the given bytes. */
function install(app: string, addon: Buffer = readFileSync(binary)): void {
  const main = join(app, 'node_modules', 'proc-events')
  cpSync(join(root, 'dist'), join(main, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(main, 'package.json'))
  const platform = join(app, 'node_modules', host.packageName)
  mkdirSync(platform, { recursive: true })
  writeFileSync(join(platform, 'package.json'), JSON.stringify({ name: host.packageName, main: host.file }))
  writeFileSync(join(platform, host.file), addon)
}

// Electron keeps all buffers in V8's memory cage, and ends a program that makes one elsewhere. The same holds for a Node.js
// with pointer compression. The names would be in the binary also if they were looked up at run time.
test('the addon knows no function that makes an external buffer or string', (t) => {
  const bytes = readFileSync(binary)
  for (const name of ['create_external_arraybuffer', 'create_external_buffer', 'node_api_create_external_string']) {
    t.false(bytes.includes(name), name)
  }
  t.true(bytes.includes('napi_create_threadsafe_function'), 'the names of functions can be found')
})

test('the addon calls Node-API only, and nothing of V8, libuv or Node.js itself', (t) => {
  const symbols: string[] = readElf(binary).undefinedSymbols
  const ofRuntime = symbols.filter((symbol) => /^(napi_|node_api_|uv_|_ZN2v8|_ZN4node|node_module)/.test(symbol))
  t.true(ofRuntime.length > 20)
  t.deepEqual(
    ofRuntime.filter((symbol) => !symbol.startsWith('napi_')),
    [],
  )
})

test('JavaScript in app.asar loads the binary from app.asar.unpacked', async (t) => {
  const resources = folder(t)
  // Electron shows an unpacked file as if it were in the archive, and loads it from beside the archive.
  install(join(resources, 'app.asar'), Buffer.alloc(0))
  install(join(resources, 'app.asar.unpacked'))
  const script = `
    const { dlopen } = process
    let unpacked = 0
    process.dlopen = (module, file, ...rest) => {
      const path = file.replace('/app.asar/', '/app.asar.unpacked/')
      if (path !== file) unpacked++
      return dlopen.call(process, module, path, ...rest)
    }
    ${WATCH}
    const monitor = require(${JSON.stringify(join(resources, 'app.asar', 'node_modules', 'proc-events'))}).getProcessMonitor()
    watch(monitor, () => console.log(unpacked)).then(() => monitor.stop())`
  const { stdout } = await child(script, { bare: true, env: { NAPI_RS_NATIVE_LIBRARY_PATH: '' } })
  t.is(stdout.trim(), '1')
})

test('two copies of the package watch in one process', async (t) => {
  const paths = [folder(t), folder(t)].map((app) => {
    install(app)
    return join(app, 'node_modules', 'proc-events')
  })
  const script = `
    ${WATCH}
    const monitors = ${JSON.stringify(paths)}.map((path) => require(path).getProcessMonitor())
    if (monitors[0] === monitors[1]) throw new Error('they are the same')
    Promise.all(monitors.map((monitor) => watch(monitor, () => console.log('seen'))))
      .then(() => Promise.all(monitors.map((monitor) => monitor.stop())))
      .then(() => {
        const names = require('node:fs').readFileSync('/proc/self/maps', 'utf8').match(/\\S+\\.node$/gm)
        console.log(new Set(names).size)
      })`
  const { stdout } = await child(script, { bare: true, env: { NAPI_RS_NATIVE_LIBRARY_PATH: '' } })
  t.deepEqual(stdout.trim().split('\n'), ['seen', 'seen', '2'])
})

// A utility process is a Node.js that Electron forks, with a port to its parent.
test('a forked process watches, tells its parent through a port, and ends when the parent closes it', async (t) => {
  const app = folder(t)
  install(app)
  const file = join(app, 'utility.js')
  writeFileSync(
    file,
    `${WATCH}
    const monitor = require('proc-events').getProcessMonitor()
    const { port1, port2 } = new MessageChannel()
    port2.on('message', (message) => process.send(message))
    port2.unref()
    watch(monitor, (pid) => port1.postMessage({ pid, argv: new Uint8Array([1, 2]) }))
    process.on('disconnect', () => monitor.stop())`,
  )
  for (let times = 0; times < 3; times++) {
    const env = { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: '' }
    const utility = fork(file, { serialization: 'advanced', env })
    const [message] = (await once(utility, 'message')) as [{ pid: number }]
    t.true(message.pid > 0)
    utility.disconnect()
    t.deepEqual(await once(utility, 'exit'), [0, null])
  }
})
