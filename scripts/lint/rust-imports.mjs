// Finds out which files of a Rust crate use which: follows `use` declarations and inline paths, through re-exports, to the
// file that declares the item. Code under `#[cfg(test)]` does not count.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const COMMENT_OR_LITERAL =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|\b[bc]?r(#*)"[\s\S]*?"\1|[bc]?"(?:\\[\s\S]|[^"\\])*"|b?'(?:\\[^']+|\\'|[^'\\])'/g
const TOKEN = /r#\w+|[A-Za-z_]\w*|::|[^\s\w]/g
const IDENTIFIER = /^(?:r#)?[A-Za-z_]\w*$/
const ITEMS = new Set(['fn', 'struct', 'enum', 'union', 'trait', 'type', 'const', 'static'])

/**
 * Returns a map from each file of the crate in `folder` to the set of files that it uses, as paths from `folder`.
 * A module that is named only as the beginning of a longer path is not used by that.
 */
export function rustImports(folder) {
  const imports = new Map()
  const crate = readModule(folder, ['lib.rs', 'main.rs'], '', undefined, imports)
  for (const module of modules(crate)) {
    for (const { path, isUse, isPublic } of module.paths) {
      const target = resolvePath(module, path)
      if (target === undefined || target.module.file === module.file) continue
      // `use crate::sys;` imports a name only. The paths that begin with it tell which file is used.
      if (isUse && target.item === undefined) continue
      // A parent that re-exports an item of its child does not use it.
      if (isPublic && isBelow(target.module, module)) continue
      imports.get(module.file).add(target.module.file)
    }
  }
  return imports
}

/** Reads the first of `candidates` that exists. `directory` is where the module's children are. */
function readModule(folder, candidates, directory, parent, imports) {
  const file = candidates.find((candidate) => existsSync(join(folder, candidate)))
  if (file === undefined) throw new Error(`${folder}: no file ${candidates.join(' or ')}`)
  imports.set(file, new Set())
  const tokens = readFileSync(join(folder, file), 'utf8')
    .replaceAll(COMMENT_OR_LITERAL, (text) => (text.startsWith('/') ? ' ' : ' 0 '))
    .match(TOKEN)
  const module = newModule(file, parent)
  readItems(tokens ?? [], 0, module, (name, within) => {
    const path = [directory, ...inlineNames(within), name].filter(Boolean).join('/')
    return readModule(folder, [`${path}.rs`, `${path}/mod.rs`], path, within, imports)
  })
  return module
}

function newModule(file, parent, inlineName) {
  return { file, parent, inlineName, children: new Map(), uses: new Map(), globs: [], items: new Set(), paths: [] }
}

function inlineNames(module) {
  return module.inlineName === undefined ? [] : [...inlineNames(module.parent), module.inlineName]
}

function* modules(module) {
  yield module
  for (const child of module.children.values()) yield* modules(child)
}

function isBelow(module, ancestor) {
  for (let at = module.parent; at !== undefined; at = at.parent) if (at === ancestor) return true
  return false
}

/** Reads from `at` up to the end of the block. Returns the index behind it. */
function readItems(tokens, at, module, readChild) {
  let isPublic = false
  let depth = 0
  while (at < tokens.length) {
    const token = tokens[at]
    if (token === '#' && tokens.slice(at, at + 7).join('') === '#[cfg(test)]') {
      at = skipItem(tokens, at + 7)
    } else if (token === 'pub') {
      isPublic = true
      at = tokens[at + 1] === '(' ? tokens.indexOf(')', at) + 1 : at + 1
      continue
    } else if (token === 'mod' && IDENTIFIER.test(tokens[at + 1] ?? '')) {
      const name = tokens[at + 1]
      if (tokens[at + 2] === ';') {
        module.children.set(name, readChild(name, module))
        at += 3
      } else {
        const child = newModule(module.file, module, name)
        module.children.set(name, child)
        at = readItems(tokens, at + 3, child, readChild)
      }
    } else if (token === 'use') {
      at = readUse(tokens, at + 1, [], module, isPublic) + 1
    } else if (IDENTIFIER.test(token)) {
      if (ITEMS.has(token)) module.items.add(tokens[at + 1])
      at = readPath(tokens, at, module)
    } else {
      if (token === '{') depth++
      if (token === '}' && depth-- === 0) return at + 1
      at++
    }
    isPublic = false
  }
  return at
}

/** Returns the index behind the item that begins at `at`: its semicolon, or the brace that ends its block. */
function skipItem(tokens, at) {
  for (let depth = 0; at < tokens.length; at++) {
    if ('([{'.includes(tokens[at])) depth++
    if (')]}'.includes(tokens[at])) depth--
    if (depth === 0 && (tokens[at] === ';' || tokens[at] === '}')) return at + 1
  }
  return at
}

/** Reads one tree of a `use` declaration. Returns the index of the token that ends it: a comma, a brace or a semicolon. */
function readUse(tokens, at, prefix, module, isPublic) {
  const path = [...prefix]
  for (; ; at++) {
    const token = tokens[at]
    if (token === '{') {
      while (tokens[at] !== '}') at = readUse(tokens, at + 1, path, module, isPublic)
      return at + 1
    }
    if (token === '*') {
      module.globs.push(path)
      module.paths.push({ path: [...path, '*'], isUse: true, isPublic })
      return at + 1
    }
    if (token === '::') continue
    if (!IDENTIFIER.test(token ?? '')) {
      return at
    }
    if (!(token === 'self' && path.length > 0)) path.push(token)
    if (tokens[at + 1] !== '::') {
      const renamed = tokens[at + 1] === 'as'
      module.uses.set(renamed ? tokens[at + 2] : path.at(-1), path)
      module.paths.push({ path, isUse: true, isPublic })
      return at + (renamed ? 3 : 1)
    }
  }
}

/** Reads `a::b::c` from `at`. Returns the index behind it. */
function readPath(tokens, at, module) {
  const isContinued = tokens[at - 1] === '::' || tokens[at - 1] === '.'
  const path = [tokens[at]]
  while (tokens[at + 1] === '::' && IDENTIFIER.test(tokens[at + 2] ?? '')) {
    at += 2
    path.push(tokens[at])
  }
  if (path.length > 1 && !isContinued) module.paths.push({ path, isUse: false, isPublic: false })
  return at + 1
}

/** Returns the module that declares what a path names, and the item in it; undefined for another crate's. */
function resolvePath(module, [first, ...rest], pending = new Set()) {
  if (first === 'crate') {
    while (module.parent !== undefined) module = module.parent
    return find(module, rest, pending)
  }
  if (first === 'self') return find(module, rest, pending)
  if (first === 'super') {
    let above = module.parent
    for (; rest[0] === 'super'; rest.shift()) above = above?.parent
    return above && find(above, rest, pending)
  }
  // The module's own imports take precedence over a glob.
  if (!module.children.has(first) && !module.uses.has(first)) return undefined
  return find(module, [first, ...rest], pending)
}

function find(module, names, pending) {
  const [name, ...rest] = names
  if (name === undefined || name === '*') return { module, item: name }
  if (module.children.has(name)) return find(module.children.get(name), rest, pending)
  const key = `${module.file} ${inlineNames(module)} ${name}`
  if (module.uses.has(name) && !pending.has(key)) {
    const path = module.uses.get(name)
    return resolvePath(module, [...path, ...rest], new Set([...pending, key]))
  }
  if (!module.items.has(name) && !pending.has(key)) {
    for (const path of module.globs) {
      const target = resolvePath(module, path, new Set([...pending, key]))
      const found =
        target && target.item === undefined ? find(target.module, names, new Set([...pending, key])) : undefined
      if (found?.module.items.has(found.item)) return found
    }
  }
  return { module, item: name }
}
