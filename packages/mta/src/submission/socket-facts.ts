/** What a session wants to know of its socket: which TLS it has, and when the client has read our replies. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { TlsFacts } from './session-rules.ts'

export function tlsFacts(socket: Socket): TlsFacts | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  const cipher = socket.getCipher()
  return { protocol: socket.getProtocol() ?? 'unknown', cipher: cipher?.standardName ?? cipher?.name ?? 'unknown' }
}

/** Undefined: it has. */
export function drained(socket: Socket): Promise<void> | undefined {
  if (!socket.writableNeedDrain || socket.destroyed) return undefined
  return new Promise((resolve) => {
    const done = (): void => {
      socket.removeListener('drain', done)
      socket.removeListener('close', done)
      resolve()
    }
    socket.once('drain', done)
    socket.once('close', done)
  })
}
