/** Losses on the real kernel: that they are counted, told and made right. */
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { getProcessMonitor, type ProcessField } from '../../dist/index.js'
import { Load, has, type Storm } from '../support/load.ts'
import { connectorSockets, until } from '../support/helpers.ts'
import { SubscriberModel } from '../support/subscriber-model.ts'

const serial = test.serial

/** A second after a storm, what the subscriber knows is true, whatever was lost. */
async function isTrueAgain(t: ExecutionContext, model: SubscriberModel, storm: Storm, code: number): Promise<void> {
  const took = await model.becomesTrue(storm)
  t.log(`true again after ${took.toFixed(0)} ms`)
  t.true(took < 1000)
  t.deepEqual(model.endedTwice(storm, code), [])
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
      // Those whose exec was told end in the midst of the next storm.
      for (const pid of living) {
        load.end(pid)
        await setTimeout(10)
      }
      const storm = await done
      await isTrueAgain(t, model, storm, load.code)
      t.deepEqual(model.notEndedOnce(living), [])
      living = storm.stays
    }
    await until("what was counted is the kernel's number", () => {
      return monitor.stats().lostSocket === connectorSockets()[0]!.drops
    })
    await until('the losses were told', () => model.lost('socket') >= monitor.stats().lostSocket)
    const { lostSocket, lostQueue, resync, receiveBufferSize } = monitor.stats()
    t.log(`${lostSocket} events lost with ${receiveBufferSize} bytes, ${resync} resyncs`)
    t.true(lostSocket > 0 && resync > 0)
    t.is(lostQueue, 0)
    t.is(model.lost('socket'), lostSocket)
    t.deepEqual(model.recovered, model.toldRecovered())
  } finally {
    model.close()
    await monitor.stop()
    load.remove()
  }
}

serial('a receive buffer of ten events: what the kernel dropped is counted, told and made right', overflow, [])

serial('the same while details are read at every exec', overflow, ['name', 'exe', 'argv', 'cgroup'])

serial(
  'a start in the midst of a storm: what is lost while the scan is to come is counted, told and made right',
  async (t) => {
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
          t.true((await model.becomesTrue(storm)) < 1000)
          t.deepEqual(model.endedTwice(storm, load.code), [])
          await until("what was counted is the kernel's number", () => {
            return monitor.stats().lostSocket === connectorSockets()[0]!.drops
          })
          await until('the losses were told', () => model.lost('socket') >= monitor.stats().lostSocket)
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
  },
)

serial('a queue of 64 events and a blocked JavaScript: what did not fit is counted, told and made right', async (t) => {
  if (!has(t, 'cc')) return
  const load = new Load('pe-loss-queue')
  const monitor = getProcessMonitor()
  const model = new SubscriberModel(monitor)
  try {
    await monitor.initialize({ queueSize: 64 })
    const first = load.stormSync({ count: 4000, stays: 10 })
    await isTrueAgain(t, model, first, load.code)
    // Who is known to run may end, too, while JavaScript is blocked.
    const ended = first.stays.slice(0, 5)
    ended.forEach((pid) => load.end(pid))
    const second = load.stormSync({ count: 4000, stays: 10 })
    await isTrueAgain(t, model, second, load.code)
    t.deepEqual(model.notEndedOnce(ended), [])

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
