// runc and crun by themselves, with a bundle that is written for each container.

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UNIFIED, descriptorsMax, isRoot, reasonOf, run, scratchFolder } from '../machine.mjs'
import { pathOf, versionOf } from '../packages.mjs'

/** The capabilities of docker's containers. */
const CAPABILITIES = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
]
const SETS = ['bounding', 'effective', 'permitted', 'inheritable', 'ambient']

export const runc = bundles('runc')
/** The bundle is the same, so that only what the runtime does by itself is tried again. */
export const crun = { ...bundles('crun'), supports: ['pid', 'net', 'cgroupns', 'hidepid'] }

function bundles(program) {
  let start
  let rootfs
  let folder
  let count = 0
  return {
    name: program,
    version: () => versionOf(program),
    isRootless: false,
    supports: ['pid', 'net', 'user', 'readOnly', 'capAdd', 'capDrop', 'hostProc', 'cgroupns', 'hidepid'],
    defaults: { pid: 'own', net: 'own' },

    prepare(from) {
      if (!pathOf(program)) return `${program} is not installed`
      if (!isRoot) return 'needs root'
      rootfs = from
      folder = scratchFolder(program)
      let reason
      for (const way of waysToRun(program)) {
        start = way
        const tried = run(this.command({}, ['/bin/true']))
        if (tried.status === 0) return null
        reason = reasonOf(tried)
      }
      return reason
    },

    command(options, argv) {
      const id = `proc-events-${program}-${++count}`
      const bundle = scratchFolder(`${program}/bundle-${count}`)
      rmSync(join(bundle, 'config.json'), { force: true })
      run([program, 'spec'], { cwd: bundle })
      const file = join(bundle, 'config.json')
      const config = configured(JSON.parse(readFileSync(file, 'utf8')), rootfs, options, argv)
      writeFileSync(file, JSON.stringify(config))
      return [...start, '--root', join(folder, 'state'), 'run', '--bundle', bundle, id]
    },

    cleanUp() {},
  }
}

function waysToRun(program) {
  const ways = [[program], [...UNIFIED, program]]
  return program === 'crun' ? ways.flatMap((way) => [way, [...way, '--cgroup-manager', 'disabled']]) : ways
}

function configured(config, rootfs, options, argv) {
  const { pid, net, user, readOnly, capAdd = [], capDrop, hostProc, cgroupns, hidepid } = options
  const dropped = [...(pid === 'host' ? ['pid'] : []), ...(net === 'host' ? ['network'] : [])]
  if (cgroupns === 'host') dropped.push('cgroup')
  const namespaces = config.linux.namespaces.filter(({ type }) => !dropped.includes(type))
  if (cgroupns === 'private' && !namespaces.some(({ type }) => type === 'cgroup')) namespaces.push({ type: 'cgroup' })
  const held = [...(capDrop ? [] : CAPABILITIES), ...capAdd.map((name) => `CAP_${name}`)]
  const mounts = config.mounts.map((mount) =>
    hidepid && mount.destination === '/proc'
      ? { ...mount, options: ['nosuid', 'noexec', 'nodev', 'hidepid=2'] }
      : mount,
  )
  const host = { destination: '/host/proc', type: 'none', source: '/proc', options: ['rbind', 'ro'] }
  return {
    ...config,
    root: { path: rootfs, readonly: readOnly === true },
    mounts: [...mounts, ...(hostProc ? [host] : [])],
    process: {
      ...config.process,
      // A container that shows the host's processes needs a descriptor for each.
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: descriptorsMax(), hard: descriptorsMax() }],
      terminal: false,
      args: argv,
      user: user === 'nobody' ? { uid: 65534, gid: 65534 } : { uid: 0, gid: 0 },
      env: ['PATH=/usr/bin:/bin', ...(hostProc ? ['HOST_PROC=/host/proc'] : [])],
      capabilities: Object.fromEntries(SETS.map((set) => [set, user && set !== 'bounding' ? [] : held])),
    },
    linux: { ...config.linux, namespaces },
  }
}
