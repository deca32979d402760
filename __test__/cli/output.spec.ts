/** The command's output: in batches, no faster than its reader, and silent after EPIPE. */
import { Writable } from 'node:stream'
import test from 'ava'
import { Output } from '../../dist/src/cli/output/output.js'

/** A stream that takes one write at a time, and completes it when the test says so. */
class SlowReader extends Writable {
  readonly batches: string[] = []
  #taken: ((error?: Error) => void) | null = null

  constructor() {
    super({ decodeStrings: false })
  }

  override _write(batch: Buffer, _encoding: string, taken: (error?: Error) => void): void {
    this.batches.push(String(batch))
    this.#taken = taken
  }

  async take(error?: Error): Promise<void> {
    this.#taken?.(error)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('lines of one turn are written at once, and are buffered while the reader is slow', async (t) => {
  const reader = new SlowReader()
  const skipped: number[] = []
  const output = new Output(reader, { heldMax: 6, onSkipped: (lines) => skipped.push(lines) })
  output.line('1')
  output.line('2')
  t.deepEqual(reader.batches, [])
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(reader.batches, ['1\n2\n'])
  for (const text of ['3', '4', '5', '6', '7']) output.line(text)
  t.is(output.skipped, 2)
  t.deepEqual(skipped, [])
  let ended = false
  const end = output.end().then(() => (ended = true))
  await reader.take()
  t.deepEqual([reader.batches, skipped, ended], [['1\n2\n', '3\n4\n5\n'], [2], false])
  await reader.take()
  t.true(await end)
  t.is(output.skipped, 2)
})

test('the output buffer is bounded in bytes, except for a single line', async (t) => {
  const reader = new SlowReader()
  const skipped: number[] = []
  const output = new Output(reader, { heldMax: 100, onSkipped: (lines) => skipped.push(lines) })
  output.line('a'.repeat(200))
  output.flush()
  // Each character takes two bytes.
  output.line('é'.repeat(40))
  output.line('b'.repeat(30))
  output.line('c')
  await reader.take()
  t.deepEqual(reader.batches, [`${'a'.repeat(200)}\n`, `${'é'.repeat(40)}\n`])
  t.deepEqual([output.skipped, skipped], [2, [2]])
  output.line('d'.repeat(200))
  output.line('e')
  await reader.take()
  t.is(reader.batches.at(-1), `${'d'.repeat(200)}\n`)
  t.deepEqual([output.skipped, skipped], [3, [2, 1]])
  await reader.take()
})

test('lines are completed in order, skipped ones are not, and what is skipped is told behind what was held', async (t) => {
  const reader = new SlowReader()
  let number = 0
  const output: Output = new Output(reader, {
    heldMax: 12,
    completionMax: 1,
    complete: (line) => `${line}${number++}`,
    onSkipped: (lines) => output.line(`skipped ${lines} as `),
  })
  output.line('a')
  output.flush()
  t.false(output.isSkipping)
  for (const text of ['b', 'c', 'd', 'e', 'f', 'g']) output.line(text)
  t.true(output.isSkipping)
  t.deepEqual([output.heldBytes, output.skipped, output.lines], [12, 2, 5])
  const end = output.end()
  await reader.take()
  await reader.take()
  t.false(output.isSkipping)
  output.line('h')
  await reader.take()
  await reader.take()
  await end
  t.is(reader.batches.join(''), 'a0\nb1\nc2\nd3\ne4\nskipped 2 as 5\nh6\n')
  t.deepEqual([output.heldBytes, output.skipped, output.lines], [0, 2, 7])
})

test('a long backlog is written in chunks of whole lines', async (t) => {
  const reader = new SlowReader()
  const output = new Output(reader)
  const line = 'x'.repeat(999)
  for (let index = 0; index < 200; index++) output.line(line)
  output.line('y'.repeat(100_000))
  output.line('z')
  const end = output.end()
  while (output.heldBytes > 0) await reader.take()
  await reader.take()
  await end
  t.deepEqual(
    reader.batches.map(({ length }) => length),
    [65_000, 65_000, 65_000, 5000, 100_001, 2],
  )
})

test('EPIPE ends the output without an error, and any other failure is reported', async (t) => {
  for (const code of ['EPIPE', 'ENOSPC']) {
    const reader = new SlowReader()
    const output = new Output(reader)
    output.line('1')
    output.flush()
    output.line('2')
    const reported = async (promise: Promise<void>): Promise<void> => {
      if (code === 'EPIPE') await promise
      else await t.throwsAsync(promise, { message: code })
    }
    const end = reported(output.end())
    await reader.take(Object.assign(new Error(code), { code }))
    await end
    await reported(output.closed)
    output.line('3')
    output.flush()
    await reported(output.end())
    t.deepEqual([output.open, reader.batches], [false, ['1\n']])
  }
})

test('deferred lines wait until the buffer has room', async (t) => {
  const reader = new SlowReader()
  const output = new Output(reader, { heldMax: 8 })
  await output.room()
  for (const text of ['1', '2', '3']) output.line(text)
  let hasRoom = false
  const room = output.room().then(() => (hasRoom = true))
  t.deepEqual([reader.batches, hasRoom], [['1\n2\n3\n'], false])
  await reader.take()
  t.true(await room)
  t.is(output.skipped, 0)
  output.line('4')
  output.line('5')
  output.flush()
  output.line('6')
  output.line('7')
  const left = output.room()
  await reader.take(Object.assign(new Error('EPIPE'), { code: 'EPIPE' }))
  await left
  t.false(output.open)
})
