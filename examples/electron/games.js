// Which games are being played: what tells a game, and when one begins and ends.

/** A game is told by the name of its program, whichever folder it is in; under Wine and Proton, by that of its .exe. */
const GAMES = [
  { title: 'Counter-Strike 2', programs: ['cs2'] },
  { title: 'Factorio', programs: ['factorio'] },
  { title: 'Hollow Knight', programs: ['hollow_knight.x86_64', 'hollow_knight.exe'] },
]

/**
 * Reports games to `began(title)` and `ended(title)`: those that run already when the monitor is initialized, and those
 * that start later. What belongs to one game, launchers and Wine's helpers, counts as one.
 */
function watchGames(monitor, games, { began, ended }) {
  const titles = new Map(games.flatMap(({ title, programs }) => programs.map((name) => [name.toLowerCase(), title])))
  const playing = new Map(games.map(({ title }) => [title, new Set()]))

  const leave = (pid) => {
    for (const [title, pids] of playing) if (pids.delete(pid) && pids.size === 0) ended(title)
  }
  const subscriptions = [
    monitor.subscribeExec(
      (pid, { process }) => {
        const title = programsOf(process)
          .map((name) => titles.get(name))
          .find(Boolean)
        // A launcher may replace itself by something else.
        if (!playing.get(title)?.has(pid)) leave(pid)
        if (title === undefined) return
        playing.get(title).add(pid)
        if (playing.get(title).size === 1) began(title)
      },
      { capture: ['exe', 'argv'] },
    ),
    monitor.subscribeExit(leave),
  ]
  return () => subscriptions.forEach((unsubscribe) => unsubscribe())
}

/** The program itself, and what Wine is told to run: a path of either kind that ends in .exe. */
function programsOf({ exe, argv }) {
  const paths = [exe, argv?.[0], ...(argv ?? []).filter((argument) => /\.exe$/i.test(argument))]
  return paths.filter(Boolean).map((path) => path.split(/[/\\]/).at(-1).toLowerCase())
}

module.exports = { GAMES, watchGames }
