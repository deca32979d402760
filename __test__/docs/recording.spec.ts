/** The drawing of the README's recording, and the committed recording. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { root } from '../support/fake/facade.ts'

// The scripts are plain JavaScript without types.
const { draw } = (await import(join(root, 'scripts', 'docs', 'svg.mjs') as string)) as any

const line = (text: string, look = {}): object[] => [{ column: 2, text, ...look }]

test('frames follow each other and the last one stays', (t) => {
  const frames = [
    { at: 0, lines: [line('one'), []] },
    { at: 1000, lines: [line('one'), line('two', { color: 9, bold: true })] },
  ]
  const svg: string = draw({ columns: 10, rows: 2, title: 'a', frames, rest: 1000 })
  t.true(svg.includes('@keyframes k0{0%{visibility:visible}50%{visibility:hidden}}#f0{animation:k0 2000ms'))
  t.true(svg.includes('@keyframes k1{0%{visibility:hidden}50%{visibility:visible}}#f1{animation:k1 2000ms'))
  t.true(svg.includes('#f1{visibility:visible}'))
  // A line in both frames is drawn once, and a line that never moves is not animated.
  t.is(svg.match(/>one</g)?.length, 1)
  t.is(svg.match(/href="#l0"/g)?.length, 2)
  t.regex(svg, /class="b c1">two</)
  t.false(draw({ columns: 10, rows: 2, title: 'a', frames: frames.slice(0, 1) }).includes('animation:k'))
})

test('process names are escaped in the SVG', (t) => {
  const frames = [{ at: 0, lines: [line('<script>&"')] }]
  const svg: string = draw({ columns: 10, rows: 1, title: '<&', frames })
  t.true(svg.includes('>&lt;script&gt;&amp;&quot;</text>'))
  t.true(svg.includes('<title>&lt;&amp;</title>'))
})

test('the committed picture of a build has no script, no external resource, and a row for each process', (t) => {
  const svg = readFileSync(join(root, 'docs', 'build.svg'), 'utf8')
  t.notRegex(svg, /<script|<image|<foreignObject|\bon\w+=|url\(|@import/)
  t.deepEqual(svg.match(/https?:[^"]*/g), ['http://www.w3.org/2000/svg'])
  const [, processes, failed] = /(\d+) processes · (\d+) failed/.exec(svg)!
  t.is(svg.match(/<rect class="(c\d|bad)"/g)?.length, Number(processes))
  t.is(svg.match(/<rect class="bad"/g)?.length, Number(failed))
  t.true(svg.includes('@media (prefers-color-scheme: dark)'))
})

test('the committed recording has no script, no external resource and no missing line', (t) => {
  const svg = readFileSync(join(root, 'docs', 'recording.svg'), 'utf8')
  t.notRegex(svg, /<script|<image|<foreignObject|\bon\w+=|url\(|@import/)
  t.deepEqual(svg.match(/https?:[^"]*/g), ['http://www.w3.org/2000/svg'])
  const drawn = [...svg.matchAll(/<g id="(l\d+)">/g)].map(([, id]) => id!)
  for (const [, id] of svg.matchAll(/href="#(\w+)"/g)) t.true(drawn.includes(id!))
  t.true(drawn.length > 5)
})
