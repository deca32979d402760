// Runs a program with spawnSync, one after the other, as a load of the `sources` benchmark. Arguments: the number of times, the
// file of the records (see sources/lives.c), and the program.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'

const [count, file, program] = process.argv.slice(2)
const lives = []
for (let done = 0; done < Number(count); done++) {
  const { pid, status } = spawnSync(program)
  const ended = process.hrtime.bigint()
  // The time of the exec is unknown.
  lives.push(BigInt(pid), 0n, ended, BigInt(status << 8))
}
writeFileSync(file, BigUint64Array.from(lives))
