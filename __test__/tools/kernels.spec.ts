/** The kernels of `npm run kernels`: which packages are taken, and the page of results. */
import { join } from 'node:path'
import test from 'ava'
import { root } from '../support/fake/facade.ts'

const load = (name: string): Promise<any> => import(join(root, 'scripts', 'kernels', name))
const { rows } = await load('matrix.mjs')
const { newestFirst } = await load('kernel.mjs')
const { page } = await load('report.mjs')

/** Names as Debian's archive has them. */
const NAMES = [
  'linux-image-5.10.0-46-amd64-unsigned',
  'linux-image-5.10.0-9-amd64-unsigned',
  'linux-image-5.10.0-46-rt-amd64-unsigned',
  'linux-image-6.1.0-56-amd64-unsigned',
  'linux-image-6.1.0-56-arm64-unsigned',
  'linux-image-6.12.118+deb13-amd64-unsigned',
  'linux-image-6.12.118+deb13-rt-amd64-unsigned',
  'linux-image-6.12.118+deb13-amd64-dbg',
  'linux-image-6.12.118+deb13-arm64-16k-unsigned',
  'linux-image-6.12.9+deb13-amd64-unsigned',
  'linux-binary-7.2.12+deb13-amd64',
  'linux-binary-7.3.4+deb13-amd64',
  'linux-binary-7.3.4+deb13-cloud-amd64',
  'linux-image-6.18.15+deb13-amd64',
  'linux-image-amd64',
]

test('each row takes the newest package of its kernel', (t) => {
  const taken = rows.map(({ name, package: pattern }: any) => [
    name,
    NAMES.filter((of) => pattern.test(of)).toSorted(newestFirst)[0],
  ])
  t.deepEqual(Object.fromEntries(taken), {
    '5.10': 'linux-image-5.10.0-46-amd64-unsigned',
    '6.1': 'linux-image-6.1.0-56-amd64-unsigned',
    '6.12': 'linux-image-6.12.118+deb13-amd64-unsigned',
    '6.12-rt': 'linux-image-6.12.118+deb13-rt-amd64-unsigned',
    newest: 'linux-binary-7.3.4+deb13-amd64',
    arm64: 'linux-image-6.1.0-56-arm64-unsigned',
    'arm64-16k': 'linux-image-6.12.118+deb13-arm64-16k-unsigned',
  })
})

test('the page has a column for each kernel, names what failed, and why a kernel was not run', (t) => {
  const [first, second, third] = rows
  const checks = [
    { check: 'smoke root', ok: true, text: 'ok' },
    { check: 'storm', ok: false, text: 'a|b' },
  ]
  const ran = { accel: 'tcg', seconds: 90, release: '5.10', pageKib: 4, commit: 'abc', date: '2026-01-02' }
  const text = page([
    { row: first, ...ran, checks },
    { row: second, ...ran, release: '6.1', checks: checks.slice(0, 1) },
    { row: third, skipped: 'no network' },
  ])
  const rowOf = (name: string) => text.split('\n').find((line: string) => line.startsWith(`| ${name} |`))
  t.is(rowOf('kernel'), '| kernel | 5.10 | 6.1 |')
  t.is(rowOf('run on'), '| run on | 2026-01-02, abc | 2026-01-02, abc |')
  t.is(rowOf('smoke root'), '| smoke root | ok | ok |')
  t.is(rowOf('storm'), '| storm | **failed:** a/b | - |')
  t.true(text.includes(`Not run: ${third.name} (no network).`))
})
