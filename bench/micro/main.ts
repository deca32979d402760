/** `npm run bench -- micro`: the cost of an event in the facade and in the core, without a kernel. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { isInstalled } from '../peers.ts'
import { align } from '../report.ts'
import { facade } from './facade.ts'

const root = join(import.meta.dirname, '..', '..')

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command} failed`)
}

export async function micro(quick: boolean): Promise<void> {
  const head = ['the facade, in nanoseconds', 'an event', 'a callback']
  console.log(`${align([head, ...(await facade(quick))])}\n`)
  if (!isInstalled('cargo')) {
    console.log('the core is not measured: cargo is not installed')
    return
  }
  const cargo = ['run', '--release', '--quiet', '--package', 'proc-events-benches', '--features', 'time']
  run('cargo', [...cargo, '--', '--bench', '--noplot', ...(quick ? ['--quick'] : [])])
  console.log('the core, in instructions per event')
  run(process.execPath, [join('scripts', 'instructions.mjs'), '--table'])
}
