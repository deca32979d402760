// Makes the root file system of the containers from this machine's own files: Node.js with its libraries, busybox, and the packed
// package. No image is pulled.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { installOffline } from '../release/install.mjs'
import { packMain, packPlatform } from '../release/pack.mjs'
import { hostTarget } from '../release/targets.mjs'
import { root } from '../toolchain.mjs'
import { pathOf } from './packages.mjs'

const inside = join(import.meta.dirname, 'inside')
const FOLDERS = ['bin', 'usr/bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'run', 'root', 'host', 'host/proc', 'var/tmp']
const COMMANDS = ['cat', 'id', 'kill', 'mount', 'setpriv', 'sh', 'sleep', 'su', 'true', 'umount']
const USERS = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n'
const GROUPS = 'root:x:0:\nnogroup:x:65534:\n'

/** The command of the installed package within a container. */
export const COMMAND = ['/usr/bin/node', '/app/node_modules/proc-events/dist/src/cli/main.js']

/** Packs and installs the package, and makes the root file system in a folder. Returns why that is impossible, or null. */
export function makeRootFileSystem(folder, work) {
  const busybox = pathOf('busybox')
  if (!busybox) return 'busybox is not installed'
  const target = hostTarget()
  const packed = [packMain(work), packPlatform(target, work, join(root, target.file))]
  const home = installOffline(
    'Packing and installing the package',
    packed.map(({ path }) => path),
  )
  if (!home) return 'the packed package cannot be installed'
  for (const name of FOLDERS) mkdirSync(join(folder, name), { recursive: true })
  cpSync(join(home, 'app'), join(folder, 'app'), { recursive: true, verbatimSymlinks: true })
  rmSync(home, { recursive: true })
  for (const program of readdirSync(inside)) copyFileSync(join(inside, program), join(folder, 'app', program))
  copyProgram(realpathSync(process.execPath), folder, '/usr/bin/node')
  copyProgram(realpathSync(busybox), folder, '/bin/busybox')
  for (const command of COMMANDS) symlinkSync('busybox', join(folder, 'bin', command))
  writeFileSync(join(folder, 'etc/passwd'), USERS)
  writeFileSync(join(folder, 'etc/group'), GROUPS)
  writeFileSync(join(folder, 'etc/os-release'), 'ID=proc-events\nNAME=proc-events\n')
  chmodSync(join(folder, 'tmp'), 0o1777)
  return null
}

/** Copies a program and the libraries that the dynamic linker finds for it. */
function copyProgram(from, folder, to) {
  const { stdout } = spawnSync('ldd', [from], { encoding: 'utf8' })
  copy(from, join(folder, to))
  for (const [path] of stdout.matchAll(/\/\S+\.so\S*/g)) copy(path, join(folder, path))
}

function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(realpathSync(from), to)
}
