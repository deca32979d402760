/** The published packages: their files, their platforms, and the errors for missing parts. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { child, root } from '../support/fake/facade.ts'
import { application, builtBinary, files, host, installMain, installPlatform, release } from '../support/installed.ts'

const { complaints, readElf, newestGlibc } = { ...(await release('build.mjs')), ...(await release('elf.mjs')) }
const { asJson, mainManifest, platformManifest, platformReadme } = await release('manifests.mjs')
const { manifest, targets } = await release('targets.mjs')

/** Returns what the published modules require from outside of the package. */
const asked = files
  .filter((file) => file.endsWith('.js'))
  .flatMap((file) => [
    ...readFileSync(join(root, file), 'utf8').matchAll(/(?:require|import)\(['"]([^.'"][^'"]*)['"]\)/g),
  ])
  .map(([, name]) => name!)

test('the package contains run-time files only', (t) => {
  const needed =
    /^(package\.json|README\.md|LICENSE|man\/proc-events\.1|index\.d\.ts|dist\/[\w/-]+\.js|dist\/([\w/-]+\/)?prometheus\.d\.ts|assets\/timeline\.(html|css|js)|schema\/recording\.schema\.json)$/
  t.deepEqual(
    files.filter((file) => !needed.test(file)),
    [],
  )
  for (const file of [
    'dist/index.js',
    'index.d.ts',
    'dist/prometheus.d.ts',
    manifest.bin['proc-events'].slice(2),
    // npm links no manual page that is given as a string.
    ...manifest.man.map((page: string) => page.slice(2)),
  ]) {
    t.true(files.includes(file), file)
  }
})

test('each entry is published with its declarations, and these import only what is published', (t) => {
  for (const { types, default: module } of Object.values(manifest.exports).filter(
    (entry) => typeof entry === 'object',
  ) as any) {
    t.true(files.includes(types.slice(2)), types)
    t.true(files.includes(module.slice(2)), module)
  }
  const imported = files
    .filter((file) => file.endsWith('.d.ts'))
    .flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import\() ?['"](\.[^'"]+)\.js['"]/g)].map(
        ([, path]) => join(dirname(file), `${path}.d.ts`),
      ),
    )
  t.true(imported.length > 0)
  t.deepEqual(
    imported.filter((file) => !files.includes(file)),
    [],
  )
})

test('every compiled module is published', (t) => {
  const compiled = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })
  const modules = compiled.filter((file) => file.endsWith('.js')).map((file) => `dist/${file}`)
  t.deepEqual(files.filter((file) => /^dist\/.*\.js$/.test(file)).sort(), modules.sort())
})

test('the main package depends only on platform packages of its version and has no install script', (t) => {
  const main = mainManifest()
  t.deepEqual(
    main.optionalDependencies,
    Object.fromEntries(targets.map((of: any) => [of.packageName, manifest.version])),
  )
  for (const absent of ['dependencies', 'devDependencies', 'scripts', 'os', 'cpu', 'libc'])
    t.false(absent in main, absent)
  t.is(main.engines.node, '>=20')
})

for (const target of targets) {
  test(`npm/${target.name} equals the generated package and is the one that the loader requires`, (t) => {
    const read = (name: string) => readFileSync(join(root, target.folder, name), 'utf8')
    const written = platformManifest(target)
    t.is(read('package.json'), asJson(written))
    t.is(read('README.md'), platformReadme(target))
    t.like(written, { name: `@proc-events/${target.name}`, version: manifest.version, main: target.file })
    t.false('scripts' in written || 'dependencies' in written)
    t.true(asked.includes(written.name))
  })
}

test('the loader requires no other package', (t) => {
  const packages = targets.map(({ packageName }: { packageName: string }) => packageName)
  t.deepEqual(asked.filter((name) => !name.startsWith('node:')).sort(), ['prom-client', ...packages].sort())
})

test('every function of the binding catches panics', (t) => {
  const source = readFileSync(join(root, 'crates/proc-events-napi/src/lib.rs'), 'utf8')
  const functions = [...source.matchAll(/#\[napi(\(.*\))?\]\n *pub fn (\w+)/g)]
  t.true(functions.length >= 9)
  t.deepEqual(
    functions.filter(([, options]) => !options?.includes('catch_unwind')).map(([, , name]) => name),
    [],
  )
})

test('publint and attw report nothing', (t) => {
  const run = (tool: string, ...args: string[]) =>
    execFileSync(join(root, 'node_modules', '.bin', tool), args, { cwd: root, encoding: 'utf8' })
  t.regex(run('publint', '--strict'), /All good!/)
  t.regex(run('attw', '--pack', '.'), /No problems found/)
})

test('the local addon meets every release requirement except the glibc version', (t) => {
  t.deepEqual(
    complaints(builtBinary, host).filter((line: string) => !/^needs (glibc 2|libgcc_s)/.test(line)),
    [],
  )
  const elf = readElf(builtBinary)
  t.true(elf.undefinedSymbols.includes('napi_create_threadsafe_function'))
  if (host.libc === 'glibc') t.is(newestGlibc(elf)[0], 2)
})

test('a binary with unmet requirements is rejected', (t) => {
  const said = complaints(process.execPath, { cpu: 'arm64' === process.arch ? 'x64' : 'arm64', libc: 'glibc' }).join(
    '\n',
  )
  for (const complaint of [/is for/, /bytes/, /needs libstdc\+\+/, /needs glibc 2\.[23]\d/, /external/])
    t.regex(said, complaint)
  t.throws(() => readElf(join(root, 'LICENSE')), { message: /ELF/ })
})

for (const target of targets) {
  const binary = join(root, target.folder, target.file)
  // Only the release scripts build these binaries.
  if (!existsSync(binary)) continue
  test(`the binary for ${target.name} runs on old systems`, (t) => {
    t.deepEqual(complaints(binary, target), [])
  })
}

/** Creates an application with the published package, and with the given files as its platform package. */
function installed(t: ExecutionContext, binary?: string): string {
  const app = application(t)
  installMain(app)
  if (binary !== undefined) writeFileSync(installPlatform(app), binary)
  return app
}

async function refusal(app: string): Promise<{ code: string; message: string }> {
  const module = JSON.stringify(join(app, 'node_modules', 'proc-events'))
  const script = `require(${module}).getProcessMonitor().initialize()
    .catch(({ code, message }) => console.log(JSON.stringify({ code, message })))`
  const { stdout } = await child(script, { bare: true, env: { NAPI_RS_NATIVE_LIBRARY_PATH: '' } })
  return JSON.parse(stdout)
}

test('without the platform package the error names it and its version', async (t) => {
  const { code, message } = await refusal(installed(t))
  t.is(code, 'ERR_NATIVE_BINDING')
  t.true(message.includes(`\`npm install ${host.packageName}@${manifest.version}\``), message)
  t.true(message.includes(`Cannot find module '${host.packageName}'`), message)
})

test("with another system's binary the error says so", async (t) => {
  const { code, message } = await refusal(
    installed(t, 'MZ, not ELF, and long enough to be read as a header: '.repeat(9)),
  )
  t.is(code, 'ERR_NATIVE_BINDING')
  t.regex(message, /damaged or built for another system\. Delete node_modules\/@proc-events, .*npm install/)
})

test('in a bundle the load error advises to mark the package as external', async (t) => {
  const app = installed(t)
  const at = (name: string) => join(app, 'node_modules', 'proc-events', 'dist', 'src', 'native', name)
  // A bundler changes the names of files.
  renameSync(at('load-error.js'), at('bundle.js'))
  const loader = readFileSync(at('loader.js'), 'utf8')
  writeFileSync(at('loader.js'), loader.replaceAll('./load-error.js', './bundle.js'))
  t.regex((await refusal(app)).message, /Mark 'proc-events' as external/)
})

test('npm/ has exactly one folder for each platform', (t) => {
  t.deepEqual(readdirSync(join(root, 'npm')).sort(), targets.map(({ name }: { name: string }) => name).sort())
})

test('docs/runtimes.md has the result of each runtime, and no failure', async (t) => {
  const page = readFileSync(join(root, 'docs/runtimes.md'), 'utf8')
  const { runtimes } = await release('runtimes.mjs')
  t.true(runtimes.length >= 6)
  for (const { name } of runtimes) t.true(page.includes(`\n| ${name} | `), name)
  t.false(page.includes('**failed**'))
})
