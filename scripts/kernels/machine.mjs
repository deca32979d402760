// The virtual machine: QEMU with KVM if that works here, else with its own translator, which is 20 to 50 times slower.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, openSync, closeSync } from 'node:fs'
import { join } from 'node:path'

const CPUS = 4
const MEMORY_MIB = 3072
/** Most seconds of one boot with all checks. */
const LIMIT_S = { kvm: 900, tcg: 7200 }
/** Most seconds until a kernel with KVM says something. A boot takes two. */
const TRIAL_S = 20

const MACHINES = {
  amd64: {
    command: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    args: ['-machine', 'q35', '-vga', 'none'],
    console: 'ttyS0',
    cpu: 'x64',
  },
  arm64: {
    command: 'qemu-system-aarch64',
    package: 'qemu-system-arm',
    args: ['-machine', 'virt'],
    console: 'ttyAMA0',
    cpu: 'arm64',
  },
}

/** Returns what this machine lacks to boot a row, or undefined. */
export function whyNoMachine({ arch }) {
  const isMissing = (command) => spawnSync(command, ['--version']).error !== undefined
  if (['apt-get', 'dpkg-deb'].some(isMissing)) return 'this machine has no apt-get'
  const { command, package: name } = MACHINES[arch]
  const packages = Object.entries({ [command]: name, cpio: 'cpio' }).filter(([needed]) => isMissing(needed))
  if (packages.length === 0) return undefined
  return `install the packages it needs: apt-get install ${packages.map(([, of]) => of).join(' ')}`
}

const trials = new Map()

/** Returns `kvm` if a kernel boots with it, else `tcg`. Some machines have /dev/kvm, and cannot run a kernel with it. */
export function accelerator(row, kernel, folder) {
  if (MACHINES[row.arch].cpu !== process.arch || !existsSync('/dev/kvm')) return 'tcg'
  if (!trials.has(row.arch)) {
    const console = join(folder, 'trial.log')
    qemu(row, kernel, 'kvm', [], '', console, TRIAL_S)
    trials.set(row.arch, /Linux version/.test(readFileSync(console, 'latin1')))
  }
  return trials.get(row.arch) ? 'kvm' : 'tcg'
}

/**
 * Boots a kernel, and runs checks. Returns what the guest said: its release, each check's result, and a failure if it did not
 * reach the end.
 */
export function boot(row, kernel, disk, accel, checks, logs) {
  mkdirSync(logs, { recursive: true })
  const log = join(logs, `${row.name}.log`)
  const began = Date.now()
  qemu(row, kernel, accel, ['-initrd', disk], `pe.checks=${checks.join(',')} pe.accel=${accel}`, log, LIMIT_S[accel])
  const lines = readFileSync(log, 'utf8').split(/\r?\n/)
  const said = lines.filter((line) => line.startsWith('@@ ')).map((line) => JSON.parse(line.slice(3)))
  const results = said.filter(({ check }) => check)
  const { release, pageKib } = said.find((line) => line.release) ?? {}
  if (!said.some(({ end }) => end))
    results.push({ check: 'end', ok: false, text: `the guest stopped: see target/kernels/logs/${row.name}.log` })
  return { release, pageKib, checks: results, seconds: Math.round((Date.now() - began) / 1000) }
}

function qemu({ arch }, { image }, accel, args, append, console, seconds) {
  const { command, args: machine, console: device } = MACHINES[arch]
  const cpu = accel === 'kvm' ? 'host' : arch === 'arm64' ? 'max,pauth-impdef=on' : 'max'
  // The kernel calibrates the processor's clock against a timer. A translator on a busy machine fails that.
  const clock = arch === 'amd64' && accel === 'tcg' ? 'tsc=unstable clocksource=hpet' : ''
  const kernelArgs = `console=${device} ${clock} panic=-1 quiet mitigations=off nokaslr ${append}`
  const output = openSync(console, 'w')
  const hardware = `-accel ${accel === 'tcg' ? 'tcg,thread=multi' : accel} -cpu ${cpu} -smp ${CPUS} -m ${MEMORY_MIB}`
  const devices = '-display none -net none -serial stdio -monitor none -no-reboot'
  spawnSync(
    command,
    [...machine, ...`${hardware} ${devices}`.split(' '), '-kernel', image, ...args, '-append', kernelArgs],
    { stdio: ['ignore', output, output], timeout: seconds * 1000, killSignal: 'SIGKILL' },
  )
  closeSync(output)
}
