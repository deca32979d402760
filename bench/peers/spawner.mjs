// Starts a program many times from Node.js: `sync` with spawnSync, or `async` every 10 ms.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'

const [mode, program, argument, count] = process.argv.slice(2)
const children = []
for (let done = 0; done < Number(count); done++) {
  if (mode === 'sync') {
    spawnSync(program, [argument], { stdio: 'ignore' })
  } else {
    children.push(once(spawn(program, [argument], { stdio: 'ignore' }), 'exit'))
    await setTimeout(10)
  }
}
await Promise.all(children)
