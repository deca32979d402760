// A local registry with only the packed packages. It tests `npm install proc-events` before the packages are published.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { emptyProject, installedPackages, userEnvironment } from './install.mjs'
import { mainManifest, platformManifest } from './manifests.mjs'
import { manifest } from './targets.mjs'

/**
 * Installs by name for each target in turn, like npm on that target. Returns the deviations from the main package and its
 * one platform package. An empty list is a success.
 */
export async function wronglyChosen(packed, builtTargets) {
  const packages = new Map([[manifest.name, mainManifest()]])
  for (const target of builtTargets) packages.set(target.packageName, platformManifest(target))
  const registry = createServer((request, response) => answer(request.url, response))
  registry.listen(0, '127.0.0.1')
  await once(registry, 'listening')
  const address = `http://127.0.0.1:${registry.address().port}`
  try {
    const complaints = []
    for (const target of builtTargets) {
      const chosen = await install(address, target)
      const wanted = [target.packageName, manifest.name]
      if (chosen.toSorted().join() !== wanted.toSorted().join()) complaints.push(`${target.name}: ${chosen.join(', ')}`)
    }
    return complaints
  } finally {
    registry.close()
  }

  function answer(url, response) {
    const path = decodeURIComponent(url.slice(1))
    const tarball = packed.find(({ path: file }) => path === `tarballs/${file.split('/').at(-1)}`)
    if (tarball) return response.end(readFileSync(tarball.path))
    const found = packages.get(path)
    if (!found) return response.writeHead(404).end('{}')
    const { path: file } = packed.find(({ name }) => name === path)
    const integrity = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
    const dist = { tarball: `${address}/tarballs/${file.split('/').at(-1)}`, integrity }
    const versions = { [found.version]: { ...found, dist } }
    response.setHeader('content-type', 'application/json')
    return response.end(JSON.stringify({ name: path, 'dist-tags': { latest: found.version }, versions }))
  }
}

async function install(registry, { os, cpu, libc }) {
  const home = emptyProject()
  const cwd = join(home, 'app')
  try {
    const platform = [`--os=${os}`, `--cpu=${cpu}`, `--libc=${libc}`]
    const args = ['install', `--registry=${registry}`, ...platform, manifest.name]
    const npm = spawn('npm', args, { cwd, env: userEnvironment(home), stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    npm.stderr.on('data', (chunk) => (errors += chunk))
    const [code] = await once(npm, 'close')
    return code === 0 ? installedPackages(cwd) : [errors.trim()]
  } finally {
    rmSync(home, { recursive: true })
  }
}
