/** The account of `npm run integrations`: what became of each event, by the witness and by what a sink has received. */
import { join } from 'node:path'
import test from 'ava'
import { root } from '../support/fake/facade.ts'

const load = (name: string): Promise<any> => import(join(root, 'scripts', 'integrations', name))
const { Account } = await load('account.mjs')
const { Lives } = await load('lives.mjs')

const LOAD = 900
const MS = 1_000_000
type Kind = 'fork' | 'exec' | 'exit'

/** Returns the file of a witness. A moment is in milliseconds. */
function witnessed(events: readonly (readonly [ms: number, Kind, pid: number, parent?: number])[]): Buffer {
  const bytes = Buffer.alloc(24 * events.length)
  events.forEach(([ms, kind, pid, parent = 0], index) => {
    bytes.writeBigUInt64LE(BigInt(ms * MS), 24 * index)
    bytes.writeUInt32LE({ fork: 1, exec: 2, exit: 3 }[kind], 24 * index + 8)
    bytes.writeUInt32LE(pid, 24 * index + 12)
    bytes.writeUInt32LE(parent, 24 * index + 16)
  })
  return bytes
}

/** Five processes of the load, one a millisecond from 1 s on, of which those with an odd pid call exec; and a stranger, 50. */
const FIVE = witnessed([
  [1000, 'fork', 1, LOAD],
  [1001, 'exec', 1],
  [1002, 'exit', 1],
  [1010, 'fork', 2, LOAD],
  [1012, 'exit', 2],
  [1013, 'exit', 50],
  [1020, 'fork', 3, LOAD],
  [1021, 'exec', 3],
  [1022, 'exit', 3],
  [1030, 'fork', 4, LOAD],
  [1032, 'exit', 4],
  [1040, 'fork', 5, LOAD],
  [1041, 'exec', 5],
  [1042, 'exit', 5],
])

/** The milliseconds of the exits of FIVE, by pid. */
const EXITS: Readonly<Record<number, number>> = { 1: 1002, 2: 1012, 50: 1013, 3: 1022, 4: 1032, 5: 1042 }

/** Adds the lines of these exits of FIVE. */
function addExits(account: any, ...pids: readonly number[]): void {
  for (const pid of pids) account.add(exit(pid, EXITS[pid]!))
}

function accountOf(bytes: Buffer, types = 'exit') {
  const lives = new Lives(bytes, LOAD)
  return new Account({ lives, types, processes: lives.own.length, began: 0, rate: 0 })
}

const exit = (pid: number, ms: number) => ({ type: 'exit', pid, timestampNs: ms * MS, origin: 'kernel' })
const exec = (pid: number, ms: number) => ({ ...exit(pid, ms), type: 'exec' })
const loss = (cause: string, lost: number, ms = 1041) => ({ type: 'loss', timestampNs: ms * MS, cause, lost })

/** Returns the row of an account, and if the check has passed. */
function rowOf(account: any) {
  let row: any
  const checks = { row: (made: any) => (row = made), check: (_: string, isRight: boolean) => isRight }
  const isRight = account.check(checks, 'a case')
  return { isRight, ...row }
}

test('a line belongs to the process that had its pid at its time', (t) => {
  const reused = witnessed([
    [1000, 'fork', 1, LOAD],
    [1002, 'exit', 1],
    [1004, 'fork', 1, 70],
    [1006, 'exit', 1],
    [1010, 'fork', 2, LOAD],
    [1012, 'exit', 2],
  ])
  const account = accountOf(reused)
  for (const line of [exit(1, 1006), exit(2, 1012)]) account.add(line)
  t.like(rowOf(account), {
    sent: 2,
    delivered: 1,
    missing: { exits: 1, others: 0, execs: 0 },
    silent: 1,
    isRight: false,
  })
  account.add(exit(1, 1002))
  t.like(rowOf(account), { delivered: 2, silent: 0, isRight: true })
})

test('a process that has a pid of the load after the witness has ended does not count', (t) => {
  const account = accountOf(FIVE)
  addExits(account, 1, 2, 50, 3, 4)
  account.add(exit(5, 5000))
  t.like(rowOf(account), { delivered: 4, silent: 1, isRight: false })
})

test('a lost event of another process does not hide a silent loss', (t) => {
  const account = accountOf(FIVE)
  addExits(account, 1, 3, 4, 5)
  account.add(loss('output', 1))
  t.like(rowOf(account), { delivered: 4, missing: { exits: 1, others: 1, execs: 0 }, silent: 1, isRight: false })
  account.add(loss('output', 1))
  t.like(rowOf(account), { silent: 0, isRight: true })
})

test('an exec that the socket has lost does not hide a silent loss', (t) => {
  const account = accountOf(FIVE)
  addExits(account, 1, 5)
  account.add(loss('socket', 4))
  t.like(rowOf(account), { missing: { exits: 3, others: 1, execs: 1 }, silent: 1, isRight: false })
  account.add(loss('socket', 1))
  t.like(rowOf(account), { silent: 0, excess: 0, isRight: true })
  account.add(loss('socket', 2))
  t.like(rowOf(account), { silent: 0, excess: 2, isRight: true })
})

test('the output of a command for exits loses no execs', (t) => {
  const account = accountOf(FIVE)
  addExits(account, 1, 50, 5)
  account.add(loss('output', 3))
  t.like(rowOf(account), { missing: { exits: 3, others: 0, execs: 0 }, silent: 0, excess: 0, isRight: true })
})

test('a command that writes execs owes each of them', (t) => {
  const account = accountOf(FIVE, 'exec,exit')
  addExits(account, 1, 2, 50, 3, 4, 5)
  account.add(exec(1, 1001))
  account.add(exec(5, 1041))
  t.like(rowOf(account), { delivered: 5, missing: { exits: 0, others: 0, execs: 1 }, silent: 1, isRight: false })
})

test('an exit that was repaired after a loss is delivered, and its report is among the lost ones', (t) => {
  const account = accountOf(FIVE)
  addExits(account, 1, 2, 50, 3, 4)
  account.add({ ...exit(5, 1200), origin: 'resync' })
  t.like(rowOf(account), { delivered: 5, missing: { exits: 1, others: 0, execs: 0 }, silent: 1, isRight: false })
  account.add(loss('socket', 1))
  t.like(rowOf(account), { delivered: 5, silent: 0, isRight: true })
})

test('what was lost before the load does not count', (t) => {
  const account = accountOf(FIVE)
  account.add(loss('socket', 100, 900))
  t.is(account.told, 0)
})

test('numbers show what has not arrived, and what has come twice', (t) => {
  const account = accountOf(FIVE)
  const numbered = (line: object, seq: number) => ({ ...line, stream: 'a', seq })
  account.add(numbered({ type: 'start' }, 0))
  account.add(numbered(exit(1, 1002), 1))
  account.add(numbered(exit(1, 1002), 1))
  account.add(numbered(exit(50, 1013), 3))
  // Each file begins with it.
  account.add(numbered({ type: 'start' }, 0))
  t.deepEqual([account.gaps, account.duplicates, account.isEnded], [1, 1, false])
  for (const [seq, pid] of [3, 4, 5].entries()) account.add(numbered(exit(pid, EXITS[pid]!), 4 + seq))
  account.add(numbered({ type: 'end' }, 7))
  t.false(account.isEnded)
  t.like(rowOf(account), { gaps: 1, silent: 0, excess: 0, isRight: true })
  account.add(numbered(exit(2, 1012), 2))
  t.true(account.isEnded)
  t.like(rowOf(account), { delivered: 5, gaps: 0, silent: 0, isRight: true })
})

test('an exit that the witness has missed has to arrive nevertheless', (t) => {
  const account = accountOf(
    witnessed([
      [1000, 'fork', 1, LOAD],
      [1010, 'fork', 2, LOAD],
      [1012, 'exit', 2],
    ]),
  )
  account.add(exit(2, 1012))
  t.like(rowOf(account), { sent: 2, delivered: 1, silent: 1, isRight: false })
})
