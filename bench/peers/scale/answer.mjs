// Answers the requests of child.ts, one after the other.

const own = {
  cpu() {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  },
  collect,
}

/** Collects the garbage of this thread. Returns the memory that V8 keeps for new objects, in MB. */
export function collect() {
  gc()
  const { heapTotal, heapUsed } = process.memoryUsage()
  return (heapTotal - heapUsed) / 2 ** 20
}

/** `handlers`: by request, a function of its argument that returns the answer or a promise of it. */
export function answer(handlers) {
  const all = { ...own, ...handlers }
  process.on('message', async ({ request, argument }) => {
    try {
      process.send({ answer: (await all[request](argument)) ?? null })
    } catch (error) {
      process.send({ answer: null, error: String(error.stack) })
    }
  })
  // The program ends with the benchmark.
  process.on('disconnect', () => process.exit())
}
