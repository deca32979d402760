/** Serves a text at /metrics, by HTTP on a port or on a Unix socket. */
import { rmSync, statSync } from 'node:fs'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import { type ListenOptions, connect } from 'node:net'
import type { Address } from '../flags/values.js'

/** Scrapers that are served at once. */
const CONNECTIONS_MAX = 16
/** Milliseconds that a request may take to arrive. */
const REQUEST_TIMEOUT_MS = 5000

export class MetricsServer {
  readonly #server: Server

  /** `text` returns the metrics of the moment. */
  constructor(text: () => string) {
    this.#server = createServer((request, response) => respond(request, response, text))
    this.#server.maxConnections = CONNECTIONS_MAX
    this.#server.headersTimeout = this.#server.requestTimeout = REQUEST_TIMEOUT_MS
  }

  /**
   * Resolves when the server listens. It does not keep the command running.
   *
   * @throws Error if it cannot listen there.
   */
  async listen(address: Address): Promise<void> {
    if ('path' in address) await removeStale(address.path)
    const options: ListenOptions = { ...address }
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(new Error(`--metrics: ${error.message}`, { cause: error })))
      this.#server.listen(options, resolve)
    })
    this.#server.on('error', () => {})
    this.#server.unref()
  }

  /** The port, if it is one. A test lets the system choose it. */
  get port(): number | null {
    const address = this.#server.address()
    return typeof address === 'object' ? (address?.port ?? null) : null
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

function respond({ method, url = '' }: IncomingMessage, response: ServerResponse, text: () => string): void {
  const path = url.replace(/\?.*/s, '')
  if (method !== 'GET' && method !== 'HEAD') response.writeHead(405, { Allow: 'GET, HEAD' }).end()
  else if (path !== '/metrics') response.writeHead(404).end('The metrics are at /metrics.\n')
  else response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text())
}

/** Removes the socket of a command that was killed. */
async function removeStale(path: string): Promise<void> {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return
  const isRefused = await new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket
      .on('connect', () => resolve(false))
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
    socket.on('connect', () => socket.destroy())
  })
  if (isRefused) rmSync(path, { force: true })
}
