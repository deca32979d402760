/** Messages in the group that the kernel did not send. They are not reported, and are counted. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { getProcessMonitor } from '../../dist/index.js'
import { has } from '../support/load.ts'
import { connectorSockets, run, until } from '../support/helpers.ts'

/**
 * A Python program that sends forged exits of a process to all listeners, and to one listener by its address. The exits
 * have the kernel's format, are cut off, or are too long. It also sends an acknowledgement that is cut off.
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
/** The first four messages, each sent twice. The BPF filter drops the others, because it reads beyond their end. */
const REJECTED = 8

test('a forged exit is not reported and counts as rejected', async (t) => {
  if (!has(t, 'python3')) return
  const monitor = getProcessMonitor()
  const child = spawn('/bin/sleep', ['60'])
  try {
    const reported: string[] = []
    monitor.subscribeExec((pid, { origin }) => pid === child.pid && reported.push(`exec ${origin}`))
    monitor.subscribeExit((pid, { signal }) => pid === child.pid && reported.push(`exit ${signal}`))
    await once(child, 'spawn')
    await monitor.initialize()
    t.deepEqual(reported, ['exec bootstrap'])
    const before = monitor.stats().rejected
    const { port } = connectorSockets()[0]!
    const args = ['-c', FORGER, String(child.pid), String(port)]
    const { status, stderr } = spawnSync('python3', args, { encoding: 'utf8' })
    t.is(stderr, '')
    t.is(status, 0)
    await until('the forged messages were counted', () => monitor.stats().rejected - before >= REJECTED)
    const ended = new Set<number>()
    monitor.subscribeExit((pid) => ended.add(pid))
    const later = await run('/bin/true')
    await until('a later exit was delivered', () => ended.has(later))
    t.deepEqual(reported, ['exec bootstrap'])
    t.is(child.exitCode, null)
    child.kill('SIGKILL')
    await until('its real exit was delivered', () => reported.length > 1)
    t.deepEqual(reported, ['exec bootstrap', 'exit SIGKILL'])
    t.is(monitor.stats().rejected - before, REJECTED)
    const { resync, restart, lostSocket } = monitor.stats()
    t.deepEqual({ resync, restart, lostSocket }, { resync: 0, restart: 0, lostSocket: 0 })
  } finally {
    child.kill('SIGKILL')
    await monitor.stop()
  }
})
