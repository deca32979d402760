// smoke.mjs PATIENCE: exit codes and signals of a few processes, as the package and as Node.js reports them.

import { spawnSync } from 'node:child_process'
import { monitor, result, start, until } from './common.mjs'

const [, , patience] = process.argv
const [execs, exits] = [new Set(), new Map()]
monitor.subscribeExec((pid) => execs.add(pid))
await start()
monitor.subscribeExit((pid, { exitCode, signal }) => exits.set(pid, `${exitCode} ${signal}`))
const scripts = ['exit 0', 'exit 7', 'kill -TERM $$', 'kill -SEGV $$']
const started = scripts.map((script) => spawnSync('/bin/sh', ['-c', script]))
await until(() => started.every(({ pid }) => exits.has(pid)), patience)
const wrong = started.filter(({ pid, status, signal }) => !execs.has(pid) || exits.get(pid) !== `${status} ${signal}`)
result({
  ok: wrong.length === 0,
  text:
    wrong.length === 0
      ? 'ok'
      : wrong.map(({ pid, status, signal }) => `${status} ${signal}: ${exits.get(pid)}`).join('; '),
})
await monitor.stop()
