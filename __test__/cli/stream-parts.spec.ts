/** The parts of a stream: numbers of lines, the sample, the id of the host, nanoseconds, metrics. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import test from 'ava'
import { APP_ID, appSpecific, hostId } from '../../dist/src/cli/entries/host-id.js'
import { sampler, selector } from '../../dist/src/cli/entries/selection.js'
import { LineNumbers } from '../../dist/src/cli/output/line-numbers.js'
import { LossAccount } from '../../dist/src/cli/output/loss-account.js'
import { metricsText } from '../../dist/src/cli/output/metrics-text.js'
import { getProcessMonitor } from '../../dist/index.js'
import { readEntry } from '../../dist/src/recording/ndjson.js'
import { WallClock } from '../../dist/src/recording/wall-clock.js'
import { has } from '../support/load.ts'

const time = '2026-01-02T03:04:05.000Z'

function entry(over: object): any {
  return readEntry(JSON.stringify({ type: 'exit', time, timestampNs: 1, pid: 10, startTime: 100, ...over }))
}

test('lines are numbered from 0 on, in a stream of their own', (t) => {
  const numbers = new LineNumbers()
  t.is(numbers.first, null)
  const lines = ['{"type":"start"}', '{"type":"exit"}'].map((line) => JSON.parse(numbers.add(line)))
  t.deepEqual(lines, [
    { type: 'start', stream: numbers.stream, seq: 0 },
    { type: 'exit', stream: numbers.stream, seq: 1 },
  ])
  t.deepEqual([JSON.parse(numbers.first!), numbers.count], [lines[0], 2])
  t.regex(numbers.stream, /^[0-9a-f]{16}$/)
  t.not(new LineNumbers().stream, numbers.stream)
})

test('a sample of 1/N has about one process of N, and all events of it', (t) => {
  const count = 32_768
  const boots = ['ca2b9a63-143b-4400-bdf1-bcae6213d8de', 'ca2b9a63-143b-4400-bdf1-bcae6213d8df', null]
  for (const size of [2, 10, 100]) {
    const samples = boots.map((boot) => {
      const [isSelected, isInSmaller] = [sampler(size, boot), sampler(3 * size, boot)]
      const pids = [...Array(count).keys()].filter((pid) => isSelected({ pid }))
      for (let pid = 0; pid < count; pid++) if (isInSmaller({ pid })) t.true(isSelected({ pid }))
      return new Set(pids)
    })
    // Six standard deviations.
    const deviates = (number: number, part: number): boolean =>
      Math.abs(number - count * part) > 6 * Math.sqrt(count * part * (1 - part))
    for (const [index, sample] of samples.entries()) {
      t.false(deviates(sample.size, 1 / size), `${size}: ${sample.size}`)
      // Boots have samples of their own.
      const other = samples[(index + 1) % samples.length]!
      t.false(deviates([...sample].filter((pid) => other.has(pid)).length, 1 / size ** 2), `${size}`)
    }
  }
  // Each observer agrees on these, in each version.
  const isSelected = sampler(4, boots[0]!)
  t.deepEqual(
    [...Array(24).keys()].filter((pid) => isSelected({ pid })),
    CHOSEN,
  )
  const select = selector({ sample: 4 })
  select(entry({ type: 'start', bootId: boots[0] }))
  for (const type of ['fork', 'exec', 'exit', 'uid'])
    for (let pid = 0; pid < 24; pid++) t.is(select(entry({ type, pid })), CHOSEN.includes(pid))
  t.true(sampler(1, null)({ pid: 1 }))
})

test('exits are selected by their failure and by their lifetime, and other entries pass', (t) => {
  const failed = selector({ failed: true })
  t.deepEqual(
    [{ exitCode: 0 }, { exitCode: 1 }, { signal: 'SIGKILL', exitCode: null }, { exitCode: null }, { type: 'exec' }].map(
      (over) => failed(entry(over)),
    ),
    [false, true, true, false, false],
  )
  const long = selector({ minDurationMs: 1 })
  t.deepEqual(
    [{ durationNs: 999_999 }, { durationNs: 1e6 }, { durationNs: null }, {}, { type: 'exec' }].map((over) =>
      long(entry(over)),
    ),
    [false, true, false, false, false],
  )
  const both = selector({ failed: true, minDurationMs: 1 })
  t.deepEqual(
    [both(entry({ exitCode: 1, durationNs: 1 })), both(entry({ exitCode: 1, durationNs: 1e9 }))],
    [false, true],
  )
  const loss: any = {
    type: 'loss',
    time,
    timestampNs: 1,
    cause: 'socket',
    lost: 1,
    recoveredExecs: 0,
    recoveredExits: 0,
  }
  for (const isSelected of [failed, long, selector({ sample: 1e9 })]) t.true(isSelected(loss))
})

test('losses are added up by cause', (t) => {
  const account = new LossAccount()
  const loss = {
    type: 'loss',
    time,
    timestampNs: 1,
    cause: 'socket',
    lost: 1,
    recoveredExecs: 2,
    recoveredExits: 3,
  } as const
  account.add(loss)
  account.add({ ...loss, timestampNs: 5, lost: 10 })
  account.add({ ...loss, cause: 'queue' })
  const [socket, queue] = account.take()
  t.like(socket, { cause: 'socket', timestampNs: 5, lost: 11, recoveredExecs: 4, recoveredExits: 6 })
  t.like(queue, { cause: 'queue', lost: 1 })
  t.deepEqual(account.take(), [])
})

test('the id of the host is that of systemd for this package, and not the machine id', (t) => {
  t.is(appSpecific('3d1219c7c4c5404aaa1f6d2a48adfda4'), '23902252bb51473199d75cc2e8cac1c2')
  t.is(hostId('/nowhere') === null, machineId() === '')
  if (machineId() === '' || !has(t, 'systemd-id128')) return
  const systemd = spawnSync('systemd-id128', ['machine-id', `--app-specific=${APP_ID}`], { encoding: 'utf8' })
  t.is(hostId('/nowhere'), systemd.stdout.trim())
})

function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim()
  } catch {
    return ''
  }
}

test('nanoseconds of the day are as far apart as those of the monotonic clock, until the time is adjusted', (t) => {
  const clock = new WallClock()
  const begun = 1_767_323_045_250.875
  t.is(clock.timeNs(begun, 1_000_123), '1767323045250875123')
  t.is(clock.timeNs(begun + 0.001, 1_001_999), '1767323045250876999')
  // Rounding to microseconds does not show.
  t.is(clock.timeNs(begun + 0.003, 1_002_001), '1767323045250877001')
  t.is(clock.timeNs(begun + 1000, 1_003_000), '1767323046250875000')
  t.is(clock.timeNs(begun, 999), '1767323045250875999')
})

test('metrics have the text format of Prometheus', (t) => {
  const figures = { lines: 5, skippedLines: 1, heldBytes: 7, cpuSeconds: 0.25, rssBytes: 9 }
  const monitor = getProcessMonitor()
  const text = metricsText(monitor.stats(), figures)
  void monitor.stop()
  for (const line of text.trimEnd().split('\n')) t.regex(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[\w-]+"\})? [\d.]+)$/)
  t.true(text.includes('# TYPE proc_events_lost_total counter\nproc_events_lost_total{cause="socket"} 0\n'))
  t.true(text.includes('# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 0.25\n'))
  const names = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name)
  t.is(new Set(names).size, names.length)
})

/** The pids from 0 to 23 of the sample 1/4, in one boot. */
const CHOSEN: number[] = [9, 10, 18, 20, 21]
