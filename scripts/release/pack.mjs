// Packs the published packages: `node scripts/release/pack.mjs <folder>` writes the tarballs to that folder. The main package
// is copied first, because its package.json differs from the committed one.

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { say } from '../step.mjs'
import { machine, root } from '../toolchain.mjs'
import { asJson, mainManifest, platformManifest, platformReadme } from './manifests.mjs'
import { targets } from './targets.mjs'

if (process.argv[1] === import.meta.filename) {
  const [folder] = process.argv.slice(2)
  if (!folder) {
    say('usage: pack.mjs <folder for the tarballs>')
    process.exit(2)
  }
  const missing = targets.filter((target) => !isBuilt(target))
  if (missing.length > 0) {
    say(`not built: ${missing.map(({ name }) => name).join(', ')}`)
    process.exit(1)
  }
  for (const target of targets) say(packPlatform(target, resolve(folder)).path)
  say(packMain(resolve(folder)).path)
}

export function isBuilt({ folder, file }) {
  return existsSync(join(root, folder, file))
}

/** Packs the package with one platform's binary, by default the one that was built for publishing. */
export function packPlatform(target, into, binary = join(root, target.folder, target.file)) {
  return inFolder((folder) => {
    writeFileSync(join(folder, 'package.json'), asJson(platformManifest(target)))
    writeFileSync(join(folder, 'README.md'), platformReadme(target))
    copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
    copyFileSync(binary, join(folder, target.file))
    return npmPack(folder, into)
  })
}

/** Packs the main package with the same files that npm selects here. */
export function packMain(into) {
  return inFolder((folder) => {
    for (const { path } of listMain()) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      copyFileSync(join(root, path), join(folder, path))
    }
    writeFileSync(join(folder, 'package.json'), asJson(mainManifest()))
    return npmPack(folder, into)
  })
}

/** Returns the path and the size of each file of the main package, from `npm pack`. */
export function listMain() {
  return npm(root, ['pack', '--dry-run', '--json'])[0].files
}

function npmPack(folder, into) {
  const [{ filename, size, unpackedSize, name }] = npm(folder, ['pack', '--json', '--pack-destination', into])
  return { name, path: join(into, filename), size, unpackedSize }
}

function npm(cwd, args) {
  const { status, stdout, stderr } = spawnSync('npm', [...args, '--ignore-scripts'], {
    cwd,
    env: machine,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`npm ${args.join(' ')}: ${stderr}`)
  // Newer versions of npm report packages by name instead of in order.
  return Object.values(JSON.parse(stdout))
}

function inFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-pack-'))
  try {
    return use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
