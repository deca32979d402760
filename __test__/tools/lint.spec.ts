/** The repository's own checks, each run in a folder with violations and in one without. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { temporaryFolder } from '../support/helpers.ts'

const root = join(import.meta.dirname, '..', '..')

interface Outcome {
  readonly status: number | null
  readonly lines: readonly string[]
}

/** Creates a folder with these files. Returns its path. */
function project(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

/** Runs a script of scripts/lint on a new repository with these files. */
function lint(
  t: ExecutionContext,
  script: string,
  files: Readonly<Record<string, string>>,
  ...options: string[]
): Outcome {
  const folder = project(t, files)
  spawnSync('git', ['init', '--quiet', folder])
  const command = [join(root, 'scripts', 'lint', script), folder, ...options]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' })
  t.is(stderr, '')
  return { status, lines: stdout.split('\n').filter(Boolean) }
}

const core = 'crates/proc-events/src'

/** Runs the check of layers on a crate. Paths are relative to its `src`. */
function layers(t: ExecutionContext, files: Readonly<Record<string, string>>, crate = core): Outcome {
  const named = Object.entries(files).map(([name, text]) => [`${crate}/${name}`, text])
  return lint(t, 'layers.mjs', Object.fromEntries(named))
}

const passes: Outcome = { status: 0, lines: [] }
const fails = (...lines: string[]): Outcome => ({ status: 1, lines })

test('layers: imports of lower layers pass in every form', (t) => {
  const outcome = layers(t, {
    'lib.rs': 'mod error; mod model; mod delivery; mod subscription;\npub use subscription::Subscription;',
    'error.rs': 'pub struct Error;',
    'model/mod.rs': 'pub mod event;\npub use event::Event;',
    'model/event.rs':
      "// use crate::subscription::Subscription;\npub struct Event<'a>(&'a str, char);\nconst C: char = '\"';",
    'delivery/mod.rs':
      'mod state;\nuse state::State;\nuse crate::{error::{self, Error}, model::Event};\nfn f(_: State) {}',
    'delivery/state.rs': 'pub struct State(crate::model::event::Event);',
    'subscription.rs': 'use crate::delivery;\nfn f() { let _ = "crate::lib"; delivery::f() }',
  })
  t.deepEqual(outcome, passes)
})

test('layers: an import of a higher layer fails in every form', (t) => {
  const imports = {
    use: 'use crate::subscription::Subscription;',
    tree: 'use crate::{subscription::{Subscription as Renamed}};',
    glob: 'use crate::subscription::*;',
    super: 'use super::subscription::Subscription;',
    path: 'fn f() { crate::subscription::f() }',
    alias: 'use crate::subscription;\nfn f() { subscription::f() }',
    'inline module': 'mod inner { use super::super::subscription::Subscription; }',
    're-export': 'pub use crate::Subscription;',
    'after a test': '#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::subscription::Subscription;',
  }
  for (const [name, text] of Object.entries(imports)) {
    const outcome = layers(t, {
      'lib.rs': 'mod error; mod subscription;\npub use subscription::Subscription;',
      'error.rs': text,
      'subscription.rs': 'pub struct Subscription;\npub fn f() {}',
    })
    const line = `${core}/error.rs imports ${core}/subscription.rs: error must not import subscription`
    t.deepEqual(outcome, fails(line), name)
  }
})

test('layers: tests may import anything', (t) => {
  const outcome = layers(t, {
    'lib.rs': 'mod error; mod subscription;',
    'error.rs':
      '#[cfg(test)]\nmod tests { use crate::subscription::Subscription; }\n#[cfg(test)]\nuse crate::subscription;',
    'subscription.rs': 'pub struct Subscription;',
  })
  t.deepEqual(outcome, passes)
})

test('layers: a circle of files fails', (t) => {
  const files = {
    'lib.rs': 'mod model;',
    'model/mod.rs': 'pub mod event;\npub mod interest;',
    'model/event.rs': 'use super::interest::Interest;\npub struct Event;',
    'model/interest.rs': 'use crate::model::event::Event;\npub struct Interest;',
  }
  const circle = (crate: string): string =>
    `circle: ${['event', 'interest', 'event'].map((name) => `${crate}/model/${name}.rs`).join(' -> ')}`
  for (const crate of [core, 'crates/proc-events-napi/src']) {
    t.deepEqual(layers(t, files, crate), fails(circle(crate)))
  }
})

test('layers: a circle through a parent fails, and a re-export does not count as an import', (t) => {
  const files = { 'lib.rs': 'mod model;', 'model/event.rs': 'use super::LIMIT;\npub struct Event([u8; LIMIT]);' }
  const limit = 'const LIMIT: usize = 1;'
  const clean = layers(t, { ...files, 'model/mod.rs': `mod event;\npub use event::Event;\n${limit}` })
  t.deepEqual(clean, passes)
  const circular = layers(t, { ...files, 'model/mod.rs': `mod event;\nuse event::Event;\n${limit}` })
  t.deepEqual(
    circular,
    fails(`circle: ${['mod', 'event', 'mod'].map((name) => `${core}/model/${name}.rs`).join(' -> ')}`),
  )
})

test('layers: a circle between folders of one layer fails', (t) => {
  const outcome = layers(t, {
    'lib.rs': 'mod stats; mod sys;',
    'stats.rs': 'use crate::sys::low::A;\npub struct B;',
    'sys/mod.rs': 'pub mod low;\npub mod high;',
    'sys/low.rs': 'pub struct A;',
    'sys/high.rs': 'use crate::stats::B;',
  })
  t.deepEqual(outcome, fails('circle: stats -> sys -> stats'))
})

test('layers: a file in no layer fails', (t) => {
  const outcome = layers(t, { 'lib.rs': 'mod attic;', 'attic.rs': '' })
  t.deepEqual(outcome, fails(`${core}/attic.rs is in no layer: add "attic" to scripts/lint/layers.mjs`))
})

/** Runs oxlint with this repository's configuration on a project. Returns the file and the rule of each violation. */
function oxlint(t: ExecutionContext, files: Readonly<Record<string, string>>): string[] {
  const folder = project(t, { ...files, '.oxlintrc.json': readFileSync(join(root, '.oxlintrc.json'), 'utf8') })
  const { stdout } = spawnSync(join(root, 'node_modules', '.bin', 'oxlint'), ['--format=json'], {
    cwd: folder,
    encoding: 'utf8',
  })
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { readonly filename: string; readonly code: string }[] }
  return diagnostics.map(({ filename, code }) => `${filename}: ${code}`).toSorted()
}

const exported = 'export interface A {\n  readonly a: number\n}\nexport const a = 1\n'

test('oxlint: imports of lower layers pass', (t) => {
  const complaints = oxlint(t, {
    'src/api/errors.ts': exported,
    'src/native/loader.ts': "export const load = (): unknown => require('../../a.node')\n",
    'src/native/binding.ts':
      "import { load } from './loader.js'\nexport type { A } from '../api/errors.js'\nexport const loaded = load()\n",
    'src/monitor/monitor.ts': "import type { A } from '../native/binding.js'\nexport type B = A\n",
    'index.ts': "export type { B } from './src/monitor/monitor.js'\n",
    'src/cli/views/main.ts': "export type { B } from '../../../index.js'\n",
  })
  t.deepEqual(complaints, [])
})

test('oxlint: an import of a higher layer fails in every form', (t) => {
  const layers = ['api', 'native', 'integrations', 'monitor', 'cli']
  const forms = {
    'no-restricted-imports': [
      (to: string) => `import { a } from '${to}'\nexport const b = a\n`,
      (to: string) => `import type { A } from '${to}'\nexport type B = A\n`,
      (to: string) => `export * from '${to}'\n`,
      (to: string) => `export const b = import('${to}')\n`,
    ],
    'consistent-type-imports': [(to: string) => `export type B = import('${to}').A\n`],
    'no-require-imports': [(to: string) => `export const b: unknown = require('${to}')\n`],
  }
  for (const [rule, texts] of Object.entries(forms)) {
    for (const [index, text] of texts.entries()) {
      const files = layers.slice(0, -1).map((layer, at) => [`src/${layer}/a.ts`, text(`../${layers[at + 1]}/b.js`)])
      const targets = layers.map((layer) => [`src/${layer}/b.ts`, exported])
      const complaints = oxlint(t, Object.fromEntries([...files, ...targets]))
      const wanted = files.map(([file]) => file!).toSorted()
      t.deepEqual(
        complaints.map((line) => line.replace(/\w+\((.*)\)/, '$1')),
        wanted.map((file) => `${file}: ${rule}`),
        `${rule} ${index}`,
      )
    }
  }
})

test('oxlint: an import of the addon fails outside src/native/', (t) => {
  const complaints = oxlint(t, {
    'src/native/loader.ts': exported,
    'src/monitor/a.ts': "export * from '../native/loader.js'\n",
    'index.ts': "export * from './src/native/loader.js'\n",
    'bench/a.ts': "export * from '../src/native/loader.ts'\n",
  })
  const files = ['bench/a.ts', 'index.ts', 'src/monitor/a.ts']
  t.deepEqual(
    complaints,
    files.map((file) => `${file}: eslint(no-restricted-imports)`),
  )
})

test('oxlint: a circle of imports fails, even of types only', (t) => {
  const complaints = oxlint(t, {
    'src/api/a.ts': "import type { B } from './b.js'\nexport type A = B[]\n",
    'src/api/b.ts': "import type { A } from './a.js'\nexport interface B {\n  readonly a: A\n}\n",
  })
  t.deepEqual(complaints, ['src/api/a.ts: import(no-cycle)', 'src/api/b.ts: import(no-cycle)'])
})

/** Returns one sentence with this number of words. */
const sentence = (words: number): string => `Read${' on'.repeat(words - 1)}.`
const long = '31 words, the limit is 30: "Read on on on on …"'
const sentences = (t: ExecutionContext, files: Readonly<Record<string, string>>): Outcome =>
  lint(t, 'sentences.mjs', files)

test('sentences: plain comments and texts pass', (t) => {
  const outcome = sentences(t, {
    'src/a.ts': `/** Returns true if a user who may read it, or the user nobody, has it. */\n// Those of whose kind 'nobody' is.\n
const a = /[/]"/, b = "nobody", c = \`no \${{ d: "//who" }.d} \${1 / 2}\` // ${sentence(30)}`,
    'crates/proc-events/src/a.rs': `//! Reads the events whose \`pid who\` is known.\nconst A: char = '"'; // ${sentence(30)} ${sentence(30)}`,
    'README.md': `# Events\n\n- ${sentence(30)}\n- ${sentence(30)}\n\n| ${sentence(29)} | a |\n|---|---|\n\n\`\`\`\nwho\n\`\`\`\n`,
    'docs/api/README.md': 'Who knows?',
    'a.d.ts': '/** What it declares. */',
    '__test__/a.ts': "const a = 'nobody knows'",
    '.github/a.yml': 'a: "# who" # Runs once.\n',
  })
  t.deepEqual(outcome, passes)
})

test('sentences: a doc comment that begins without its subject fails', (t) => {
  const outcome = sentences(t, {
    'src/a.ts':
      '/** Whether it is. */\n/**\n * Reads.\n *\n * @returns what it read.\n * @throws {@link Error} of its own.\n */\n/** … and so on. */\n// Whether it is.',
    'crates/proc-events/src/a.rs':
      '//! Those events.\n/// Reads.\n/// Of all.\nfn f() {}\n\n/// Of all.\nfn h() {}\n\n/// *What* is read.\nfn g() {}',
    'scripts/a.mjs': '#!/usr/bin/env node\n// What is run.\n\n// What is not.\n',
    'bench/a.c': '/* Else nothing. */\n',
  })
  t.deepEqual(outcome.lines.toSorted(), [
    'bench/a.c:1: "Else …": start with the subject',
    'crates/proc-events/src/a.rs:1: "Those …": start with the subject',
    'crates/proc-events/src/a.rs:6: "Of …": start with the subject',
    'crates/proc-events/src/a.rs:9: "What …": start with the subject',
    'scripts/a.mjs:2: "What …": start with the subject',
    'src/a.ts:1: "Whether …": start with the subject',
    'src/a.ts:5: "what …": start with the subject',
    'src/a.ts:6: "of …": start with the subject',
    'src/a.ts:8: "… …": start with the subject',
  ])
  t.is(outcome.status, 1)
})

test('sentences: a word for people fails if no people are named', (t) => {
  const outcome = sentences(t, {
    'src/a.ts': 'throw new Error(`${a} is known to nobody`) // A thread who reads.\n',
    'crates/proc-events/src/a.rs': 'const A: &str = "somebody else";\n/* The caller whom\n * it wakes. */',
    'CHANGELOG.md': 'It reads\nfor anybody.\n',
    '.github/a.yml': '# Whoever runs.\na: 1\n',
  })
  t.deepEqual(outcome.lines.toSorted(), [
    '.github/a.yml:1: "Whoever" is for people: name the actor',
    'CHANGELOG.md:2: "anybody" is for people: name the actor',
    'crates/proc-events/src/a.rs:1: "somebody" is for people: name the actor',
    'crates/proc-events/src/a.rs:2: "whom" is for people: name the actor',
    'src/a.ts:1: "nobody" is for people: name the actor',
    'src/a.ts:1: "who" is for people: name the actor',
  ])
  t.is(outcome.status, 1)
})

test('sentences: a reason lets a word for people pass', (t) => {
  const outcome = sentences(t, {
    'src/a.ts': "// people: the text is read aloud\nconst a = 'somebody else'\n",
    'README.md': '<!-- people: a heading -->\n## Who uses it\n',
  })
  t.deepEqual(outcome, passes)
})

test('sentences: a sentence with too many words fails', (t) => {
  const outcome = sentences(t, {
    'src/a.ts': `/**\n * Reads.\n * ${sentence(31)}\n */\nconst a = '${sentence(31)}'\n`,
    'README.md': `Short.\n\n${sentence(31)}\n`,
  })
  t.deepEqual(outcome, fails(`README.md:3: ${long}`, `src/a.ts:3: ${long}`))
})

test('sentences: the count is by rule and by folder', (t) => {
  const files = { 'src/a.ts': '/** What nobody knows. */\n', 'README.md': `${sentence(31)}\n` }
  const { status, lines } = lint(t, 'sentences.mjs', files, '--count')
  t.deepEqual(
    lines.map((line) => line.trim().split(/\s+/).join(' ')),
    ['opening people length all folder', '0 0 1 1 .', '1 1 0 2 src', '1 1 1 3 total'],
  )
  t.is(status, 1)
})
