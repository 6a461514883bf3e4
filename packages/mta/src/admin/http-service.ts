/**
 * An HTTP server for a hono application, on TCP or on a Unix socket, with limits on everything that a client
 * could use up. The one file that knows `@hono/node-server`.
 */
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'

export interface TlsPem {
  readonly cert: string
  readonly key: string
}

export interface HttpService {
  /** On TCP: where it really listens, also when port 0 was asked for. */
  readonly port: number
  close(): Promise<void>
  /** Connections from now on see this certificate. */
  useTls?(pem: TlsPem): void
}

export type HttpPlace =
  | {
      readonly kind: 'tcp'
      readonly address: string
      readonly port: number
      /** PEM; absent: in clear. */
      readonly tls?: TlsPem | undefined
    }
  | { readonly kind: 'socket'; readonly path: string }

/** Scrapers, probes and a command line or two. */
const CONNECTIONS_MAX = 64
const HEADER_BYTES_MAX = 8 * 1024
const REQUEST_TIMEOUT_MS = 10_000
/** Node looks every 30 s, which would make three of ten seconds. */
const CHECKS_PER_TIMEOUT = 10
const KEEP_ALIVE_MS = 5_000
/** After this, `close` does not wait for clients. */
const CLOSE_GRACE_MS = 1_000

/** Rejects with the system's error when the place is taken or not allowed. */
export async function serveHttp(
  app: Hono,
  place: HttpPlace,
  { requestTimeoutMs = REQUEST_TIMEOUT_MS }: { readonly requestTimeoutMs?: number } = {},
): Promise<HttpService> {
  const tls = place.kind === 'tcp' ? place.tls : undefined
  const server = createAdaptorServer({
    fetch: app.fetch,
    ...(tls === undefined ? { createServer } : { createServer: createTlsServer }),
    serverOptions: {
      ...(tls === undefined ? {} : { ...tls, minVersion: 'TLSv1.2', handshakeTimeout: requestTimeoutMs }),
      maxHeaderSize: HEADER_BYTES_MAX,
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: requestTimeoutMs / CHECKS_PER_TIMEOUT,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
  }) as Server | TlsServer // createServer above makes exactly these kinds
  server.maxConnections = CONNECTIONS_MAX
  await listen(server, place)
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => close(server),
    ...('setSecureContext' in server ? { useTls: (pem: TlsPem) => server.setSecureContext(pem) } : {}),
  }
}

function listen(server: Server | TlsServer, place: HttpPlace): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      // Later errors (a failed accept) leave the server running; there is nobody to tell but the next client.
      server.on('error', () => undefined)
      resolve()
    })
    if (place.kind === 'tcp') server.listen({ host: place.address, port: place.port })
    else listenPrivately(server, place.path)
  })
}

/** The socket is made with mode 0600: no moment passes in which others could connect. */
function listenPrivately(server: Server | TlsServer, path: string): void {
  const before = process.umask(0o177)
  try {
    server.listen({ path })
  } finally {
    process.umask(before)
  }
}

function close(server: Server | TlsServer): Promise<void> {
  return new Promise((resolve) => {
    const impatient = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
    server.close(() => {
      clearTimeout(impatient)
      resolve()
    })
    server.closeIdleConnections()
  })
}
