// docker, rootful: with the daemon that runs here, or else with a private one. The private daemon has no bridge and no firewall
// rules, so that it changes nothing outside of its own folders.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRoot, reasonOf, run, scratchFolder } from '../machine.mjs'
import { pathOf } from '../packages.mjs'

const IMAGE = 'proc-events-containers'
const START_MS = 30_000
let daemon
let version
/** The global options of the client. */
let client = ['docker']

export const docker = {
  name: 'docker',
  version: () => version,
  isRootless: false,
  hasIds: true,
  hasSeccomp: true,
  supports: ['pid', 'net', 'user', 'readOnly', 'capAdd', 'capDrop', 'hostProc', 'cgroupns', 'privileged'],
  defaults: { pid: 'own', net: 'own' },

  async prepare(rootfs) {
    if (!pathOf('docker')) return 'docker is not installed'
    if (run([...client, 'version']).status !== 0) {
      const reason = await startDaemon()
      if (reason) return reason
    }
    const archive = spawnSync('sh', ['-c', 'tar -C "$0" -c . | "$@"', rootfs, ...client, 'import', '-', IMAGE], {
      encoding: 'utf8',
    })
    if (archive.status !== 0) return reasonOf(archive)
    version = `docker ${run([...client, 'version', '--format', '{{.Server.Version}}']).stdout.trim()}`
    return null
  },

  command(options, argv) {
    return [...client, 'run', '--rm', '-i', ...containerFlags(options), IMAGE, ...argv]
  },

  async cleanUp() {
    run([...client, 'image', 'rm', '--force', IMAGE])
    if (!daemon) return
    daemon.kill('SIGTERM')
    if (daemon.exitCode === null) await once(daemon, 'exit')
  },
}

/** The options of `docker run` and `podman run`. */
export function containerFlags({ pid, net, user, readOnly, capAdd = [], capDrop, hostProc, cgroupns, privileged }) {
  return [
    ...(pid === 'host' ? ['--pid=host'] : []),
    net === 'host' ? '--net=host' : '--net=none',
    ...(user ? [`--user=${user}`] : []),
    ...(readOnly ? ['--read-only'] : []),
    ...capAdd.map((name) => `--cap-add=${name}`),
    ...(capDrop ? [`--cap-drop=${capDrop}`] : []),
    ...(hostProc ? ['-v', '/proc:/host/proc:ro', '-e', 'HOST_PROC=/host/proc'] : []),
    ...(cgroupns ? [`--cgroupns=${cgroupns}`] : []),
    ...(privileged ? ['--privileged'] : []),
  ]
}

/** Starts a daemon with folders of its own. Resolves with the reason if it does not start. */
async function startDaemon() {
  if (!isRoot) return 'no docker daemon answers, and only root may start one'
  const program = pathOf('dockerd')
  if (!program) return 'no docker daemon answers, and dockerd is not installed'
  const folder = scratchFolder('docker')
  const socket = `unix://${join(folder, 'socket')}`
  const log = openSync(join(folder, 'log'), 'w')
  const folders = [
    '--data-root',
    join(folder, 'data'),
    '--exec-root',
    join(folder, 'exec'),
    '--pidfile',
    join(folder, 'pid'),
  ]
  const network = ['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false']
  daemon = spawn(program, [...folders, ...network, '--host', socket], { stdio: ['ignore', log, log] })
  closeSync(log)
  client = ['docker', '--host', socket]
  const deadline = performance.now() + START_MS
  while (performance.now() < deadline && daemon.exitCode === null) {
    if (run([...client, 'version']).status === 0) return null
    await sleep(100)
  }
  const { stdout } = run(['tail', '-n', '1', join(folder, 'log')])
  return `dockerd does not start: ${stdout.trim()}`
}
