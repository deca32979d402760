/** An id of this machine that is the same after each boot, and does not reveal the machine id. */
import { createHmac } from 'node:crypto'
import { defaultProcRoot } from '../../native/binding.js'
import { read } from './proc.js'

/** The id of this package, for `systemd-id128 machine-id --app-specific=ID`. It never changes. */
export const APP_ID = 'c7a4b0f27d1e4c1f9a56d3be8f20e971'

/**
 * Returns the id, 32 hexadecimal digits, as sd_id128_get_machine_app_specific(3) computes it. machine-id(5) asks not to show
 * the machine id itself. null: the machine has none.
 *
 * In a container with the pid namespace of the host, the machine id is read in the root of process 1, if that is permitted.
 */
export function hostId(procRoot: string = defaultProcRoot()): string | null {
  for (const path of [`${procRoot}/1/root/etc/machine-id`, '/etc/machine-id']) {
    const machineId = read(path)?.trim() ?? ''
    if (/^[0-9a-f]{32}$/.test(machineId)) return appSpecific(machineId)
  }
  return null
}

/** Returns the HMAC of the package's id, keyed by the machine id, in the form of a UUID of version 4. */
export function appSpecific(machineId: string): string {
  const id = createHmac('sha256', Buffer.from(machineId, 'hex'))
    .update(Buffer.from(APP_ID, 'hex'))
    .digest()
    .subarray(0, 16)
  id[6] = (id[6]! & 0x0f) | 0x40
  id[8] = (id[8]! & 0x3f) | 0x80
  return id.toString('hex')
}
