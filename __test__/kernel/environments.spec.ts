/** Namespaces, sandboxes and other users. A failing start rejects at once with the reason, and leaves nothing behind. */
import { existsSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { ErrorCode, MonitorOptions, ProbeReport } from '../../dist/index.js'
import { nobody as user, mayRead, namespace, printed } from '../support/environments.ts'
import { Load, has, skipped } from '../support/load.ts'

const serial = test.serial
const attemptFile = realpathSync(fileURLToPath(new URL('../support/programs/attempt.mjs', import.meta.url)))
const nobody = [...user, '--bounding-set=-all', '--inh-caps=-all']

interface Attempt {
  readonly probe: ProbeReport
  readonly error?: { readonly code: ErrorCode; readonly name: string; readonly message: string }
  readonly ms: number
  readonly source: string | null
  readonly reported?: readonly string[]
  readonly bootstrap: number
  readonly warnings: readonly string[]
  readonly before: object
  readonly after: object
}

/** Tries to monitor within `environment`, which is a command that runs another command. */
async function attempt(
  t: ExecutionContext,
  environment: readonly string[],
  options: MonitorOptions = {},
  watched: readonly string[] = [],
): Promise<Attempt> {
  const command = [...environment, process.execPath, attemptFile, JSON.stringify(options), ...watched]
  const attempt = (await printed(t, command, 30_000)) as Attempt
  t.deepEqual(attempt.after, attempt.before, 'no thread and no descriptor is left')
  return attempt
}

/** Checks that `initialize` rejects with a code, and that `probe` reports the same code. */
async function rejects(
  t: ExecutionContext,
  code: ErrorCode,
  environment: readonly string[],
  options: MonitorOptions = {},
): Promise<Attempt> {
  const result = await attempt(t, environment, options)
  const { error, ms, source, probe, bootstrap, warnings } = result
  t.log(`${error?.code} after ${ms.toFixed(1)} ms: ${error?.message}`)
  t.deepEqual({ code: error?.code, name: error?.name }, { code, name: 'ProcessMonitorError' })
  t.true(ms < 1000)
  t.deepEqual({ source, bootstrap, warnings }, { source: null, bootstrap: 0, warnings: [] })
  if (options.source !== 'polling') {
    t.deepEqual({ netlink: probe.netlink, reason: probe.reason }, { netlink: false, reason: code })
    t.true(error!.message.includes(probe.hint!))
  }
  return result
}

/** Returns true if the kernel accepts listeners without capabilities, as Linux does since 6.6. */
function servesEverybody(t: ExecutionContext, { kernel }: ProbeReport): boolean {
  const [major, minor] = kernel.split('.').map(Number) as [number, number]
  if (major > 6 || (major === 6 && minor >= 6)) return true
  t.log(`Linux ${kernel} requires CAP_NET_ADMIN`)
  return false
}

serial('user nobody without any capability gets events', async (t) => {
  if (!has(t, 'setpriv') || !mayRead(t, nobody, attemptFile)) return
  const { error, source, probe, reported, bootstrap, warnings } = await attempt(t, nobody, {}, ['/bin/sleep'])
  if (!servesEverybody(t, probe)) {
    t.is(error?.code, 'ERR_PERMISSION')
    return
  }
  t.is(error, undefined)
  t.deepEqual(
    { source, reported, warnings },
    { source: 'netlink', reported: ['exec kernel', 'exit kernel'], warnings: [] },
  )
  t.true(probe.netlink && probe.polling && bootstrap > 1)
})

serial('a user namespace rejects with ERR_USER_NAMESPACE', async (t) => {
  if (has(t, 'unshare')) await rejects(t, 'ERR_USER_NAMESPACE', ['unshare', '-U', '-r'])
})

serial('a pid namespace rejects with ERR_PID_NAMESPACE', async (t) => {
  if (has(t, 'unshare')) await rejects(t, 'ERR_PID_NAMESPACE', ['unshare', '-p', '-f', '--mount-proc'])
})

serial("a network namespace without the right to join the host's rejects with ERR_NETWORK_NAMESPACE", async (t) => {
  if (!has(t, 'unshare', 'setpriv')) return
  const without = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin']
  await rejects(t, 'ERR_NETWORK_NAMESPACE', ['unshare', '-n', ...without])
})

serial('root of a network namespace joins that of the host, whose /proc a shared pid namespace shows', async (t) => {
  if (!has(t, 'unshare')) return
  if (process.getuid!() !== 0) return void skipped(t, 'needs root')
  const { error, source, reported } = await attempt(t, ['unshare', '-n'], {}, ['/bin/sleep'])
  t.is(error, undefined)
  t.deepEqual({ source, reported }, { source: 'netlink', reported: ['exec kernel', 'exit kernel'] })
})

serial('a user namespace is named before a network namespace, because nothing else helps', async (t) => {
  if (!has(t, 'unshare')) return
  await rejects(t, 'ERR_USER_NAMESPACE', ['unshare', '-U', '-r', '-n'])
})

serial('one hint names all that a container with its own pid and network namespaces lacks', async (t) => {
  if (!has(t, 'unshare', 'setpriv')) return
  const without = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin']
  const { probe } = await rejects(t, 'ERR_NETWORK_NAMESPACE', ['unshare', '-p', '-f', '-n', '--mount-proc', ...without])
  t.regex(probe.hint!, /--net=host --pid=host .*source: 'auto'.*CAP_SYS_PTRACE/)
})

serial('all three namespaces reject with the code of one of them', async (t) => {
  if (!has(t, 'unshare')) return
  const { error } = await attempt(t, ['unshare', '-U', '-r', '-p', '-f', '-n', '--mount-proc'])
  t.log(error?.message)
  t.true(['ERR_USER_NAMESPACE', 'ERR_PID_NAMESPACE', 'ERR_NETWORK_NAMESPACE'].includes(error!.code))
})

serial('a missing proc file system rejects with ERR_PROC_UNREADABLE', async (t) => {
  for (const procRoot of ['/nowhere', '/tmp']) {
    for (const source of ['netlink', 'polling', 'auto'] as const) {
      const { probe } = await rejects(t, 'ERR_PROC_UNREADABLE', [], { procRoot, source })
      t.deepEqual([probe.netlink, probe.polling, probe.reason], [false, false, 'ERR_PROC_UNREADABLE'])
    }
  }
})

serial("with hidepid the kernel still reports other users, and polling watches one's own with a warning", async (t) => {
  if (!has(t, 'unshare', 'setpriv') || !mayRead(t, nobody, attemptFile)) return
  const hidden = ['unshare', '-m', 'sh', '-c', 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', 'sh', ...nobody]
  const { probe, error, source, reported, warnings } = await attempt(t, hidden, { source: 'auto' }, ['/bin/sleep'])
  t.is(probe.polling, true)
  if (servesEverybody(t, probe)) {
    t.is(error, undefined)
    t.deepEqual(
      { source, reported, warnings },
      { source: 'netlink', reported: ['exec kernel', 'exit kernel'], warnings: [] },
    )
  }
  const polling = await attempt(t, hidden, { source: 'polling' }, ['/bin/sleep'])
  t.is(polling.error, undefined)
  // The origin depends on whether the kernel grants perf events.
  const types = polling.reported?.map((report) => report.split(' ')[0])
  t.deepEqual([polling.source, types], ['polling', ['exec', 'exit']])
  t.deepEqual(polling.warnings, ['ProcessMonitorWarning ERR_PROC_UNREADABLE'])
})

serial("in a pid namespace 'auto' polls and warns once", async (t) => {
  if (!has(t, 'unshare')) return
  const result = await attempt(t, namespace, { source: 'auto', pollingInterval: 20 }, ['/bin/sleep'])
  const { error, source, reported, warnings, probe } = result
  t.is(error, undefined)
  t.deepEqual(
    { source, reported, warnings },
    {
      source: 'polling',
      reported: ['exec kernel', 'exit kernel'],
      warnings: ['ProcessMonitorWarning ERR_PID_NAMESPACE'],
    },
  )
  t.deepEqual([probe.netlink, probe.polling, probe.reason], [false, true, 'ERR_PID_NAMESPACE'])
})

serial("requested polling works in the host's and in a new pid namespace, without a warning", async (t) => {
  const options = { source: 'polling', pollingInterval: 20 } as const
  const environments = [[], ...(existsSync('/usr/bin/unshare') ? [['unshare', '-p', '-f', '--mount-proc']] : [])]
  for (const environment of environments) {
    const { error, source, reported, warnings } = await attempt(t, environment, options, ['/bin/sleep'])
    t.is(error, undefined)
    t.deepEqual(
      { source, reported, warnings },
      { source: 'polling', reported: ['exec kernel', 'exit kernel'], warnings: [] },
    )
  }
})

serial('a sandbox that refuses the socket rejects with ERR_PERMISSION', async (t) => {
  if (!has(t, 'cc')) return
  const load = new Load('pe-refuse')
  try {
    for (const errno of [1, 13, 97]) await rejects(t, 'ERR_PERMISSION', [load.path, 'refuse', String(errno)])
    // EPROTONOSUPPORT: the kernel has no connector.
    await rejects(t, 'ERR_CONNECTOR_UNAVAILABLE', [load.path, 'refuse', '93'])
  } finally {
    load.remove()
  }
})
