// Debian's packages by apt-get, in folders of their own: nothing is installed on this machine, and no hook of a package runs.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const MIRROR = 'http://deb.debian.org'

/** Runs a command, and returns its standard output. Throws if it fails. */
export function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1e9, ...options })
  if (error) throw new Error(`${command}: ${error.code === 'ENOENT' ? 'is missing' : error.message}`)
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr.trim().split('\n').at(-1)}`)
  return stdout
}

/** Returns an apt with the package lists of some suites and one architecture, and its own state in `folder`. */
export function aptOf(folder, arch, suites, offline) {
  if (!existsSync(KEYRING)) throw new Error('the package debian-archive-keyring is missing')
  for (const of of [
    'state/lists/partial',
    'cache/archives/partial',
    'etc/apt.conf.d',
    'etc/preferences.d',
    'etc/sources.list.d',
  ])
    mkdirSync(join(folder, of), { recursive: true })
  writeFileSync(join(folder, 'status'), '')
  const source = (suite) =>
    `deb [signed-by=${KEYRING}] ${MIRROR}/debian${suite.endsWith('-security') ? '-security' : ''} ${suite} main`
  writeFileSync(join(folder, 'etc', 'sources.list'), `${suites.map(source).join('\n')}\n`)
  const config = join(folder, 'apt.conf')
  const settings = [
    `Dir::State "${folder}/state"; Dir::State::status "${folder}/status"; Dir::Cache "${folder}/cache"; Dir::Etc "${folder}/etc";`,
    `APT::Architecture "${arch}"; APT::Architectures {"${arch}";};`,
    'Acquire::Languages "none"; Acquire::Check-Valid-Until "false"; APT::Install-Recommends "false"; APT::Sandbox::User "root";',
  ]
  writeFileSync(config, `${settings.join('\n')}\n`)
  const env = { ...process.env, APT_CONFIG: config, LC_ALL: 'C' }
  if (!offline) run('apt-get', ['update', '-qq'], { env })
  return {
    /** Returns the names of all packages that match. */
    names: (pattern) =>
      run('apt-cache', ['pkgnames', 'linux-'], { env })
        .split('\n')
        .filter((name) => pattern.test(name)),
    /** Downloads one package. Returns the path of its file. */
    download(name, into) {
      rmSync(into, { recursive: true, force: true })
      mkdirSync(into, { recursive: true })
      run('apt-get', ['download', '-q', name], { env, cwd: into })
      return join(into, readdirSync(into)[0])
    },
    /** Downloads packages with all that they need. Returns the paths of the files. */
    downloadAll(names) {
      const archives = join(folder, 'cache', 'archives')
      if (!offline)
        run('apt-get', ['install', '-q', '--yes', '--download-only', '--no-install-recommends', ...names], { env })
      return readdirSync(archives)
        .filter((file) => file.endsWith('.deb'))
        .map((file) => join(archives, file))
    },
  }
}

/** Unpacks a package into a folder. With `patterns`, only files that match one of them. */
export function unpack(deb, into, patterns = []) {
  const only = patterns.length > 0 ? ['--wildcards', ...patterns] : ['--keep-directory-symlink']
  run('bash', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" "${@:3}"', 'bash', deb, into, ...only])
}

/** Makes an empty root folder, in which `/bin` and others are links to `/usr`. */
export function emptyRoot(folder) {
  rmSync(folder, { recursive: true, force: true })
  run('bash', [
    '-c',
    'mkdir -p "$1"/usr/{bin,sbin,lib,lib64} && for d in bin sbin lib lib64; do ln -s usr/$d "$1"/$d; done',
    'bash',
    folder,
  ])
}
