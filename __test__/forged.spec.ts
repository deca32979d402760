/** Messages that somebody else than the kernel sends to the group: they tell nothing, and are counted. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { getProcessMonitor } from '../index.js'
import { has } from './load.ts'
import { connectorSockets, run, until } from './support.ts'

/**
 * Sends exits of a process to all listeners, and to one of them by its address: as the kernel writes them, cut off, and
 * too long; and an acknowledgement that is cut off.
 */
const FORGER = `
import socket, struct, sys
pid, port = int(sys.argv[1]), int(sys.argv[2])
connector = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
connector.bind((0, 0))
header = struct.pack("=IHHII", 76, 3, 0, 1, 0) + struct.pack("=4I2H", 1, 1, 1, 0, 40, 0)
exit = header + struct.pack("=IIQ6I", 0x80000000, 0, 1, pid, pid, 0x700, 17, 1, 1)
assert len(exit) == 76
for forged in (exit, exit + bytes(100), header + bytes(4), exit[:60], exit[:40], exit[:10]):
    connector.sendto(forged, (0, 1))
    connector.sendto(forged, (port, 0))
`
/** The first four, each sent twice; in the others the filter within the kernel looks for what is not there, and drops them. */
const REJECTED = 8

test('a forged exit is not reported and counts as rejected', async (t) => {
  if (!has(t, 'python3')) return
  const monitor = getProcessMonitor()
  const child = spawn('/bin/sleep', ['60'])
  try {
    const told: string[] = []
    monitor.subscribeExec((pid, { origin }) => pid === child.pid && told.push(`exec ${origin}`))
    monitor.subscribeExit((pid, { signal }) => pid === child.pid && told.push(`exit ${signal}`))
    await once(child, 'spawn')
    await monitor.initialize()
    t.deepEqual(told, ['exec bootstrap'])
    const before = monitor.stats().rejected
    const { port } = connectorSockets()[0]!
    const args = ['-c', FORGER, String(child.pid), String(port)]
    const { status, stderr } = spawnSync('python3', args, { encoding: 'utf8' })
    t.is(stderr, '')
    t.is(status, 0)
    await until('the forged ones were counted', () => monitor.stats().rejected - before >= REJECTED)
    const ended = new Set<number>()
    monitor.subscribeExit((pid) => ended.add(pid))
    const later = await run('/bin/true')
    await until('what came after them was delivered', () => ended.has(later))
    t.deepEqual(told, ['exec bootstrap'])
    t.is(child.exitCode, null)
    child.kill('SIGKILL')
    await until('its real exit was delivered', () => told.length > 1)
    t.deepEqual(told, ['exec bootstrap', 'exit SIGKILL'])
    t.is(monitor.stats().rejected - before, REJECTED)
    const { resync, restart, lostSocket } = monitor.stats()
    t.deepEqual({ resync, restart, lostSocket }, { resync: 0, restart: 0, lostSocket: 0 })
  } finally {
    child.kill('SIGKILL')
    await monitor.stop()
  }
})
