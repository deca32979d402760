// Writes the tables of docs/recordings.md from the JSON Schema of recordings.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../toolchain.mjs'

const [BEGIN, END] = ['<!-- keys: generated from schema/recording.schema.json -->', '<!-- end of keys -->']
const TITLES = {
  start: '`start`: the first object',
  event: 'Events: `exec`, `exit`, `fork`, `comm`, `uid`, `gid`, `sid`, `ptrace`, `coredump`',
  loss: '`loss`',
  note: '`note`',
  heartbeat: '`heartbeat`, with `--heartbeat`',
  end: '`end`: the last object',
  run: '`run`: the one object of `run --json`',
  runProcess: 'A process in `processes` of `run`',
  runExec: 'A program in `execs` of a process',
}

const page = join(root, 'docs', 'recordings.md')
const { $defs } = JSON.parse(readFileSync(join(root, 'schema', 'recording.schema.json'), 'utf8'))
const text = readFileSync(page, 'utf8')
const [before, rest] = text.split(BEGIN)
const [, after] = rest.split(END)
const sections = Object.entries(TITLES).map(([name, title]) => `### ${title}\n${table($defs[name].properties)}\n`)
const usage = `### The cost in \`usage\`\n${table($defs.event.properties.usage.properties)}\n`
writeFileSync(page, `${before}${BEGIN}\n${[...sections, usage].join('\n')}\n${END}${after}`)

function table(properties) {
  const rows = Object.entries(properties).map(
    ([key, schema]) => `| \`${key}\` | ${typeOf(schema)} | ${schema.description} |`,
  )
  return ['| key | type | meaning |', '|---|---|---|', ...rows].join('\n')
}

/** Returns the type in words: `integer or null`, `"end"`. */
function typeOf(schema) {
  if ('const' in schema) return `\`${JSON.stringify(schema.const)}\``
  if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ')
  const types = schema.anyOf ? ['object', 'null'] : [schema.type].flat()
  return types.map((type) => (type === 'array' ? arrayOf(schema.items) : type)).join(' or ')
}

function arrayOf({ type = 'object' }) {
  return `array of ${type}s`
}
