// Writes man/proc-events.1 as it is committed: what the command's own table of options says.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './toolchain.mjs'

const { manual } = await import(join(root, 'dist', 'src', 'cli', 'commands', 'manual.js'))

mkdirSync(join(root, 'man'), { recursive: true })
writeFileSync(join(root, 'man', 'proc-events.1'), manual())
