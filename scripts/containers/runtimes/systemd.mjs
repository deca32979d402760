// Units of systemd, which boots in a container of systemd-nspawn. The container has /usr of this machine, read-only.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRoot, reasonOf, run } from '../machine.mjs'
import { pathOf, versionOf } from '../packages.mjs'

const ROOT = '/mnt/root'
const START_MS = 60_000
const END_MS = 15_000
let nspawn
let leader

export const systemd = {
  name: 'systemd unit',
  version: () => versionOf('systemctl'),
  isRootless: false,
  mayJoin: true,
  /** Process 1, which a unit with PrivateNetwork= sees in its /proc, is in the network namespace of the host. */
  showsNetwork: true,
  supports: ['net', 'user', 'readOnly', 'capDrop', 'hidepid', 'userns', 'families'],
  defaults: { pid: 'own', net: 'host' },

  async prepare(rootfs) {
    for (const command of ['systemd-nspawn', 'systemd-run', 'nsenter']) {
      if (!pathOf(command)) return `${command} is not installed`
    }
    if (!isRoot) return 'needs root'
    const container = ['--boot', '--directory=/', '--volatile=yes', `--machine=proc-events-${process.pid}`]
    const apart = ['--register=no', '--keep-unit', '--settings=no', '--link-journal=no', '--resolv-conf=off']
    const rest = ['--quiet', '--timezone=off', '--console=pipe', `--bind-ro=${rootfs}:${ROOT}`]
    nspawn = spawn('systemd-nspawn', [...container, ...apart, ...rest, 'systemd.unit=multi-user.target'], {
      stdio: 'ignore',
      env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
    })
    const deadline = performance.now() + START_MS
    while (!hasStarted()) {
      if (nspawn.exitCode !== null || performance.now() > deadline) return 'systemd does not start'
      await sleep(200)
    }
    const tried = run(this.command({}, ['/bin/true']))
    return tried.status === 0 ? null : reasonOf(tried)
  },

  command({ net, user, readOnly, capDrop, hidepid, userns, families }, argv) {
    const properties = [
      `RootDirectory=${ROOT}`,
      'MountAPIVFS=yes',
      ...(net === 'own' ? ['PrivateNetwork=yes'] : []),
      ...(user ? [`User=${user}`] : []),
      ...(readOnly ? ['ProtectSystem=strict'] : []),
      ...(capDrop ? ['CapabilityBoundingSet='] : []),
      ...(hidepid ? ['ProtectProc=invisible'] : []),
      ...(userns ? ['PrivateUsers=yes'] : []),
      ...(families ? ['RestrictAddressFamilies=AF_UNIX'] : []),
    ]
    const unit = ['systemd-run', '--quiet', '--pipe', '--wait', ...properties.map((text) => `--property=${text}`)]
    return [...entering(), ...unit, ...argv]
  },

  async cleanUp() {
    if (!nspawn || nspawn.exitCode !== null) return
    const ended = once(nspawn, 'exit')
    nspawn.kill('SIGTERM')
    const late = setTimeout(() => nspawn.kill('SIGKILL'), END_MS)
    await ended
    clearTimeout(late)
  },
}

/** Returns the command line that runs another one in the container's namespaces. */
function entering() {
  return ['nsenter', `--target=${leader}`, '--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--root', '--wd']
}

function hasStarted() {
  leader = childrenOf(nspawn.pid).find((pid) => commOf(pid) === 'systemd')
  return leader !== undefined && /running|degraded/.test(run([...entering(), 'systemctl', 'is-system-running']).stdout)
}

function childrenOf(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
}

function commOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return null
  }
}
