/** Finds the id of a container in a cgroup path. */
import { readFileSync } from 'node:fs'

/**
 * Matches the last generated id in a path. Docker, containerd, cri-o, podman and Kubernetes have 64 hexadecimal digits. Tasks of
 * Amazon ECS have 32 digits and a number.
 */
const GENERATED_ID = /.*(?<![0-9a-f])([0-9a-f]{64}|[0-9a-f]{32}-[0-9]{1,20})(?![0-9a-f-])/
/** Matches the scope of a monitor of podman or cri-o. The monitor runs outside the container that it is named after. */
const MONITOR = /(?:libpod|crio)-conmon-[0-9a-f]{64}\.scope(?:\/|$)/
/**
 * Matches a container that the user has named. LXC and Incus: the payload, not the monitor. systemd-nspawn: the machine,
 * without the supervisor, and without virtual machines.
 */
const NAMED = [
  /\/lxc\.payload[./]([^/]+)/,
  /\/lxc\/([^/]+)/,
  /\/machine-((?!qemu\\x2d)[^/]+)\.scope(?!\/supervisor)/,
  /\/systemd-nspawn@([^/]+)\.service(?!\/supervisor)/,
]

/** Matches a file that docker or podman mounts into each container, by its place on the host. */
const MOUNTED =
  /^\S+ \S+ \S+ \S*\/(?:overlay-)?containers\/([0-9a-f]{64})\/\S* \/etc\/(?:hostname|hosts|resolv\.conf) /m

let own: string | null | undefined

/**
 * Returns the id of the container that this process is in, if it has a cgroup namespace of its own. There the cgroup of all its
 * processes is `/`.
 */
function ownContainerId(): string | null {
  if (own !== undefined) return own
  try {
    const isRoot = readFileSync('/proc/self/cgroup', 'utf8').trimEnd().endsWith('::/')
    own = isRoot ? containerIdIn(readFileSync('/proc/self/mountinfo', 'utf8')) : null
  } catch {
    own = null
  }
  return own
}

/** Returns the id of the container that has these mounts. null: they are of no container of docker or podman. */
export function containerIdIn(mountinfo: string): string | null {
  return MOUNTED.exec(mountinfo)?.[1] ?? null
}

/** Returns the container's id in a cgroup path. null: the path has none. */
export function containerIdOf(cgroup: string): string | null {
  if (cgroup === '/') return ownContainerId()
  if (MONITOR.test(cgroup)) return null
  const generated = GENERATED_ID.exec(cgroup)
  if (generated !== null) return generated[1]!
  for (const pattern of NAMED) {
    const named = pattern.exec(cgroup)
    if (named !== null) return unescaped(named[1]!)
  }
  return null
}

/** Undoes systemd's escapes: `\x2d` stands for a hyphen, and a longer character for its bytes in UTF-8. */
function unescaped(name: string): string {
  return name.replaceAll(/(?:\\x[0-9a-f]{2})+/g, (bytes) => Buffer.from(bytes.replaceAll('\\x', ''), 'hex').toString())
}
