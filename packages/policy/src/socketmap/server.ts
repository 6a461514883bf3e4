/**
 * The listener that Postfix asks (socketmap_table(5)): one connection after the other is read, and its requests are
 * answered in their order, many at a time. What is answered is in `answers.ts`.
 *
 * Owns the listening socket and its connections. A peer that is silent, slow, too many or no Postfix costs a bounded amount
 * of memory and time.
 */
import { once } from 'node:events'
import { chmod, lstat, unlink } from 'node:fs/promises'
import net from 'node:net'
import { err, ok, type Result } from '../result.ts'
import type { SocketmapAnswers } from './answers.ts'
import { type ConnectionLimits, DEFAULT_CONNECTION_LIMITS, SocketmapConnection } from './connection.ts'
import type { SocketmapEvent } from './events.ts'

export type SocketmapPlace =
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export interface SocketmapServerOptions {
  readonly place: SocketmapPlace
  readonly answers: SocketmapAnswers
  readonly emit: (event: SocketmapEvent) => void
  /** Less only in tests. */
  readonly limits?: Partial<ConnectionLimits & { readonly connectionsMax: number }>
}

export interface SocketmapServer {
  /** 0 for a path. */
  readonly port: number
  /** Answers what was asked, and ends every connection. */
  close(graceMs: number): Promise<void>
}

/** Postfix keeps one connection per process, and has 100 processes of a kind by default: several machines of them. */
const CONNECTIONS_MAX = 1_000
/** Processes of Postfix run as another user; whoever may reach the folder may ask. */
const SOCKET_MODE = 0o666

export async function startSocketmapServer(options: SocketmapServerOptions): Promise<Result<SocketmapServer, unknown>> {
  const { place, answers, emit } = options
  const connections = new Set<SocketmapConnection>()
  const limits = { ...DEFAULT_CONNECTION_LIMITS, connectionsMax: CONNECTIONS_MAX, ...options.limits }
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const peer = socket.remoteAddress ?? 'local'
    if (connections.size >= limits.connectionsMax) {
      emit({ event: 'socketmap-connection-refused', peer, because: 'too-many-connections' })
      socket.destroy()
      return
    }
    const connection = new SocketmapConnection({ socket, peer, answers, emit, limits })
    connections.add(connection)
    socket.once('close', () => connections.delete(connection))
  })
  const bound = await listen(server, place)
  if (!bound.ok) return bound
  // Failures to accept one connection, as for want of file descriptors: the next one may work.
  server.on('error', () => undefined)
  emit({ event: 'socketmap-listening', place: placeText(place, bound.value), zones: answers.zones })
  return ok({
    port: bound.value,
    close: async (graceMs) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const connection of connections) connection.finish()
      const timer = setTimeout(() => {
        for (const connection of connections) connection.destroy()
      }, graceMs)
      await closed
      clearTimeout(timer)
    },
  })
}

async function listen(server: net.Server, place: SocketmapPlace): Promise<Result<number, unknown>> {
  try {
    if (place.kind === 'tcp') {
      server.listen({ host: place.address, port: place.port })
      await once(server, 'listening')
      const address = server.address()
      return ok(typeof address === 'object' && address !== null ? address.port : place.port)
    }
    await removeStale(place.path)
    server.listen(place.path)
    await once(server, 'listening')
    await chmod(place.path, SOCKET_MODE)
    return ok(0)
  } catch (error) {
    server.close()
    return err(error)
  }
}

/** What a process left that was killed: a socket at which nobody listens. Anything else is left alone, and the bind fails. */
async function removeStale(path: string): Promise<void> {
  const before = await lstat(path).catch(() => undefined)
  if (before?.isSocket() !== true) return
  const probe = net.connect(path)
  const code = await new Promise<unknown>((resolve) => {
    probe.once('connect', () => resolve(undefined))
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
  probe.destroy()
  if (code === 'ECONNREFUSED') await unlink(path)
}

export function placeText(place: SocketmapPlace, port?: number): string {
  if (place.kind === 'unix') return `unix:${place.path}`
  const { address } = place
  return `${address.includes(':') ? `[${address}]` : address}:${port ?? place.port}`
}
