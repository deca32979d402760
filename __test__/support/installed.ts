/** The published packages, installed into a folder of the test. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { root } from './fake/facade.ts'

// The scripts are plain JavaScript without types.
export const release = (name: string): Promise<any> => import(join(root, 'scripts', 'release', name))
const { listMain } = await release('pack.mjs')
const { asJson, platformManifest } = await release('manifests.mjs')
const { hostTarget } = await release('targets.mjs')

/** The paths of the files in the main package. */
export const files: string[] = listMain().map(({ path }: { path: string }) => path)
/** The target that this Node.js loads. */
export const host: any = hostTarget()
/** The binary of this clone. */
export const builtBinary: string = join(root, host.file)

/** Creates a folder for an application. */
export function application(t: ExecutionContext): string {
  const app = mkdtempSync(join(tmpdir(), 'proc-events-installed-'))
  t.teardown(() => rmSync(app, { recursive: true }))
  return app
}

/** Installs the main package into an application. Returns its path. */
export function installMain(app: string): string {
  const folder = join(app, 'node_modules', 'proc-events')
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(root, file), join(folder, file))
  }
  return folder
}

/** Installs the platform package into an application. Returns the path where its binary belongs. */
export function installPlatform(app: string): string {
  const folder = join(app, 'node_modules', host.packageName)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), asJson(platformManifest(host)))
  return join(folder, host.file)
}
