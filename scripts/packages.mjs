// Checks that the packages of a folder's package-lock.json are installed, by npm's own record in node_modules.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export function packagesAreInstalled(folder) {
  const note = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(note)) return false
  const { packages: installed } = JSON.parse(readFileSync(note, 'utf8'))
  const { packages: wanted } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'))
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true
    const found = installed[path]
    // Optional packages include those of other platforms.
    return found ? found.version === version && found.integrity === integrity : optional === true
  })
}
