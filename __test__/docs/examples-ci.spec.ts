/** The GitHub actions in examples/ci, run by a fake runner on the real kernel. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parse } from 'yaml'
import { main } from '../support/cli-harness.ts'
import { root } from '../support/fake/facade.ts'
import { isRunning } from '../support/load.ts'
import { temporaryFolder } from '../support/helpers.ts'
import { checkTrace } from '../support/trace-check.ts'

const folder = join(root, 'examples', 'ci')
const action = (name: string): any => parse(readFileSync(join(folder, name, 'action.yml'), 'utf8'), { strict: true })

interface Runner {
  readonly env: Record<string, string>
  readonly temporary: string
  /** The shell script of all steps. One process runs them, as the runner's worker does. */
  readonly lines: string[]
}

function runner(t: ExecutionContext): Runner {
  const place = temporaryFolder(t)
  const temporary = join(place, 'temp')
  mkdirSync(temporary)
  const files = { GITHUB_STEP_SUMMARY: join(place, 'summary'), GITHUB_OUTPUT: join(place, 'output') }
  for (const file of Object.values(files)) writeFileSync(file, '')
  return { env: { ...files, RUNNER_TEMP: temporary }, temporary, lines: [] }
}

/** Adds the steps of an action. An expression of an input is replaced by its value. */
function use({ lines, temporary }: Runner, name: string, given: Record<string, string> = {}): void {
  const { inputs, runs } = action(name)
  const valueOf = (text: string): string =>
    text.replace(/\$\{\{ inputs\.([\w-]+) \}\}/g, (_, input: string) => given[input] ?? inputs[input].default)
  for (const { run, shell, env } of runs.steps) {
    if (run === undefined) continue
    if (shell !== 'bash') throw new Error(`a step needs a shell: ${name}`)
    const script = join(temporary, `step-${lines.length}.sh`)
    writeFileSync(script, run)
    const settings = { GITHUB_ACTION_PATH: join(folder, name), ...env }
    const words = Object.entries(settings).map(([key, value]) => `${key}='${valueOf(String(value))}'`)
    lines.push(`${words.join(' ')} bash --noprofile --norc -e -o pipefail ${script}`)
  }
}

/** Resolves with everything that the steps have printed. */
async function work(t: ExecutionContext, { lines, env }: Runner): Promise<string> {
  const worker = spawn('bash', ['-c', lines.join('\n')], { env: { ...process.env, ...env } })
  t.teardown(() => worker.kill('SIGKILL'))
  let text = ''
  for (const stream of [worker.stdout, worker.stderr]) stream.setEncoding('utf8').on('data', (piece) => (text += piece))
  const code = await new Promise((resolve) => worker.once('exit', resolve))
  t.is(code, 0, text)
  return text
}

/** Returns the outputs of the last step. */
function outputsOf({ env }: Runner): Record<string, string> {
  const lines = readFileSync(env['GITHUB_OUTPUT']!, 'utf8').split('\n').filter(Boolean)
  return Object.fromEntries(lines.map((line) => line.split('=') as [string, string]))
}

const command = `${process.execPath} ${main}`

test.serial('the steps between start and report are drawn', async (t) => {
  const job = runner(t)
  use(job, 'start', { command })
  job.lines.push(`bash -c 'sleep 0.05; (exit 3); true' first --password geheim`, `sh -c 'exit 7' second || true`)
  use(job, 'report')
  t.is(await work(t, job), '')
  const place = outputsOf(job)['folder']!
  t.false(isRunning(Number(readFileSync(join(place, 'pid'), 'utf8'))))
  const recording = readFileSync(join(place, 'recording.ndjson'), 'utf8').trimEnd().split('\n')
  t.deepEqual(
    [recording[0], recording.at(-1)].map((line) => JSON.parse(line!).type),
    ['start', 'end'],
  )
  t.false(recording.join().includes('geheim'))

  const summary = readFileSync(job.env['GITHUB_STEP_SUMMARY']!, 'utf8')
  t.regex(summary, /^### processes of /)
  t.regex(summary, /^\| sh \| \d+ \| .* \| exit 7 \| `sh -c 'exit 7' second` \|$/m)
  t.regex(summary, /^```mermaid\ngantt\n/m)

  const { with: upload } = action('report').runs.steps.find(({ uses }: any) =>
    uses?.startsWith('actions/upload-artifact@'),
  )
  const files = upload.path.trim().replaceAll('${{ steps.report.outputs.folder }}', place).split('\n')
  t.is(files.length, 2)
  for (const file of files) t.true(existsSync(file.trim()), file)
  const trace = JSON.parse(readFileSync(join(place, 'job.trace.json'), 'utf8'))
  const { crossing, unpaired, slices } = checkTrace(trace.traceEvents)
  t.deepEqual([crossing, unpaired], [0, 0])
  t.true(slices >= 4)
  t.true(trace.traceEvents.some(({ args }: any) => args?.command === "sh -c 'exit 7' second"))
  t.regex(readFileSync(join(place, 'job.html'), 'utf8'), /^<!doctype html>/)
})

test.serial('a job that cannot be recorded goes on with a warning', async (t) => {
  const job = runner(t)
  use(job, 'start', { command: 'false' })
  job.lines.push('echo the job')
  use(job, 'report')
  const text = await work(t, job)
  t.regex(text, /^::warning::The processes of this job are not recorded: /m)
  t.regex(text, /^the job$/m)
  t.regex(text, /^::warning::There is no recording/m)
  t.is(readFileSync(job.env['GITHUB_STEP_SUMMARY']!, 'utf8'), '')
})

test('the workflow uses both actions with inputs that they have, and reports also after a failure', (t) => {
  const { jobs } = parse(readFileSync(join(folder, 'workflow.yml'), 'utf8'), { strict: true })
  const steps: any[] = jobs.build.steps
  const used = steps.filter(({ uses }) => uses?.startsWith('./'))
  t.deepEqual(
    used.map(({ uses }) => uses.split('/').at(-1)),
    ['start', 'report'],
  )
  for (const { uses, with: given = {} } of used)
    for (const name of Object.keys(given)) t.true(name in action(uses.split('/').at(-1)).inputs, name)
  t.is(used[1].if, 'always()')
})
