// The archive of an Electron application, app.asar, made by the packer that electron-builder and Electron Forge use. The binary
// must be beside it, because a shared library must be a file.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

export const tools = ['@electron/asar']

/**
 * Returns the command that packs the application of a folder with the pattern of docs/installing.md. `isUnpacked` returns true if
 * the binary of a target is beside the archive afterwards.
 */
export function recipe(app, bin, target) {
  const archive = join(app, '..', 'resources', 'app.asar')
  const command = [join(bin, 'asar'), 'pack', app, archive, '--unpack', '**/*.node']
  const unpacked = join(`${archive}.unpacked`, 'node_modules', target.packageName, target.file)
  return { command, isUnpacked: () => existsSync(archive) && existsSync(unpacked) }
}
