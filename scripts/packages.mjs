// Whether npm has installed in a folder what its package-lock.json asks for: npm notes in node_modules what it did.

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
    // Optional ones are those of other platforms, too.
    return found ? found.version === version && found.integrity === integrity : optional === true
  })
}
