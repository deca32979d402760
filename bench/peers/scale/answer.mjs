// Answers the requests of child.ts, one after the other.

/** Returns the CPU time of all threads so far, in seconds. */
function cpu() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Collects the garbage of this thread. Returns the size of its JavaScript objects, in MB. */
export function collect() {
  gc()
  return process.memoryUsage().heapUsed / 2 ** 20
}

/** `handlers`: by request, a function of its argument that returns the answer or a promise of it. */
export function answer(handlers) {
  const all = { cpu, collect, ...handlers }
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
