// Fetches a kernel: the newest package of a row, of which only the image is unpacked.

import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { aptOf, unpack } from './debian.mjs'

const SUITES = [
  'bullseye',
  'bullseye-security',
  'bookworm',
  'bookworm-security',
  'trixie',
  'trixie-security',
  'trixie-backports',
  'sid',
]

const apts = new Map()

/** Returns the name of a row's package, and the path of its image. */
export function fetchKernel({ arch, package: pattern }, folder, offline) {
  const apt = apts.get(arch) ?? aptOf(join(folder, `apt-${arch}`), arch, SUITES, offline)
  apts.set(arch, apt)
  const names = apt.names(pattern).toSorted(newestFirst)
  for (const name of names) {
    const into = join(folder, name)
    const image = imageIn(into)
    if (image) return { package: name, image }
    if (offline) continue
    mkdirSync(into, { recursive: true })
    try {
      unpack(apt.download(name, join(folder, 'download', name)), into, ['*/vmlinuz*'])
    } catch {
      // Since Linux 6.19 the image is in linux-binary, and linux-image has none.
      continue
    }
    return { package: name, image: imageIn(into) }
  }
  throw new Error(names.length > 0 ? 'no package has an image' : 'Debian has no such package')
}

/** The image is in /boot, and since Linux 7.2 beside the modules. */
function imageIn(folder) {
  if (!existsSync(folder)) return undefined
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  const file = files.find((entry) => entry.isFile() && entry.name.startsWith('vmlinuz'))
  return file && join(file.parentPath, file.name)
}

/** Orders names of packages by the numbers in them, the greatest first. */
export function newestFirst(left, right) {
  const numbers = (name) => (name.match(/\d+/g) ?? []).map(Number)
  const [a, b] = [numbers(left), numbers(right)]
  const at = a.findIndex((number, index) => number !== b[index])
  return at < 0 ? 0 : (b[at] ?? 0) - a[at]
}
