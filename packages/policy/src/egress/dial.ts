/** Connects to the very address that was judged: nothing is looked up, so DNS cannot change its mind in between. */
import net, { isIP, type Socket } from 'node:net'
import { err, invariant, ok, type Result } from '../result.ts'

export interface DialOptions {
  /** An IP address, never a name. */
  readonly address: string
  readonly port: number
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export type DialFailure =
  /** The system's code, e.g. ECONNREFUSED. */
  { readonly kind: 'refused'; readonly code: string } | { readonly kind: 'timeout' } | { readonly kind: 'aborted' }

/** The socket has read nothing, and no listener but one that ignores errors. */
export function dial({ address, port, timeoutMs, signal }: DialOptions): Promise<Result<Socket, DialFailure>> {
  invariant(isIP(address) !== 0, `an address: ${address}`)
  if (signal.aborted) return Promise.resolve(err({ kind: 'aborted' }))
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port, noDelay: true })
    const settle = (failure?: DialFailure) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      socket.off('connect', onConnect).off('error', onError)
      socket.on('error', () => undefined)
      if (failure === undefined) return resolve(ok(socket))
      socket.destroy()
      resolve(err(failure))
    }
    const onConnect = () => settle()
    const onError = (error: NodeJS.ErrnoException) => settle({ kind: 'refused', code: error.code ?? 'UNKNOWN' })
    const onAbort = () => settle({ kind: 'aborted' })
    const timer = setTimeout(() => settle({ kind: 'timeout' }), timeoutMs)
    signal.addEventListener('abort', onAbort)
    socket.on('connect', onConnect).on('error', onError)
  })
}

/** Ends the connection without another word; resolves when it is gone, so that no second one overlaps it. */
export function hangUp(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) return resolve()
    socket.once('close', () => resolve())
    socket.destroy()
  })
}
