// Preloaded before an application in app.asar. As in Electron, addons of an archive are loaded from app.asar.unpacked, or from a
// copy with another name if they were not unpacked.

const { copyFileSync, existsSync, mkdtempSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

const { dlopen } = process

process.dlopen = function (module, path, ...flags) {
  const unpacked = path.replace('/app.asar/', '/app.asar.unpacked/')
  if (existsSync(unpacked)) return dlopen.call(this, module, unpacked, ...flags)
  const folder = mkdtempSync(join(tmpdir(), 'archive-'))
  process.on('exit', () => rmSync(folder, { recursive: true }))
  const copy = join(folder, 'copied-out.node')
  copyFileSync(path, copy)
  return dlopen.call(this, module, copy, ...flags)
}
