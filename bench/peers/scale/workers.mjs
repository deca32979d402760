// This package in many worker threads, as scale/workers.ts measures it.
/* oxlint-disable unicorn/require-post-message-target-origin -- a thread is no window */
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { answer, collect } from './answer.mjs'

const workers = []

async function ask(worker, request) {
  worker.postMessage(request)
  const [answered] = await once(worker, 'message')
  return answered
}

const askAll = (request) => Promise.all(workers.map((worker) => ask(worker, request)))

async function timed(request) {
  const began = performance.now()
  await askAll(request)
  return performance.now() - began
}

/** Returns the names of the threads of this process. */
function threads() {
  return readdirSync('/proc/self/task').flatMap((tid) => {
    try {
      return [readFileSync(`/proc/self/task/${tid}/comm`, 'utf8').trim()]
    } catch {
      return []
    }
  })
}

answer({
  async boot({ count }) {
    for (let i = 0; i < count; i++) workers.push(new Worker(new URL('worker.mjs', import.meta.url)))
    await askAll('boot')
  },
  start: () => timed('start'),
  counts: () => askAll('counts'),
  stop: () => timed('stop'),
  threads,
  async collect() {
    const sizes = await askAll('collect')
    return sizes.reduce((sum, size) => sum + size, collect())
  },
  async end() {
    await Promise.all(workers.map((worker) => worker.terminate()))
  },
})
