// bubblewrap as an ordinary user, as Flatpak uses it, and systemd-nspawn.

import { UNIFIED, asUser, isRoot, ordinaryUser, reasonOf, run, scratchFolder } from '../machine.mjs'
import { pathOf, versionOf } from '../packages.mjs'

let bubblewrapRoot
let bubblewrapUser

export const bubblewrap = {
  name: 'bubblewrap',
  version: () => versionOf('bwrap'),
  isRootless: true,
  supports: ['pid', 'net', 'hostProc'],
  defaults: { pid: 'own', net: 'host' },

  prepare(rootfs) {
    if (!pathOf('bwrap')) return 'bwrap is not installed'
    const user = ordinaryUser()
    bubblewrapRoot = rootfs
    bubblewrapUser = asUser(user, scratchFolder('bubblewrap', user.uid, user.gid))
    const tried = run(this.command({}, ['/bin/true']))
    return tried.status === 0 ? null : reasonOf(tried)
  },

  command({ pid, net, hostProc }, argv) {
    const program = ['bwrap', '--unshare-user', '--die-with-parent', '--ro-bind', bubblewrapRoot, '/', '--dev', '/dev']
    return [
      ...bubblewrapUser,
      ...program,
      ...(pid === 'host' ? ['--ro-bind', '/proc', '/proc'] : ['--unshare-pid', '--proc', '/proc']),
      ...(net === 'own' ? ['--unshare-net'] : []),
      ...(hostProc ? ['--ro-bind', '/proc', '/host/proc', '--setenv', 'HOST_PROC', '/host/proc'] : []),
      ...argv,
    ]
  },

  cleanUp() {},
}

let nspawnRoot
let nspawnMounts = []

export const nspawn = {
  name: 'systemd-nspawn',
  /** Its root has CAP_SYS_ADMIN and CAP_SYS_PTRACE. */
  mayJoin: true,
  hasSeccomp: true,
  version: () => versionOf('systemd-nspawn'),
  isRootless: false,
  supports: ['net', 'readOnly', 'capAdd', 'capDrop', 'hostProc', 'userns'],
  defaults: { pid: 'own', net: 'host' },

  prepare(rootfs) {
    if (!pathOf('systemd-nspawn')) return 'systemd-nspawn is not installed'
    if (!isRoot) return 'needs root'
    nspawnRoot = rootfs
    let reason
    for (nspawnMounts of [[], UNIFIED]) {
      const tried = run(this.command({}, ['/bin/true']))
      if (tried.status === 0) return null
      reason = reasonOf(tried)
    }
    return reason
  },

  command({ net, readOnly, capAdd = [], capDrop, hostProc, userns }, argv) {
    const program = ['systemd-nspawn', '--quiet', '--register=no', '--keep-unit', '--pipe', '--directory', nspawnRoot]
    return [
      ...nspawnMounts,
      ...program,
      ...(net === 'own' ? ['--private-network'] : []),
      ...(readOnly ? ['--read-only'] : []),
      ...capAdd.map((name) => `--capability=CAP_${name}`),
      ...(capDrop ? ['--drop-capability=all'] : []),
      ...(hostProc ? ['--bind-ro=/proc:/host/proc', '--setenv=HOST_PROC=/host/proc'] : []),
      ...(userns ? ['--private-users=65536:65536', '--private-users-ownership=map'] : []),
      ...argv,
    ]
  },

  cleanUp() {},
}
