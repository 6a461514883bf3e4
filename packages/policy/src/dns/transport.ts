/**
 * One DNS exchange with one server, over UDP or TCP (RFC 1035 §4.2, RFC 7766). Knows bytes and sockets only.
 *
 * Every UDP exchange has a socket of its own: the system picks a random source port (RFC 5452 §9.2), and being
 * connected it never sees datagrams of other addresses and ports. What does not belong is ignored, not believed.
 */
import dgram from 'node:dgram'
import net from 'node:net'
import { err, ok, type Result } from '../result.ts'

export interface NameServer {
  readonly address: string
  readonly port: number
}

export interface Exchange {
  readonly server: NameServer
  readonly message: Buffer
  /** Whether bytes that arrived are the answer to this message. */
  readonly belongs: (bytes: Buffer) => boolean
  readonly onIgnored: () => void
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export type ExchangeFailure =
  | { readonly kind: 'timeout' }
  | { readonly kind: 'network'; readonly code: string }
  /** Over TCP nobody else can write, so a foreign message ends the exchange. */
  | { readonly kind: 'malformed'; readonly detail: string }

type Outcome = Result<Buffer, ExchangeFailure>

export function exchangeUdp(exchange: Exchange): Promise<Outcome> {
  const { server, message, belongs, onIgnored } = exchange
  return once(exchange, (settle) => {
    const socket = dgram.createSocket(net.isIPv6(server.address) ? 'udp6' : 'udp4')
    socket.on('error', (error) => settle(err({ kind: 'network', code: codeOf(error) })))
    socket.on('connect', () => socket.send(message))
    socket.on('message', (bytes) => (belongs(bytes) ? settle(ok(bytes)) : onIgnored()))
    socket.connect(server.port, server.address)
    return () => socket.close()
  })
}

export function exchangeTcp(exchange: Exchange): Promise<Outcome> {
  const { server, message, belongs } = exchange
  return once(exchange, (settle) => {
    const socket = net.connect({ host: server.address, port: server.port })
    let received: Buffer = Buffer.alloc(0)
    socket.on('error', (error) => settle(err({ kind: 'network', code: codeOf(error) })))
    socket.on('close', () => settle(err({ kind: 'network', code: 'ECONNRESET' })))
    socket.on('connect', () => socket.write(lengthPrefixed(message)))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const bytes = received.subarray(2, 2 + received.readUInt16BE(0))
      settle(belongs(bytes) ? ok(bytes) : err({ kind: 'malformed', detail: 'an answer to another question' }))
    })
    return () => socket.destroy()
  })
}

/** Runs until the first outcome, the timeout or the signal, then releases the socket. */
function once(
  { timeoutMs, signal }: Exchange,
  start: (settle: (outcome: Outcome) => void) => () => void,
): Promise<Outcome> {
  return new Promise((resolve) => {
    let settled = false
    const settle = (outcome: Outcome) => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      release()
      resolve(outcome)
    }
    const onAbort = () => settle(err({ kind: 'network', code: 'ECANCELED' }))
    const timer = setTimeout(() => settle(err({ kind: 'timeout' })), timeoutMs)
    signal.addEventListener('abort', onAbort)
    const release = start(settle)
  })
}

function lengthPrefixed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN'
}
