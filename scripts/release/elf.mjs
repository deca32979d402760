// What an ELF file asks of the system that loads it: libraries, versions of their symbols, undefined symbols.
// Only 64-bit little-endian, which all our targets are.

const SHT_DYNAMIC = 6
const SHT_DYNSYM = 11
const SHT_GNU_VERNEED = 0x6ffffffe
const DT_NEEDED = 1
const SHN_UNDEF = 0
const MACHINES = { 62: 'x64', 183: 'arm64' }

/** Offsets of elf(5): Elf64_Ehdr, Elf64_Shdr, Elf64_Dyn, Elf64_Sym, Elf64_Verneed, Elf64_Vernaux. */
export function readElf(file) {
  if (file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') throw new Error('no 64-bit little-endian ELF file')
  const number = (at) => Number(file.readBigUInt64LE(at))
  const [sectionsAt, sectionSize, sectionCount] = [number(0x28), file.readUInt16LE(0x3a), file.readUInt16LE(0x3c)]
  const sections = Array.from({ length: sectionCount }, (_, index) => {
    const at = sectionsAt + index * sectionSize
    return {
      nameAt: file.readUInt32LE(at),
      type: file.readUInt32LE(at + 4),
      offset: number(at + 0x18),
      size: number(at + 0x20),
      link: file.readUInt32LE(at + 0x28),
      entries: file.readUInt32LE(at + 0x2c),
    }
  })
  const names = sections[file.readUInt16LE(0x3e)]
  const ofType = (type) => sections.find((section) => section.type === type)
  const text = (strings, at) => {
    const start = strings.offset + at
    return file.toString('latin1', start, file.indexOf(0, start))
  }
  return {
    cpu: MACHINES[file.readUInt16LE(0x12)],
    sections: sections.map(({ nameAt }) => text(names, nameAt)),
    libraries: libraries(),
    versions: versions(),
    undefinedSymbols: undefinedSymbols(),
  }

  function libraries() {
    const dynamic = ofType(SHT_DYNAMIC)
    return starts(dynamic, 16)
      .filter((at) => number(at) === DT_NEEDED)
      .map((at) => text(sections[dynamic.link], number(at + 8)))
  }

  function undefinedSymbols() {
    const symbols = ofType(SHT_DYNSYM)
    return starts(symbols, 24)
      .filter((at) => file.readUInt16LE(at + 6) === SHN_UNDEF)
      .map((at) => text(sections[symbols.link], file.readUInt32LE(at)))
      .filter((name) => name !== '')
  }

  /** `GLIBC_2.17` and the like; musl's symbols have none. */
  function versions() {
    const needs = ofType(SHT_GNU_VERNEED)
    const found = []
    let at = needs?.offset
    for (let left = needs?.entries ?? 0; left > 0; left--) {
      let version = at + file.readUInt32LE(at + 8)
      for (let more = file.readUInt16LE(at + 2); more > 0; more--) {
        found.push(text(sections[needs.link], file.readUInt32LE(version + 8)))
        version += file.readUInt32LE(version + 12)
      }
      at += file.readUInt32LE(at + 12)
    }
    return found
  }

  function starts({ offset, size }, step) {
    return Array.from({ length: size / step }, (_, index) => offset + index * step)
  }
}

/** The newest glibc that a binary asks for, as [2, 17]; undefined if it asks for none. */
export function newestGlibc({ versions }) {
  return versions
    .filter((version) => /^GLIBC_\d/.test(version))
    .map((version) => version.slice('GLIBC_'.length).split('.').map(Number))
    .sort(([a, b], [c, d]) => a - c || b - d)
    .at(-1)
}
