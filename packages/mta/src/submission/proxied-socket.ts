/**
 * Takes the PROXY header off a connection of a trusted proxy, and leaves what came behind it for whoever reads next. How
 * long that may take is watched by the server (`server.ts`).
 */
import type { Socket } from 'node:net'
import { readProxyHeader } from './proxy-header.ts'

export type Proxied =
  /** Undefined: the connection is the proxy's own. */
  | { readonly kind: 'client'; readonly address: string | undefined }
  /** It said something else, or went away. */
  | { readonly kind: 'failed' }

const GONE = ['error', 'close', 'end'] as const

/** `done` is called once. */
export function readProxied(socket: Socket, done: (proxied: Proxied) => void): void {
  let start: Buffer = Buffer.alloc(0)
  const finish = (proxied: Proxied): void => {
    socket.off('readable', onReadable)
    for (const event of GONE) socket.off(event, onGone)
    // Whoever reads next listens for errors; until then, and when nobody does, they concern nobody.
    socket.on('error', () => undefined)
    done(proxied)
  }
  const onGone = (): void => finish({ kind: 'failed' })
  const onReadable = (): void => {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
      start = start.length === 0 ? chunk : Buffer.concat([start, chunk])
      const header = readProxyHeader(start)
      if (header.kind === 'incomplete') continue
      const rest = header.kind === 'header' ? start.subarray(header.octets) : Buffer.alloc(0)
      if (rest.length > 0) socket.unshift(rest)
      finish(header.kind === 'header' ? { kind: 'client', address: header.client } : { kind: 'failed' })
      return
    }
  }
  socket.on('readable', onReadable)
  for (const event of GONE) socket.on(event, onGone)
}
