/** Finds the id of a container in a cgroup path. */
import { readFileSync, readlinkSync } from 'node:fs'

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

/**
 * Matches a file that docker or podman mounts into each container, by its place on the host. podman's folder begins with the
 * storage driver: `overlay-containers`, `vfs-containers`, `btrfs-containers`.
 */
const MOUNTED =
  /^\S+ \S+ \S+ \S*\/(?:[a-z0-9]+-)?containers\/([0-9a-f]{64})\/\S* \/etc\/(?:hostname|hosts|resolv\.conf) /m

/** The links to the first cgroup and pid namespaces, whose numbers are constants of the kernel. */
const HOST = { cgroup: 'cgroup:[4026531835]', pid: 'pid:[4026531836]' }

let own: string | null | undefined

/**
 * Returns the id of the container that this process is in, if `/` is the cgroup of all its processes. This is so in a cgroup
 * namespace of its own, and in a rootless container without a cgroup. There, `/` is also the cgroup of other processes of the
 * host, which a pid namespace hides.
 */
function ownContainerId(): string | null {
  if (own !== undefined) return own
  try {
    const isRoot = readFileSync('/proc/self/cgroup', 'utf8').trimEnd().endsWith('::/')
    const isAlone = (['cgroup', 'pid'] as const).some((name) => readlinkSync(`/proc/self/ns/${name}`) !== HOST[name])
    own = isRoot && isAlone ? containerIdIn(readFileSync('/proc/self/mountinfo', 'utf8')) : null
  } catch {
    own = null
  }
  return own
}

/** Returns the id of the container that has these mounts. null: they are of no container of docker or podman. */
export function containerIdIn(mountinfo: string): string | null {
  return MOUNTED.exec(mountinfo)?.[1] ?? null
}

/** Paths whose container is remembered. Most processes have one of a few. */
const PATHS_MAX = 256
const known = new Map<string, string | null>()

/** Returns the container's id in a cgroup path. null: the path has none. */
export function containerIdOf(cgroup: string): string | null {
  const before = known.get(cgroup)
  if (before !== undefined) return before
  const id = findContainerId(cgroup)
  if (known.size >= PATHS_MAX) known.clear()
  known.set(cgroup, id)
  return id
}

function findContainerId(cgroup: string): string | null {
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
