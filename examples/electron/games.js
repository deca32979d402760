// Detects when a game starts and ends.

/**
 * A game is recognized by the name of its program, or by the folder that it runs in. Under Wine and Proton, the name is that of
 * its .exe file.
 */
const GAMES = [
  { title: 'Counter-Strike 2', programs: ['cs2'] },
  { title: 'Factorio', programs: ['factorio'] },
  { title: 'Hollow Knight', programs: ['hollow_knight.x86_64', 'hollow_knight.exe'] },
  { title: 'Hades', programs: ['hades.exe'], folder: /\/steamapps\/common\/Hades(\/|$)/ },
]

/** The kernel cuts the name that a process gives itself to this length, in bytes. */
const COMM_LENGTH = 15

/**
 * Reports games to `began(title)` and `ended(title)`: those that already run when the monitor is initialized, and those that
 * start later. All processes of one game, such as launchers and Wine's helpers, count as one.
 */
function watchGames(monitor, games, { began, ended }) {
  const playing = new Map(games.map(({ title }) => [title, new Set()]))

  const leave = (pid) => {
    for (const [title, pids] of playing) if (pids.delete(pid) && pids.size === 0) ended(title)
  }
  const update = (pid, { process }) => {
    const names = namesOf(process)
    const game = games.find((it) => isRunning(it, names, process.cwd ?? ''))
    // A launcher may replace itself by another program.
    if (!playing.get(game?.title)?.has(pid)) leave(pid)
    if (game === undefined) return
    const pids = playing.get(game.title)
    pids.add(pid)
    if (pids.size === 1) began(game.title)
  }
  const options = { capture: ['exe', 'argv', 'cwd', 'comm'], recapture: true }
  const subscriptions = [
    monitor.subscribeExec(update, options),
    // Wine starts as its loader, and then takes the name of the Windows program. Renames of other threads do not matter.
    monitor.subscribe('comm', (pid, event) => event.tid === pid && update(pid, event), options),
    monitor.subscribeExit(leave),
  ]
  return () => subscriptions.forEach((unsubscribe) => unsubscribe())
}

function isRunning({ programs, folder }, names, cwd) {
  const isNamed = programs.some((program) => names.has(program) || names.has(program.slice(0, COMM_LENGTH)))
  return isNamed || folder?.test(cwd) === true
}

/** Returns the names of the program, of the .exe files in its arguments, and the name that the process has given itself. */
function namesOf({ exe, argv, comm }) {
  const paths = [exe, comm, argv?.[0], ...(argv ?? []).filter((argument) => /\.exe$/i.test(argument))]
  return new Set(paths.filter(Boolean).map((path) => path.split(/[/\\]/).at(-1).toLowerCase()))
}

module.exports = { GAMES, watchGames }
