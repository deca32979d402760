// The manifests of examples/kubernetes, against the schemas of Kubernetes. A kubelet is in no package registry.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { run as runProgram } from '../programs.mjs'

export async function run({ check }, tools) {
  const file = join(root, 'examples', 'kubernetes', 'daemonset.yaml')
  const module = ['-m', 'kubernetes_validate', '--strict']
  const folder = tools.folder('kubernetes')
  const wrong = join(folder, 'wrong.yaml')
  writeFileSync(wrong, readFileSync(file, 'utf8').replace('hostPID: true', 'hostPid: true'))
  const refused = await runProgram(tools.python, [...module, '--kubernetes-version', '1.37', wrong])
  check('a misspelt field is refused', refused.code !== 0 && refused.text.includes('hostPid'))
  for (const version of ['1.29', '1.37']) {
    const { code, text } = await runProgram(tools.python, [...module, '--kubernetes-version', version, file])
    check(`daemonset.yaml is valid for Kubernetes ${version}, strictly`, code === 0, code === 0 ? '' : text)
  }
}
