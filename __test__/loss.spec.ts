/** Losses on the real kernel: that they are counted, told and made right. */
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { getProcessMonitor, type ProcessField } from '../index.js'
import { Load, has, type Storm } from './load.ts'
import { connectorSockets, until } from './support.ts'
import { View } from './view.ts'

const serial = test.serial

/** A second after a storm, what the subscriber knows is true, whatever was lost. */
async function isTrueAgain(t: ExecutionContext, view: View, storm: Storm, code: number): Promise<void> {
  const took = await view.becomesTrue(storm)
  t.log(`true again after ${took.toFixed(0)} ms`)
  t.true(took < 1000)
  t.deepEqual(view.endedTwice(storm, code), [])
}

async function overflow(t: ExecutionContext, capture: readonly ProcessField[]): Promise<void> {
  if (!has(t, 'cc')) return
  const load = new Load('pe-loss-socket')
  const monitor = getProcessMonitor()
  const view = new View(monitor, capture)
  try {
    await monitor.initialize({ receiveBufferSize: 4096 })
    let living: readonly number[] = []
    for (let rounds = 0; rounds < 2 || (monitor.stats().lostSocket === 0 && rounds < 5); rounds++) {
      const { done } = load.storm({ count: 10_000, stays: 10 })
      // Those whose exec was told end in the midst of the next storm.
      for (const pid of living) {
        load.end(pid)
        await setTimeout(10)
      }
      const storm = await done
      await isTrueAgain(t, view, storm, load.code)
      t.deepEqual(view.notEndedOnce(living), [])
      living = storm.stays
    }
    await until("what was counted is the kernel's number", () => {
      return monitor.stats().lostSocket === connectorSockets()[0]!.drops
    })
    await until('the losses were told', () => view.lost('socket') >= monitor.stats().lostSocket)
    const { lostSocket, lostQueue, resync, receiveBufferSize } = monitor.stats()
    t.log(`${lostSocket} events lost with ${receiveBufferSize} bytes, ${resync} resyncs`)
    t.true(lostSocket > 0 && resync > 0)
    t.is(lostQueue, 0)
    t.is(view.lost('socket'), lostSocket)
    t.deepEqual(view.recovered, view.toldRecovered())
  } finally {
    view.close()
    await monitor.stop()
    load.remove()
  }
}

serial('events dropped by a receive buffer of ten events are counted, reported and recovered', overflow, [])

serial('dropped events are recovered while details are read at every exec', overflow, ['name', 'exe', 'argv', 'cgroup'])

serial('events lost before the bootstrap scan are counted, reported and recovered', async (t) => {
  if (!has(t, 'cc')) return
  const load = new Load('pe-loss-start')
  try {
    for (let round = 0; round < 20; round++) {
      const monitor = getProcessMonitor()
      const view = new View(monitor)
      const { done } = load.storm({ count: 2000, stays: 3 })
      try {
        await setTimeout(3 + round)
        await monitor.initialize({ receiveBufferSize: 1 })
        const storm = await done
        t.true((await view.becomesTrue(storm)) < 1000)
        t.deepEqual(view.endedTwice(storm, load.code), [])
        await until("what was counted is the kernel's number", () => {
          return monitor.stats().lostSocket === connectorSockets()[0]!.drops
        })
        await until('the losses were told', () => view.lost('socket') >= monitor.stats().lostSocket)
        t.is(view.lost('socket'), monitor.stats().lostSocket)
      } finally {
        view.close()
        await monitor.stop()
        await done
      }
    }
  } finally {
    load.remove()
  }
})

serial('events lost by a queue of 64 events are counted, reported and recovered', async (t) => {
  if (!has(t, 'cc')) return
  const load = new Load('pe-loss-queue')
  const monitor = getProcessMonitor()
  const view = new View(monitor)
  try {
    await monitor.initialize({ queueSize: 64 })
    const first = load.stormSync({ count: 4000, stays: 10 })
    await isTrueAgain(t, view, first, load.code)
    // Who is known to run may end, too, while JavaScript is blocked.
    const ended = first.stays.slice(0, 5)
    ended.forEach((pid) => load.end(pid))
    const second = load.stormSync({ count: 4000, stays: 10 })
    await isTrueAgain(t, view, second, load.code)
    t.deepEqual(view.notEndedOnce(ended), [])

    const { lostSocket, lostQueue, queueHighWater } = monitor.stats()
    t.log(`${lostQueue} events lost`)
    t.true(lostQueue > 0)
    t.is(lostSocket, 0)
    t.is(queueHighWater, 64)
    t.deepEqual([view.lost('socket'), view.lost('queue')], [0, lostQueue])
  } finally {
    view.close()
    await monitor.stop()
    load.remove()
  }
})
