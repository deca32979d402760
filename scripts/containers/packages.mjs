// The distribution's packages with the container runtimes. Nothing is installed without `--install`.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { say, step } from '../step.mjs'
import { machine } from '../toolchain.mjs'

/** Each package of Debian and Ubuntu, with the command that it brings. */
const PACKAGES = {
  'docker.io': 'dockerd',
  podman: 'podman',
  runc: 'runc',
  crun: 'crun',
  bubblewrap: 'bwrap',
  'systemd-container': 'systemd-nspawn',
  lxc: 'lxc-execute',
  uidmap: 'newuidmap',
  slirp4netns: 'slirp4netns',
  'fuse-overlayfs': 'fuse-overlayfs',
  'busybox-static': 'busybox',
}

/** Says which packages are missing, and installs them if `install` is true. Returns false if that failed. */
export function packages(install) {
  const missing = Object.keys(PACKAGES).filter((name) => !pathOf(PACKAGES[name]))
  if (missing.length === 0) return true
  if (!install) {
    say(
      `not installed: ${missing.join(', ')}. Their rows are skipped. To install them: npm run containers -- --install`,
    )
    return true
  }
  if (!pathOf('apt-get')) {
    say(`--install: there is no apt-get. Install these, or what corresponds to them: ${missing.join(', ')}`)
    return false
  }
  const env = { ...machine, DEBIAN_FRONTEND: 'noninteractive' }
  return (
    step('Updating the list of packages', env, ['apt-get', 'update', '-q']) &&
    step(`Installing ${missing.join(', ')}`, env, ['apt-get', 'install', '-qy', '--no-install-recommends', ...missing])
  )
}

/** Returns the path of a command; undefined if there is none. */
export function pathOf(command) {
  const folders = [...(machine.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, command)).find((path) => existsSync(path))
}

/** Returns the first line that a command prints for `--version`. */
export function versionOf(command) {
  const { stdout, stderr } = spawnSync(command, ['--version'], { encoding: 'utf8' })
  return `${stdout || stderr}`.split('\n')[0].trim()
}
