/** `npm run bench`: compares this package with other process monitors. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { curve } from './curve.ts'
import { loop } from './loop.ts'
import { buildTools, peers } from './peers.ts'
import { plot } from './plot.ts'
import { report, summarize, type Summary } from './report.ts'
import { run, type Run } from './run.ts'
import { scenarios } from './scenarios.ts'
import { targets } from './targets.ts'

const usage = `npm run bench [-- OPTIONS]           compare observers under loads
npm run bench -- capture [OPTIONS]   captured details of short-lived processes
npm run bench -- slowdown [OPTIONS]  how much captured details slow down the watched programs
npm run bench -- idle [OPTIONS]      memory and wake-ups of this package while idle
npm run bench -- micro [OPTIONS]     cost of an event in the facade and in the core
npm run bench -- agent [OPTIONS]     CPU time of the command that writes each event to a file
npm run bench -- scale [OPTIONS]     growth with many processes, subscriptions, workers
npm run bench -- fleet [OPTIONS]     streams of 200 hosts into one sink, with losses and duplicates
npm run bench -- sources [OPTIONS]   what is seen without the connector, and at which cost
npm run bench -- spans [OPTIONS]     CPU time of an event from system call to system call, beside a bare addon
npm run bench -- plot [OPTIONS]      draw the plots from the results in the file of --json

  --peer NAME,...      only these observers
  --scenario NAME,...  only these loads: ${scenarios.map(({ name }) => name).join(', ')};
                       with scale: processes, subscriptions, workers; with sources: the names of its rows
  --repeat N           runs of each (default: 3)
  --quick              small loads, one run each
  --busy               with sources: while each CPU is busy
  --json FILE          write every run and the medians
  --svg FILE           write a plot of CPU time per event
  --curve FILE         write a plot of CPU time per event against latency`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    peer: { type: 'string' },
    scenario: { type: 'string' },
    repeat: { type: 'string' },
    quick: { type: 'boolean', default: false },
    busy: { type: 'boolean', default: false },
    json: { type: 'string' },
    svg: { type: 'string' },
    curve: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

/** Returns a predicate for the names in a list on the command line. */
function chosen(list: string | undefined): (name: string) => boolean {
  const names = list?.split(',').map((name) => name.trim().toLowerCase())
  return (name) => names === undefined || names.some((wanted) => name.toLowerCase().startsWith(wanted))
}

async function compare(): Promise<void> {
  const wanted = chosen(values.peer)
  const tools = buildTools(wanted)
  const runs: Run[] = []
  const delays: string[] = []
  try {
    for (const line of tools.skipped) console.error(`not measured: ${line}`)
    // The runs without an observer are always included, because they are the baseline of the slow-down.
    const observers = peers(tools).filter(({ name }) => name === 'no observer' || wanted(name))
    const repeats = values.quick ? 1 : Number(values.repeat ?? 3)
    for (const scenario of scenarios.filter(({ name }) => chosen(values.scenario)(name))) {
      // Alternate observers, so that other load on the machine affects all of them.
      for (let repeat = 0; repeat < repeats; repeat++) {
        for (const peer of observers.filter((observer) => observer.scenarios?.includes(scenario.name) ?? true)) {
          if (process.stderr.isTTY)
            process.stderr.write(`\r${scenario.name} ${repeat + 1}/${repeats} ${peer.name}\x1B[K`)
          runs.push(...(await run(tools, peer, scenario, values.quick)))
        }
      }
    }
    const storm = scenarios.find(({ name }) => name === 'storm-2' && chosen(values.scenario)(name))
    if (storm !== undefined && wanted('proc-events')) delays.push(await loop(tools, storm, values.quick))
    if (process.stderr.isTTY) process.stderr.write('\r\x1B[K')
  } finally {
    rmSync(tools.folder, { recursive: true })
  }
  const summaries = summarize(runs)
  console.log([report(summaries), ...delays].join('\n'))
  console.log(targets(summaries).join('\n'))
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ runs, summaries }, undefined, 2)}\n`)
  draw(summaries)
}

function draw(summaries: readonly Summary[]): void {
  if (values.svg !== undefined) writeFileSync(values.svg, plot(summaries))
  if (values.curve !== undefined) writeFileSync(values.curve, curve(summaries))
}

const modes: Record<string, () => Promise<void>> = {
  compare,
  plot: async () => {
    if (values.json === undefined) throw new Error('plot: --json is missing. Name the file that a comparison wrote.')
    const { summaries } = JSON.parse(readFileSync(values.json, 'utf8')) as { summaries: Summary[] }
    draw(summaries)
  },
  capture: async () => (await import('./capture.ts')).capture(chosen(values.peer), values.quick),
  slowdown: async () =>
    (await import('./slowdown.ts')).slowdown(chosen(values.peer), values.quick, Number(values.repeat ?? 5)),
  micro: async () => (await import('./micro/main.ts')).micro(values.quick),
  scale: async () => {
    const parts = await (await import('./scale/main.ts')).scale(chosen(values.scenario), values.quick)
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ parts }, undefined, 2)}\n`)
  },
  agent: async () => (await import('./agent.ts')).agent(values.quick, Number(values.repeat ?? 3)),
  fleet: async () => (await import('./fleet.ts')).fleet(values.quick),
  sources: async () => {
    const { sources } = await import('./sources/main.ts')
    const results = await sources(chosen(values.peer), chosen(values.scenario), values.quick, values.busy)
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ results }, undefined, 2)}\n`)
  },
  spans: async () =>
    (await import('./spans.ts')).spans(chosen(values.scenario), values.quick, Number(values.repeat ?? 1)),
  idle: async () => (await import('./idle.ts')).idle(values.quick),
}
const mode = modes[positionals[0] ?? 'compare']
if (values.help || mode === undefined) {
  console.log(usage)
  process.exitCode = values.help ? 0 : 64
} else {
  await mode()
}
