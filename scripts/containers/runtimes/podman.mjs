// podman, as root and as an ordinary user, with storage of its own. It takes the first OCI runtime that works on this machine.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { UNIFIED, asUser, descriptorsMax, isRoot, ordinaryUser, reasonOf, run, scratchFolder } from '../machine.mjs'
import { pathOf, versionOf } from '../packages.mjs'
import { containerFlags } from './docker.mjs'

const IMAGE = 'proc-events-containers'

export const podman = {
  name: 'podman',
  ...engine({ isRootless: false }),
}

export const rootlessPodman = {
  name: 'podman, rootless',
  ...engine({ isRootless: true }),
}

function engine({ isRootless }) {
  let version
  let client
  let folder
  let runFlags
  return {
    version: () => version,
    isRootless,
    hasIds: true,
    hasSeccomp: true,
    hasMonitor: true,
    supports: ['pid', 'net', 'user', 'readOnly', 'capAdd', 'capDrop', 'hostProc', 'cgroupns', 'privileged'],
    defaults: { pid: 'own', net: 'own' },

    prepare(rootfs) {
      if (!pathOf('podman')) return 'podman is not installed'
      if (!isRootless && !isRoot) return 'needs root'
      const user = isRootless ? ordinaryUser() : { uid: 0, gid: 0 }
      folder = scratchFolder(isRootless ? 'podman-user' : 'podman', user.uid, user.gid)
      const archive = join(scratchFolder('archives'), 'root-file-system.tar')
      if (!existsSync(archive)) run(['tar', '-C', rootfs, '-cf', archive, '.'])
      let reason = 'neither crun nor runc is installed'
      for (const { runtime, mounts, flags } of waysToRun(isRootless)) {
        const manager = isRootless || !existsSync('/run/systemd/system') ? 'cgroupfs' : 'systemd'
        const storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run')]
        const program = ['podman', ...storage, '--cgroup-manager', manager, '--runtime', runtime]
        client = [...mounts, ...(isRootless ? asUser(user, folder) : []), ...program]
        const imported = run([...client, 'import', archive, IMAGE])
        const tried = imported.status === 0 ? run(this.command({}, ['true'], flags)) : imported
        if (tried.status === 0) {
          version = `${versionOf('podman')} with ${runtime}`
          runFlags = flags
          return null
        }
        reason = reasonOf(tried)
        stopPause(folder)
      }
      return reason
    },

    command(options, argv, flags = runFlags) {
      return [...client, 'run', '--rm', '-i', ...flags, ...containerFlags(options), IMAGE, ...argv]
    },

    cleanUp() {
      if (!client) return
      run([...client, 'system', 'reset', '--force'])
      stopPause(folder)
    },
  }
}

/**
 * OCI runtimes with the mounts that they need, and the flags of `podman run`. Limits are those of this process, because some
 * machines do not let root raise them. crun does not run with both hierarchies of control groups.
 */
function waysToRun(isRootless) {
  const max = descriptorsMax()
  const limits = isRootless ? ['--ulimit', 'host'] : ['--ulimit', `nofile=${max}:${max}`, '--ulimit', 'nproc=4096:4096']
  const mounts = isRoot ? [[], UNIFIED] : [[]]
  const runtimes = ['crun', 'runc'].filter(pathOf)
  return mounts.flatMap((mount) => runtimes.map((runtime) => ({ runtime, mounts: mount, flags: limits })))
}

/** Ends the process that keeps the namespaces of a rootless user. */
function stopPause(folder) {
  try {
    process.kill(Number(readFileSync(join(folder, 'libpod/tmp/pause.pid'), 'utf8')))
  } catch {
    // There is none.
  }
}
