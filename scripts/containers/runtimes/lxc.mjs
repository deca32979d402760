// LXC, as root, with a configuration that is written for each container.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRoot, reasonOf, run, scratchFolder } from '../machine.mjs'
import { pathOf, versionOf } from '../packages.mjs'

let rootfs
let folder
let count = 0

export const lxc = {
  name: 'LXC',
  version: () => `LXC ${versionOf('lxc-execute')}`,
  isRootless: false,
  /** Its root keeps all capabilities. */
  mayJoin: true,
  supports: ['net', 'readOnly', 'capDrop', 'hostProc'],
  defaults: { pid: 'own', net: 'own' },

  prepare(from) {
    if (!pathOf('lxc-execute')) return 'lxc-execute is not installed'
    if (!isRoot) return 'needs root'
    rootfs = from
    folder = scratchFolder('lxc')
    for (const name of ['dev/pts', 'dev/shm']) mkdirSync(join(rootfs, name), { recursive: true })
    const tried = run(this.command({}, ['/bin/true']))
    return tried.status === 0 ? null : reasonOf(tried)
  },

  command({ net, readOnly, capDrop, hostProc }, argv) {
    const name = `proc-events-${++count}`
    const file = join(folder, `${name}.conf`)
    const settings = [
      `rootfs.path = dir:${rootfs}`,
      ...(readOnly ? ['rootfs.options = ro'] : []),
      `uts.name = ${name}`,
      `net.0.type = ${net === 'host' ? 'none' : 'empty'}`,
      'mount.auto = proc:mixed sys:mixed cgroup:mixed',
      'console.path = none',
      'apparmor.profile = unconfined',
      ...(capDrop ? ['cap.keep = none'] : []),
      ...(hostProc ? ['mount.entry = /proc host/proc none rbind,ro 0 0', 'environment = HOST_PROC=/host/proc'] : []),
    ]
    writeFileSync(file, settings.map((line) => `lxc.${line}\n`).join(''))
    return ['lxc-execute', '--name', name, '--lxcpath', folder, '--rcfile', file, '--', ...argv]
  },

  cleanUp() {},
}
