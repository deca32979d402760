/** Opens a page in headless Chromium, if it is installed. */
import { spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { ExecutionContext } from 'ava'
import { has } from './load.ts'
import { until } from './helpers.ts'

export interface Page {
  /** Resolves with the value of an expression. */
  evaluate(expression: string): Promise<unknown>
  /** Returns the errors of scripts, and everything that the policy of the page refused. */
  problems(): string[]
  close(): void
}

/** Resolves with null if Chromium is not installed. */
export async function openPage(t: ExecutionContext, file: string): Promise<Page | null> {
  if (!has(t, 'chromium')) return null
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', 'about:blank']
  const browser = spawn('chromium', flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
  t.teardown(() => browser.kill('SIGKILL'))
  const [input, output] = [browser.stdio[3] as Writable, browser.stdio[4] as Readable]
  const waiting = new Map<number, (message: any) => void>()
  const problems: string[] = []
  let loaded = false
  let held = ''
  output.setEncoding('utf8').on('data', (text: string) => {
    const messages = (held + text).split('\0')
    held = messages.pop()!
    for (const message of messages.map((one) => JSON.parse(one))) {
      if (message.id !== undefined) waiting.get(message.id)!(message)
      else if (message.method === 'Page.loadEventFired') loaded = true
      else if (/^(?:Runtime\.exceptionThrown|Log\.entryAdded)$/.test(message.method))
        problems.push(JSON.stringify(message.params))
    }
  })
  let last = 0
  const send = (method: string, params: object = {}, sessionId?: string): Promise<any> =>
    new Promise((resolve) => {
      waiting.set(++last, resolve)
      input.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`)
    })
  const { result: target } = await send('Target.createTarget', { url: 'about:blank' })
  const { result: session } = await send('Target.attachToTarget', { targetId: target.targetId, flatten: true })
  const id = session.sessionId as string
  for (const domain of ['Runtime', 'Log', 'Page']) await send(`${domain}.enable`, {}, id)
  await send('Page.navigate', { url: `file://${file}` }, id)
  await until('the page is loaded', () => loaded)
  return {
    async evaluate(expression) {
      const { result } = await send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true }, id)
      if (result.exceptionDetails !== undefined) problems.push(JSON.stringify(result.exceptionDetails))
      return result.result.value
    },
    problems: () => problems,
    close: () => void browser.kill('SIGKILL'),
  }
}
