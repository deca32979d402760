// The initial disk of a guest: a Debian that was unpacked and never configured, with Node.js, the packed package and the specs.
// The kernel unpacks it into memory.

import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { installOffline } from '../release/install.mjs'
import { packMain, packPlatform } from '../release/pack.mjs'
import { targets } from '../release/targets.mjs'
import { machine, root } from '../toolchain.mjs'
import { addonOf } from './addon.mjs'
import { aptOf, emptyRoot, run, unpack } from './debian.mjs'

const SUITES = ['trixie', 'trixie-security']

/** The specs compile the processes that they start, and some of them are Python's. */
const PACKAGES =
  'bash dash coreutils util-linux mount procps hostname sed grep findutils mawk passwd debianutils gcc libc6-dev python3 libstdc++6'.split(
    ' ',
  )

const FILES = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\nuser:x:1000:1000::/tmp:/bin/bash\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\nuser:x:1000:\n',
}

const disks = new Map()

/** Makes the initial disk of an architecture, at most once a run. Returns its path. */
export function initialDisk(arch, work, offline) {
  if (!disks.has(arch)) disks.set(arch, make(arch, work, offline))
  return disks.get(arch)
}

function make(arch, work, offline) {
  const cpu = arch === 'amd64' ? 'x64' : arch
  const target = targets.find((of) => of.cpu === cpu && of.libc === 'glibc')
  const base = join(work, `base-${arch}.cpio`)
  if (!existsSync(base)) {
    const folder = join(work, `root-${arch}`)
    makeBase(folder, arch, cpu, work, offline)
    archive(folder, base)
  }
  const added = join(work, `added-${arch}`)
  addProject(added, target, addonOf(target, work, offline))
  archive(added, join(work, `added-${arch}.cpio`))
  const disk = join(work, `disk-${arch}.cpio`)
  run('bash', ['-c', 'cat "$1" "$2" > "$3"', 'bash', base, join(work, `added-${arch}.cpio`), disk])
  return disk
}

function makeBase(folder, arch, cpu, work, offline) {
  const apt = aptOf(join(work, `apt-${arch}`), arch, SUITES, offline)
  emptyRoot(folder)
  for (const deb of apt.downloadAll(PACKAGES)) unpack(deb, folder)
  for (const path of ['proc', 'sys', 'dev', 'tmp', 'run', 'root', 'srv', 'etc'])
    mkdirSync(join(folder, path), { recursive: true })
  for (const [path, text] of Object.entries(FILES)) writeFileSync(join(folder, path), text)
  // What hooks of the packages would do.
  for (const [name, to] of [
    ['cc', 'gcc'],
    ['awk', 'mawk'],
    ['which', 'which.debianutils'],
    ['sh', 'dash'],
  ]) {
    if (!existsSync(join(folder, 'usr/bin', name))) symlinkSync(to, join(folder, 'usr/bin', name))
  }
  const useless = ['doc', 'man', 'locale', 'info', 'i18n', 'zoneinfo', 'lintian', 'bash-completion', 'perl', 'perl5']
  for (const name of useless) rmSync(join(folder, 'usr/share', name), { recursive: true, force: true })
  cpSync(node(cpu, work), join(folder, 'usr/bin/node'), { dereference: true })
  chmodSync(join(folder, 'usr/bin/node'), 0o755)
}

/** Returns the path of the Node.js that runs ava, for a processor. */
function node(cpu, work) {
  if (cpu === process.arch) return join(root, 'node_modules', 'node', 'bin', 'node')
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules', 'node', 'package.json'), 'utf8'))
  const folder = join(work, `node-${cpu}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  run('npm', ['pack', '--silent', `node-linux-${cpu}@${version}`], { cwd: folder, env: machine })
  run('tar', ['-xf', readdirSync(folder)[0]], { cwd: folder })
  return join(folder, 'package', 'bin', 'node')
}

/** Adds the packed package in /srv/app, the repository's specs in /srv/repository, and the guest's own files. */
function addProject(folder, target, addon) {
  rmSync(folder, { recursive: true, force: true })
  const app = join(folder, 'srv', 'app')
  const repository = join(folder, 'srv', 'repository')
  mkdirSync(app, { recursive: true })
  const tarballs = join(folder, '..', 'tarballs')
  mkdirSync(tarballs, { recursive: true })
  const packed = [packMain(tarballs), packPlatform(target, tarballs, addon)].map(({ path }) => path)
  const home = installOffline(`Installing for ${target.name}`, packed, `--cpu=${target.cpu}`, '--force')
  if (!home) throw new Error('the packages could not be installed')
  cpSync(join(home, 'app', 'node_modules'), join(app, 'node_modules'), { recursive: true })
  rmSync(home, { recursive: true })
  for (const path of [
    'package.json',
    'dist',
    '__test__',
    'bench/load.c',
    'bench/hush.c',
    'bench/peers/listener.c',
    'bench/peers/connector.h',
  ])
    cpSync(join(root, path), join(repository, path), { recursive: true })
  cpSync(addon, join(repository, target.file))
  for (const name of closure('ava')) {
    const path = join('node_modules', name)
    cpSync(join(root, path), join(repository, path), { recursive: true })
  }
  const guest = join(import.meta.dirname, 'guest')
  cpSync(guest, join(folder, 'srv', 'guest'), { recursive: true })
  cpSync(join(guest, 'init'), join(folder, 'init'))
  chmodSync(join(folder, 'init'), 0o755)
}

/** Returns the folders in node_modules of a package and of all that it needs. */
function closure(first) {
  const found = new Set()
  const visit = (name, from) => {
    // The nearest node_modules counts. A folder within another package comes with that package.
    let folder = from
    let path = join(folder, 'node_modules', name)
    while (!existsSync(path) && folder !== root) {
      folder = dirname(folder)
      path = join(folder, 'node_modules', name)
    }
    if (found.has(path) || !existsSync(path)) return
    found.add(path)
    const { dependencies = {} } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
    for (const of of Object.keys(dependencies)) visit(of, path)
  }
  visit(first, root)
  const modules = join(root, 'node_modules')
  return [...found].map((path) => path.slice(modules.length + 1)).filter((name) => !name.includes('node_modules'))
}

function archive(folder, file) {
  const script = 'chmod -R a+rX "$1" && cd "$1" && find . | cpio -o -H newc --quiet -R 0:0 > "$2"'
  run('bash', ['-c', script, 'bash', folder, file])
}
