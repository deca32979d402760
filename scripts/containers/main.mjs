// Runs the packed package in real containers: `npm run containers`. The root file system is made from this machine's own files, and
// no image is pulled. Options: `--install` installs the runtimes; `--only NAME` selects a runtime; `--write` writes the results to
// docs/containers-run.md. The last line is `N passed, N failed, N skipped`.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { say, step } from '../step.mjs'
import { project, root } from '../toolchain.mjs'
import { tryContainer } from './checks.mjs'
import { isLinux, isRoot, removeScratch, scratchFolder } from './machine.mjs'
import { markdown } from './markdown.mjs'
import { observeHost, stopObserving } from './outside.mjs'
import { packages } from './packages.mjs'
import { makeRootFileSystem } from './root-file-system.mjs'
import { docker } from './runtimes/docker.mjs'
import { lxc } from './runtimes/lxc.mjs'
import { crun, runc } from './runtimes/oci.mjs'
import { podman, rootlessPodman } from './runtimes/podman.mjs'
import { bubblewrap, nspawn } from './runtimes/sandboxes.mjs'
import { systemd } from './runtimes/systemd.mjs'
import { expectations, variants, isTried } from './variants.mjs'

const runtimes = [docker, podman, rootlessPodman, runc, crun, bubblewrap, nspawn, lxc, systemd]
const { values } = parseArgs({
  options: {
    install: { type: 'boolean', default: process.env.CI !== undefined },
    only: { type: 'string', multiple: true },
    write: { type: 'boolean' },
  },
})
const chosen = runtimes.filter(({ name }) => values.only?.includes(name) ?? true)
if (chosen.length === 0) {
  say(`--only: expected one of ${runtimes.map(({ name }) => `'${name}'`).join(', ')}`)
  process.exit(2)
}
/** The results by runtime: why it was skipped, or its version and the results of each container. */
const report = []
const began = Date.now()
let isInterrupted = false
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (isInterrupted = true))
const page = join(root, 'docs/containers-run.md')

if (!packages(values.install)) process.exit(1)
if (!isRoot) say('not root: only rootless containers are tried')
const rootfs = scratchFolder('root')
try {
  const reason = makeRootFileSystem(rootfs, scratchFolder('packed'))
  if (reason) throw new Error(reason)
  const refused = await observeHost()
  if (refused) say(`the kernel does not report processes here (${refused}): nothing is checked from the host`)
  for (const runtime of chosen) {
    report.push(await tryRuntime(runtime, refused === null))
    if (values.write) writeFileSync(page, markdown(report))
  }
  await stopObserving()
} finally {
  removeScratch()
}
if (values.write) step('Formatting the page', project(), ['prettier', '--write', page])
const all = report.flatMap(({ containers }) => containers.flatMap(({ results }) => results))
const of = (value) => all.filter(({ passed }) => passed === value).length
const skipped = of(null) + report.filter(({ reason }) => reason).length
say(`${((Date.now() - began) / 1000).toFixed(0)} s`)
console.log(`${of(true)} passed, ${of(false)} failed, ${skipped} skipped`)
process.exitCode = of(false) > 0 || of(true) === 0 ? 1 : 0

async function tryRuntime(runtime, host) {
  const entry = { name: runtime.name, containers: [] }
  try {
    const reason = await runtime.prepare(rootfs)
    if (reason) {
      console.log(`${runtime.name}: skipped: ${reason}`)
      return { ...entry, reason }
    }
    const kernel = { isOpen: isLinux(6, 6), hasExitCodes: isLinux(6, 15) }
    for (const variant of variants) {
      // What the runtime has started is ended first.
      if (isInterrupted) throw new Error('interrupted')
      if (!isTried(variant, runtime)) continue
      const results = await tryContainer(runtime, variant, expectations(variant, runtime, kernel), host)
      entry.containers.push({ variant, results })
      for (const { check, passed, text } of results) {
        const verdict = passed === null ? 'skipped' : passed ? 'passed' : 'FAILED'
        console.log(`${verdict.padEnd(8)}${runtime.name}, ${variant.name}, ${check}: ${text}`)
      }
    }
    return { ...entry, version: runtime.version() }
  } finally {
    await runtime.cleanUp()
  }
}
