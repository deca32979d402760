// The containers that are tried with each runtime: their options, and what is expected of them.

/** The seconds that processes live. Snapshots see those that live for two seconds. */
const SHORT = 0.1
const LONG = 2

/** The capabilities that let a container join the host's namespaces. */
const JOINING = ['SYS_ADMIN', 'SYS_PTRACE']

/**
 * `pid` and `net` are `own` or `host`. `differs` is true if the /proc that is read is that of another pid namespace. `options` holds
 * the other options of the runtimes.
 */
export const variants = [
  { name: 'as the runtime makes it', options: {} },
  { name: '--net=host', options: { net: 'host' } },
  { name: 'network namespace of its own', options: { net: 'own' } },
  { name: '--pid=host', options: { pid: 'host' } },
  { name: '--pid=host --net=host', options: { pid: 'host', net: 'host' } },
  {
    name: '--pid=host --net=host, user nobody',
    options: { pid: 'host', net: 'host', user: 'nobody' },
  },
  { name: '--pid=host, SYS_ADMIN, SYS_PTRACE', options: { pid: 'host', capAdd: JOINING } },
  {
    name: '--pid=host, SYS_ADMIN, SYS_PTRACE, HOST_PROC',
    options: { pid: 'host', capAdd: JOINING, hostProc: true },
  },
  { name: 'SYS_ADMIN, SYS_PTRACE, HOST_PROC', options: { capAdd: JOINING, hostProc: true } },
  { name: '--privileged, HOST_PROC', options: { privileged: true, hostProc: true } },
  { name: "HOST_PROC: the host's /proc, read-only", options: { hostProc: true } },
  { name: 'read-only root', options: { readOnly: true } },
  { name: 'user nobody', options: { user: 'nobody' } },
  { name: '--cap-drop ALL', options: { capDrop: 'ALL' } },
  { name: '--cap-add PERFMON', options: { capAdd: ['PERFMON'] } },
  { name: '--cap-add SYS_ADMIN', options: { capAdd: ['SYS_ADMIN'] } },
  { name: 'hidepid=2, user nobody', options: { hidepid: true }, besideRoot: true },
  { name: 'cgroup namespace of its own', options: { cgroupns: 'private' } },
  { name: "host's cgroup namespace", options: { cgroupns: 'host' } },
  { name: 'user namespace', options: { userns: true } },
  { name: 'RestrictAddressFamilies=AF_UNIX', options: { families: true } },
]

/** Returns true if a runtime has all options of a container, and the container differs from what the runtime makes anyway. */
export function isTried({ options }, runtime) {
  const keys = Object.keys(options)
  const differing = keys.filter((key) => options[key] !== runtime.defaults[key])
  // In a user namespace, no capability reaches the host.
  const isVain = runtime.isRootless && (options.privileged || options.capAdd?.includes(JOINING.at(-1)))
  return (
    !isVain && (keys.length === 0 || differing.length > 0) && differing.every((key) => runtime.supports.includes(key))
  )
}

/** Returns what is expected of a container. */
export function expectations({ options }, runtime, { isOpen, hasExitCodes }) {
  const settings = { ...runtime.defaults, ...options }
  const isInitialUser = !runtime.isRootless && !options.userns
  const joins =
    runtime.mayJoin === true || options.privileged === true || JOINING.every((name) => options.capAdd?.includes(name))
  // A process that may join a network namespace finds that of process 1 in /proc.
  const isShown = options.hostProc === true || settings.pid === 'host' || runtime.showsNetwork === true
  const reaches = settings.net === 'host' || (joins && !options.capDrop && isShown)
  const differs = options.hostProc === true && settings.pid !== 'host'
  const code = options.families
    ? 'ERR_PERMISSION'
    : !isInitialUser
      ? 'ERR_USER_NAMESPACE'
      : !reaches
        ? 'ERR_NETWORK_NAMESPACE'
        : settings.pid !== 'host'
          ? 'ERR_PID_NAMESPACE'
          : isOpen || options.privileged
            ? null
            : 'ERR_PERMISSION'
  return {
    /** The reason why the connector does not answer; null if it does. */
    code,
    /** True: a child in the host's namespaces may subscribe for a container with a pid namespace of its own. */
    mayJoin: isInitialUser && joins && !options.capDrop && differs,
    differs,
    /** True: the processes of the host are visible. */
    isForeign: settings.pid === 'host' || differs,
    seconds: differs ? LONG : SHORT,
    hasExitCodes: hasExitCodes && !differs,
  }
}
