/** The properties of containers that unshare can imitate. `npm run containers` tries real ones. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { printed } from '../support/environments.ts'
import { lines, temporaryFolder, until } from '../support/helpers.ts'
import { has, skipped } from '../support/load.ts'

const serial = test.serial
const program = realpathSync(fileURLToPath(new URL('../support/programs/report.mjs', import.meta.url)))
const root = realpathSync(fileURLToPath(new URL('../..', import.meta.url)))

/** Runs the program within `environment`, which is a command that runs another command. */
async function report(
  t: ExecutionContext,
  environment: readonly string[],
  ...args: readonly string[]
): Promise<Record<string, unknown>> {
  const command = [...environment, process.execPath, program, ...args]
  return (await printed(t, command, 30_000)) as Record<string, unknown>
}

function isZombie(pid: number): boolean {
  return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
}

serial('the exit code of a zombie is unknown to root that may not trace it, and not 0', async (t) => {
  if (!has(t, 'setpriv')) return
  if (process.getuid!() !== 0) return void skipped(t, 'needs root')
  // The new program of the shell does not reap the child of the old one.
  const script = 'exec 3<&0; sh -c "read line <&3; exit 5" & echo $!; exec sleep 60'
  const parent = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] })
  try {
    const pid = Number((await lines(parent).next()).value)
    await until('the shell is sleep', () => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'sleep\n')
    parent.stdin.end()
    await until('the process is a zombie', () => isZombie(pid))
    t.deepEqual(await report(t, [], 'wait', `${pid}`), { exitCode: 5 })
    // Containers have no CAP_SYS_PTRACE, and fewer capabilities than a process of the host.
    const less = ['setpriv', '--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace']
    t.deepEqual(await report(t, less, 'wait', `${pid}`), { exitCode: null })
  } finally {
    parent.kill()
  }
})

serial("a container's id is found where its cgroup is the root of a namespace", async (t) => {
  if (!has(t, 'unshare')) return
  const id = '7e'.repeat(32)
  // podman names the folder after its storage driver, which is vfs for an ordinary user without overlay.
  const folder = join(temporaryFolder(t), 'vfs-containers', id, 'userdata')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'hostname'), 'test\n')
  const mount = ['sh', '-c', 'mount --bind "$0" /etc/hostname && exec "$@"', join(folder, 'hostname')]
  const namespaces = ['unshare', '-m', '-C', '-p', '-f', '--mount-proc', ...mount]
  t.like(await report(t, namespaces, 'id'), { cgroup: '/', containerId: id })
})

serial('the first program of a directory that is no link to /usr/bin is seen at once', async (t) => {
  if (!has(t, 'unshare', 'cc')) return
  const folder = temporaryFolder(t)
  for (const name of ['bin', 'usr', 'dev', 'proc', 'etc', root]) mkdirSync(join(folder, name), { recursive: true })
  for (const name of ['lib', 'lib64']) symlinkSync(`usr/${name}`, join(folder, name))
  // A static program opens no library, and 20 ms are less than the time between two looks at an idle machine.
  const source = join(folder, 'short.c')
  writeFileSync(source, '#include <unistd.h>\nint main(void) { usleep(20000); return 0; }\n')
  const { status, stderr } = spawnSync('cc', ['-static', '-o', join(folder, 'bin/short'), source], { encoding: 'utf8' })
  if (status !== 0) return void skipped(t, `cc -static: ${stderr.trim()}`)
  chmodSync(folder, 0o755)
  const script = [
    ...['usr', 'dev', root].map((name) => `mount --rbind "/${name}" "$0/${name}"`),
    'mount -t proc proc "$0/proc"',
    'exec chroot "$0" "$@"',
  ].join(' && ')
  const environment = ['unshare', '-m', '-p', '-f', '--propagation', 'private', 'sh', '-c', script, folder]
  const { seen } = await report(t, environment, 'first', '/bin/short', '6')
  // Without a watch, an idle thread sees 2 or 3.
  t.true(Number(seen) >= 5)
})
