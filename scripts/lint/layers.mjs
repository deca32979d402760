// Fails on a circle of files that import each other, and on an import of a higher layer. Checks the Rust crates; oxlint
// checks the TypeScript. `node scripts/lint/layers.mjs [root]` prints one line for each violation.

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { rustImports } from './rust-imports.mjs'

/** Each crate's layers, the lowest first. A room is a file or a folder of `src`; rooms of one line form no circle. */
const crates = {
  'crates/proc-events/src': [
    ['error', 'stats', 'sys'],
    ['model'],
    ['delivery', 'procfs'],
    ['connector', 'perf'],
    ['taskstats'],
    ['process', 'options', 'probe', 'signal'],
    ['capture', 'cursor', 'pipeline'],
    ['reader'],
    ['subscription'],
    ['lib'],
  ],
  // The binding has no layers: only circles are forbidden.
  'crates/proc-events-napi/src': undefined,
}

const root = resolve(process.argv[2] ?? join(import.meta.dirname, '..', '..'))
const violations = Object.entries(crates)
  .filter(([folder]) => existsSync(join(root, folder)))
  .flatMap(([folder, layers]) => check(folder, layers))
for (const violation of violations) console.log(violation)
process.exitCode = violations.length > 0 ? 1 : 0

function check(folder, layers) {
  const imports = rustImports(join(root, folder))
  const path = (file) => `${folder}/${file}`
  return [
    ...(layers ? upwardImports(imports, layers, path) : []),
    ...circles(imports).map((files) => circle(files, path)),
  ]
}

/** Returns a line for each import of a higher layer, each file in no layer, and each circle of rooms in one layer. */
function upwardImports(imports, layers, path) {
  const levelOf = (file) => layers.findIndex((rooms) => rooms.includes(roomOf(file)))
  const lines = [...imports.keys()]
    .filter((file) => levelOf(file) < 0)
    .map((file) => `${path(file)} is in no layer: add "${roomOf(file)}" to scripts/lint/layers.mjs`)
  const neighbours = new Map()
  for (const [file, targets] of imports) {
    for (const target of targets) {
      const [from, to] = [roomOf(file), roomOf(target)]
      if (levelOf(file) < 0 || levelOf(target) < 0 || from === to) continue
      if (levelOf(target) > levelOf(file)) {
        lines.push(`${path(file)} imports ${path(target)}: ${from} must not import ${to}`)
      } else if (levelOf(target) === levelOf(file)) {
        neighbours.set(from, (neighbours.get(from) ?? new Set()).add(to))
      }
    }
  }
  return [...lines, ...circles(neighbours).map((rooms) => circle(rooms, String))]
}

/** Returns the first component of a path, without `.rs`. */
function roomOf(file) {
  return file.split('/')[0].replace(/\.rs$/, '')
}

function circle(nodes, name) {
  return `circle: ${[...nodes, nodes[0]].map(name).join(' -> ')}`
}

/** Returns the shortest circle through each node that is in one, without the nodes of circles that are returned already. */
function circles(edges) {
  const found = []
  const reported = new Set()
  for (const start of edges.keys()) {
    if (reported.has(start)) continue
    const shortest = shortestCircle(edges, start)
    if (shortest === undefined) continue
    found.push(shortest)
    for (const node of shortest) reported.add(node)
  }
  return found
}

/** Searches breadth first, so that the first circle found is a shortest one. */
function shortestCircle(edges, start) {
  const paths = [[start]]
  const seen = new Set()
  for (const path of paths) {
    for (const next of edges.get(path.at(-1)) ?? []) {
      if (next === start) return path
      if (seen.has(next)) continue
      seen.add(next)
      paths.push([...path, next])
    }
  }
  return undefined
}
