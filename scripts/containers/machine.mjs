// This machine as the runtimes need it: an ordinary user, scratch folders, the control groups, and how a command is run.

import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { machine as environment } from '../toolchain.mjs'

export const isRoot = process.getuid() === 0

const MOUNT = 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"'
/** Runs the arguments in a mount namespace in which `/sys/fs/cgroup` is cgroup v2 alone, as on current distributions. */
export const UNIFIED = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', MOUNT, 'sh']

/** podman takes no longer path than 50 characters. */
const scratch = mkdtempSync(join(tmpdir(), 'pe-containers-'))
// Ordinary users read the root file system.
chmodSync(scratch, 0o755)

/** Creates a scratch folder, which belongs to a user. */
export function scratchFolder(name, uid = process.getuid(), gid = process.getgid()) {
  const folder = join(scratch, name)
  mkdirSync(folder, { recursive: true })
  chownSync(folder, uid, gid)
  return folder
}

/** Removes the scratch folders, and what a runtime has left mounted below them. */
export function removeScratch() {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
  // The last mount is the innermost.
  for (const mount of mounts.toReversed()) if (mount.startsWith(`${scratch}/`)) run(['umount', mount])
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
}

/**
 * Returns the ordinary user for rootless containers: this one, or the one behind sudo, or user nobody. User nobody has no range of
 * other ids, so that root is the only user of its containers.
 */
export function ordinaryUser() {
  if (!isRoot) return { uid: process.getuid(), gid: process.getgid() }
  const { SUDO_UID: uid, SUDO_GID: gid } = process.env
  return Number(uid) > 0 ? { uid: Number(uid), gid: Number(gid) } : { uid: 65534, gid: 65534 }
}

/** Returns the command line that runs another one as a user without any capability, with a home of its own. */
export function asUser({ uid, gid }, home) {
  const env = [`HOME=${home}`, `PATH=${environment.PATH}`, `XDG_RUNTIME_DIR=${home}`]
  const user = [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    '--bounding-set=-all',
    '--inh-caps=-all',
  ]
  return isRoot ? [...user, 'env', '-i', ...env] : ['env', ...env]
}

/** Runs a command to its end. Returns what it printed and its exit code, and null if a signal or the time limit ended it. */
export function run([command, ...args], options = {}) {
  const settings = { encoding: 'utf8', env: environment, timeout: 60_000, cwd: '/', maxBuffer: 1 << 26, ...options }
  const { status, stdout, stderr, error } = spawnSync(command, args, settings)
  return { status, stdout: stdout ?? '', stderr: (stderr ?? '') + (error ? String(error) : '') }
}

/** Returns the line of an output that says why a command has failed: the last one with an error, or the last one. */
export function reasonOf({ status, stderr }) {
  const lines = stderr.split('\n').filter((line) => line.trim() && !/level=warning/.test(line))
  const line = lines.findLast((text) => /error|fail/i.test(text)) ?? lines.at(-1) ?? `exit code ${status}`
  return line.trim().slice(0, 200)
}

/** Returns true if Linux is this version or newer. */
export function isLinux(major, minor) {
  const [is, than] = release().split('.').map(Number)
  return is > major || (is === major && than >= minor)
}

/** Returns the largest number of descriptors that this process, and so its containers, may have. */
export function descriptorsMax() {
  return Number(/^Max open files +\d+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024)
}
