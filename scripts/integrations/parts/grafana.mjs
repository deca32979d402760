// The dashboard of examples/metrics, read by the types that Grafana generates from its schema. Grafana itself is in no registry.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { run as runProgram } from '../programs.mjs'

export async function run({ check }, tools) {
  const file = join(root, 'examples', 'metrics', 'dashboard.json')
  const text = readFileSync(file, 'utf8')
  const wrong = join(tools.folder('grafana'), 'wrong.json')
  for (const [what, from, to, says] of [
    ['a misspelt key', '"gridPos"', '"gridPosition"', 'gridPosition'],
    ['a value of another type', '"refresh": "30s"', '"refresh": 30', 'refresh'],
    ['a misspelt option of a query', '"legendFormat"', '"legend"', 'legend'],
  ]) {
    writeFileSync(wrong, text.replaceAll(from, to))
    const refused = await runProgram(tools.dashboard, [wrong])
    check(`${what} is refused`, refused.code !== 0 && refused.text.includes(says), refused.text.trim().split('\n')[0])
  }
  const { code, text: reasons } = await runProgram(tools.dashboard, [file])
  check('dashboard.json is valid', code === 0, reasons.trim())
}
