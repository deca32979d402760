/** The package without a loadable native part, and `findDeletedProcesses`, which needs no monitor. */
import test from 'ava'
import { child, loadFacade } from '../support/fake/facade.ts'

const ask = `
  const api = require('./dist/index.js'); const monitor = api.getProcessMonitor()
  monitor.subscribeExec(() => {}); monitor.stats(); console.log('imported')
  const print = (e) => console.log(JSON.stringify([e.name, e.code, e.message, e instanceof api.ProcessMonitorError, String(e.cause?.message)]))
  try { api.findDeletedProcesses(new Map()) } catch (e) { print(e) }
  monitor.initialize().catch((e) => { print(e); monitor.stop().then(() => console.log('stopped')) })`

for (const platform of ['darwin', 'win32', 'freebsd']) {
  test(`on ${platform} importing succeeds, and use throws`, async (t) => {
    const fakePlatform = `Object.defineProperty(process, 'platform', { value: '${platform}' });`
    const { code, stdout, stderr } = await child(fakePlatform + ask, { bare: true })
    const [imported, thrown, rejected, stopped] = stdout.split('\n')
    t.deepEqual([code, stderr, imported, stopped], [0, '', 'imported', 'stopped'])
    t.is(thrown, rejected)
    const [name, errorCode, message, instance] = JSON.parse(rejected!)
    t.deepEqual([name, errorCode, instance], ['ProcessMonitorError', 'ERR_UNSUPPORTED_PLATFORM', true])
    t.regex(message, new RegExp(`this is ${platform}\\. .*linux`, 'i'))
  })
}

test('on a processor without a published binary the error advises to build one', async (t) => {
  const fakeProcessor = `Object.defineProperty(process, 'arch', { value: 's390x' });`
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: '' }
  const { code, stdout } = await child(fakeProcessor + ask, { bare: true, env })
  const [imported, thrown, rejected, stopped] = stdout.split('\n')
  t.deepEqual([code, imported, stopped], [0, 'imported', 'stopped'])
  t.is(thrown, rejected)
  const [, errorCode, message] = JSON.parse(rejected!)
  t.is(errorCode, 'ERR_NATIVE_BINDING')
  t.regex(
    message,
    /on linux-s390x with (glibc \d|musl).* No binary is published for linux-s390x\. Build it .*npm run build/,
  )
  t.regex(message, /Tried: Cannot find module '(?:\.\.\/)+proc-events\.linux-s390x-(gnu|musl)\.node'$/)
})

test('on 32-bit ARM the loader uses the file name of a local build', async (t) => {
  const fakeProcessor = `Object.defineProperty(process, 'arch', { value: 'arm' });`
  const { stdout } = await child(fakeProcessor + ask, { bare: true, env: { NAPI_RS_NATIVE_LIBRARY_PATH: '' } })
  t.regex(stdout, /Tried: Cannot find module '(?:\.\.\/)+proc-events\.linux-arm-(gnu|musl)eabihf\.node'/)
})

test('a load failure lists each attempt and the command that fixes it', async (t) => {
  const { code, stdout } = await child(ask, { bare: true, env: { NAPI_RS_NATIVE_LIBRARY_PATH: '/nowhere/x.node' } })
  const [imported, thrown, rejected, stopped] = stdout.split('\n')
  t.deepEqual([code, imported, stopped], [0, 'imported', 'stopped'])
  t.is(thrown, rejected)
  const [, errorCode, message, instance, cause] = JSON.parse(rejected!)
  t.deepEqual([errorCode, instance], ['ERR_NATIVE_BINDING', true])
  t.true(message.includes(`linux-${process.arch}`))
  t.regex(message, /npm install @proc-events\/linux-.*npm run build.*Tried: .*\/nowhere\/x\.node/)
  t.false(message.includes('\n'))
  t.regex(cause, /^Every attempt/)
})

test('a load failure leaves the settings of process.report unchanged', async (t) => {
  for (const excluded of [false, true]) {
    const script = `process.report.excludeNetwork = ${excluded}; ${ask}
      process.on('exit', () => console.log(process.report.excludeNetwork))`
    const { stdout } = await child(script, { bare: true, env: { NAPI_RS_NATIVE_LIBRARY_PATH: '/nowhere/x.node' } })
    t.is(stdout.trimEnd().split('\n').at(-1), String(excluded))
  }
})

test('findDeletedProcesses passes the keys to the native part', (t) => {
  const { api, fake } = loadFacade(t)
  const asked: unknown[] = []
  fake.behaviour.deletedPids = (pids: Uint32Array, procRoot: string) => {
    asked.push([pids, procRoot])
    return { pids: pids.filter((pid) => pid > 1) }
  }
  const input = new Map([1, 2, 3].map((pid) => [pid, 'x']))
  t.deepEqual(api.findDeletedProcesses(input, { procRoot: '/host/proc' }), new Set([2, 3]))
  t.is(input.size, 3)
  t.deepEqual(api.findDeletedProcesses(new Set([4])), new Set([4]))
  t.deepEqual(api.findDeletedProcesses(new Map()), new Set())
  t.deepEqual(asked[0], [Uint32Array.of(1, 2, 3), '/host/proc'])
})

test('findDeletedProcesses throws if /proc cannot be read', (t) => {
  const { api, fake } = loadFacade(t)
  const error = { code: 5, errno: 2, syscall: 'open', context: '/nowhere' }
  fake.behaviour.deletedPids = () => ({ pids: [], error })
  const thrown = t.throws(() => api.findDeletedProcesses(new Map(), { procRoot: '/nowhere' }), {
    instanceOf: api.ProcessMonitorError,
  })
  t.like(thrown, { code: 'ERR_PROC_UNREADABLE', errno: -2, syscall: 'open' })
  t.regex(thrown.message, /^open \/nowhere: ENOENT, no such file or directory\. .*procRoot/)
})

test('an error without a failed system call has no syscall property', (t) => {
  const { api, fake } = loadFacade(t)
  const error = { code: 0, errno: 1, context: 'the kernel rejected it' }
  fake.behaviour.deletedPids = () => ({ pids: [], error })
  const thrown = t.throws(() => api.findDeletedProcesses(new Map()), { instanceOf: api.ProcessMonitorError })
  t.like(thrown, { code: 'ERR_PERMISSION', errno: -1 })
  t.false('syscall' in thrown)
  t.regex(thrown.message, /^the kernel rejected it: EPERM, /)
})

test('findDeletedProcesses rejects an argument that is not a map by pid', (t) => {
  const { api } = loadFacade(t)
  const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' }
  const range = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }
  const ask = (pids: unknown, options?: unknown) => () => api.findDeletedProcesses(pids as never, options as never)
  for (const pids of [undefined, null, 1, {}, [1], Uint32Array.of(1), new Set(['1'])]) t.throws(ask(pids), type)
  for (const pid of [-1, 1.5, NaN, 2 ** 31]) t.throws(ask(new Set([pid])), range)
  const text = 'The "pids.keys()[1]" property must be of type number. Received type string (\'7\')'
  t.throws(
    ask(
      new Map<unknown, number>([
        [1, 0],
        ['7', 0],
      ]),
    ),
    { ...type, message: text },
  )
  t.throws(ask(new Set([1, 2, -3])), { ...range, message: /^The value of "pids\.keys\(\)\[2\]" is out of range/ })
  t.throws(ask(new Set(), { procRoot: 1 }), type)
  const value = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' }
  for (const procRoot of ['', '/proc\0']) t.throws(ask(new Set(), { procRoot }), value)
})
