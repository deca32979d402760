/** The hidden classes that V8 gives to events. Events of one type share one, whatever their values are. */
import { setFlagsFromString } from 'node:v8'
import test from 'ava'
import type { ProcessEvent } from '../../dist/index.js'
import { initialized, settled } from '../support/fake/facade.ts'

setFlagsFromString('--allow-natives-syntax')
const haveSameMap = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean
const isFast = new Function('a', 'return %HasFastProperties(a)') as (a: object) => boolean

test('events of a type share one hidden class, and so do their details', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const events: ProcessEvent[] = []
  for (const type of ['fork', 'exec', 'exit', 'comm', 'uid', 'sid'] as const) {
    monitor.subscribe(type, (_, event) => events.push(event))
  }
  for (let i = 0; i < 50; i++) {
    // Like the kernel's times, which are always some seconds after the boot.
    const time = 10 ** 12 + 7 * i
    const unread = i % 5 === 0 ? null : undefined
    const process = { name: unread ?? `name-${i}`, ppid: unread ?? i, argv: unread ?? ['a', 'b'], uid: unread ?? 1000 }
    const others = { process, time }
    fake.source.push(
      r.event('fork', i, others),
      r.exec(i, others),
      r.event('uid', i, others),
      r.event('sid', i, others),
    )
    const [code, signal] = i % 2 === 0 ? [i, undefined] : [undefined, 9]
    const duration = i % 3 === 0 ? undefined : 10 ** 9 * i
    fake.source.push(r.exit(i, { code, signal, duration, ppid: i % 4, ...others }), r.comm(i, i + 1, `comm-${i}`))
  }
  await settled(fake)
  const groups = Map.groupBy(events, ({ type }) => type)
  t.is(groups.size, 6)
  for (const [type, group] of groups) {
    const [first] = group
    t.is(group.length, 50)
    for (const event of group) {
      t.true(haveSameMap(event, first!) && isFast(event), type)
      t.true(haveSameMap(event.process, first!.process), type)
    }
  }
})
