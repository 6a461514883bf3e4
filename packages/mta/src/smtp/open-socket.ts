/**
 * A TCP connection, or why there is none. TCP_NODELAY: what is corked together leaves together, and nothing waits
 * for a delayed ACK.
 */
import { connect, type Socket } from 'node:net'
import { err, ok, type Result } from '@hermetic/policy'
import type { SessionProblem } from './session-problem.ts'
import type { SmtpTimeouts } from './timeouts.ts'

export interface OpenSocketOptions {
  readonly address: string
  readonly port: number
  readonly localAddress?: string | undefined
  readonly timeouts: Pick<SmtpTimeouts, 'connectMs'>
  readonly signal?: AbortSignal | undefined
}

/** Of a connection that never stood. */
export type NotConnected = Extract<SessionProblem, { readonly kind: 'connect-failed' | 'timeout' | 'stopped' }>

export function openSocket(options: OpenSocketOptions): Promise<Result<Socket, NotConnected>> {
  const { address, port, localAddress, timeouts, signal } = options
  if (signal?.aborted) return Promise.resolve(err({ kind: 'stopped' }))
  return new Promise((resolve) => {
    const socket = connect({
      host: address,
      port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    })
    const settle = (problem?: NotConnected): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.off('connect', onConnect).off('error', onError)
      // Whatever else a dying socket says was said already.
      if (problem !== undefined) socket.on('error', () => undefined).destroy()
      resolve(problem === undefined ? ok(socket) : err(problem))
    }
    const onConnect = (): void => settle()
    const onError = (error: NodeJS.ErrnoException): void =>
      settle({ kind: 'connect-failed', code: error.code ?? 'UNKNOWN' })
    const onAbort = (): void => settle({ kind: 'stopped' })
    const timer = setTimeout(() => settle({ kind: 'timeout', phase: 'connect' }), timeouts.connectMs)
    signal?.addEventListener('abort', onAbort)
    socket.on('connect', onConnect).on('error', onError)
  })
}
