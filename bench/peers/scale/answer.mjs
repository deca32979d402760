// Answers the requests of child.ts, one after the other.

/** `handlers`: by request, a function of its argument that returns the answer or a promise of it. */
export function answer(handlers) {
  process.on('message', async ({ request, argument }) => {
    try {
      process.send({ answer: (await handlers[request](argument)) ?? null })
    } catch (error) {
      process.send({ answer: null, error: String(error.stack) })
    }
  })
  // The program ends with the benchmark.
  process.on('disconnect', () => process.exit())
}
