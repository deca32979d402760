/** Losses on the real kernel. They are counted, reported and recovered. */
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { getProcessMonitor, type ProcessField } from '../../dist/index.js'
import { Load, has, type Storm } from '../support/load.ts'
import { connectorSockets, until } from '../support/helpers.ts'
import { SubscriberModel } from '../support/subscriber-model.ts'

const serial = test.serial

/** Checks that the subscriber's model equals the machine's processes within a second after a storm. */
async function converges(t: ExecutionContext, model: SubscriberModel, storm: Storm, code: number): Promise<void> {
  const took = await model.converges(storm)
  t.log(`recovered after ${took.toFixed(0)} ms`)
  t.true(took < 1000)
  t.deepEqual(model.withTwoExits(storm, code), [])
}

async function overflow(t: ExecutionContext, capture: readonly ProcessField[]): Promise<void> {
  if (!has(t, 'cc')) return
  const load = new Load('pe-loss-socket')
  const monitor = getProcessMonitor()
  const model = new SubscriberModel(monitor, capture)
  try {
    await monitor.initialize({ receiveBufferSize: 4096 })
    let living: readonly number[] = []
    for (let rounds = 0; rounds < 2 || (monitor.stats().lostSocket === 0 && rounds < 5); rounds++) {
      const { done } = load.storm({ count: 10_000, stays: 10 })
      // Processes with a reported exec exit during the next storm.
      for (const pid of living) {
        load.end(pid)
        await setTimeout(10)
      }
      const storm = await done
      await converges(t, model, storm, load.code)
      t.deepEqual(model.withoutOneExit(living), [])
      living = storm.stays
    }
    await until("what was counted is the kernel's number", () => {
      return monitor.stats().lostSocket === connectorSockets()[0]!.drops
    })
    await until('the losses were reported', () => model.lost('socket') >= monitor.stats().lostSocket)
    const { lostSocket, lostQueue, resync, receiveBufferSize } = monitor.stats()
    t.log(`${lostSocket} events lost with ${receiveBufferSize} bytes, ${resync} resyncs`)
    t.true(lostSocket > 0 && resync > 0)
    t.is(lostQueue, 0)
    t.is(model.lost('socket'), lostSocket)
    t.deepEqual(model.recovered, model.reportedRecovered())
  } finally {
    model.close()
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
      const model = new SubscriberModel(monitor)
      const { done } = load.storm({ count: 2000, stays: 3 })
      try {
        await setTimeout(3 + round)
        await monitor.initialize({ receiveBufferSize: 1 })
        const storm = await done
        t.true((await model.converges(storm)) < 1000)
        t.deepEqual(model.withTwoExits(storm, load.code), [])
        await until("what was counted is the kernel's number", () => {
          return monitor.stats().lostSocket === connectorSockets()[0]!.drops
        })
        await until('the losses were reported', () => model.lost('socket') >= monitor.stats().lostSocket)
        t.is(model.lost('socket'), monitor.stats().lostSocket)
      } finally {
        model.close()
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
  const model = new SubscriberModel(monitor)
  try {
    await monitor.initialize({ queueSize: 64 })
    const first = load.stormSync({ count: 4000, stays: 10 })
    await converges(t, model, first, load.code)
    // Reported processes may also exit while JavaScript is blocked.
    const ended = first.stays.slice(0, 5)
    ended.forEach((pid) => load.end(pid))
    const second = load.stormSync({ count: 4000, stays: 10 })
    await converges(t, model, second, load.code)
    t.deepEqual(model.withoutOneExit(ended), [])

    const { lostSocket, lostQueue, queueHighWater } = monitor.stats()
    t.log(`${lostQueue} events lost`)
    t.true(lostQueue > 0)
    t.is(lostSocket, 0)
    t.is(queueHighWater, 64)
    t.deepEqual([model.lost('socket'), model.lost('queue')], [0, lostQueue])
  } finally {
    model.close()
    await monitor.stop()
    load.remove()
  }
})
