/**
 * The one TLS client: turns a connected socket into a TLS session and tells what the peer showed.
 *
 * It decides nothing about the peer (`verdict.ts` does) and sends nothing after the handshake. TLS 1.2 and 1.3 only
 * (RFC 8996), no session is resumed, no ALPN offered (TLS-19), SNI for names and never for addresses (RFC 6066 §3).
 * The certificate that was judged is the session's for good: TLS 1.2 is not renegotiated (RFC 9325 §3.5).
 */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import tls from 'node:tls'
import type { DomainName } from './domain-name.ts'
import { gatherPeerFacts, type PeerFacts } from './peer-facts.ts'
import { err, ok, type Result } from './result.ts'
import { type TlsFailure, tlsFailureOf } from './tls-failure.ts'

export interface TlsPeerOptions {
  /**
   * Connected, without listeners of the caller, and with nothing read ahead: bytes that came before the handshake
   * must have ended the connection (RFC 3207 §4.2). Afterwards only the returned socket may be used.
   */
  readonly socket: Socket
  /** SNI. Absent when the host is known by address only. */
  readonly servername?: DomainName | undefined
  /**
   * What the certificate is compared with, when that is not the name in SNI: the MX hostname of a host whose TLSA base
   * domain is another name (STS-108, D-13).
   */
  readonly certificateName?: DomainName | undefined
  /** PEM roots believed beside Node's default ones. Pass the same array each time: it is parsed once. */
  readonly ca?: readonly string[] | undefined
  /** `classic` keeps the ClientHello in one segment; for the second try after `endedWithoutAlert`. */
  readonly groups: TlsGroups
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export type TlsGroups = 'default' | 'classic'

export interface TlsPeer {
  /**
   * Paused, nothing read. An `error` listener stays on it, so that a loss between the hand-over and the caller's first
   * listener cannot end the process; `close` follows, and `errored` says why.
   */
  readonly socket: tls.TLSSocket
  readonly facts: PeerFacts
}

/** Measured on OpenSSL 3.5: 'auto' offers X25519MLKEM768, a ClientHello of 1,568 octets without SNI; this one has 336. */
const CLASSIC_GROUPS = 'X25519:P-256'

export async function upgradeToTls(options: TlsPeerOptions): Promise<Result<TlsPeer, TlsFailure>> {
  const { socket, signal } = options
  if (signal?.aborted) {
    socket.destroy()
    return err({ kind: 'aborted' })
  }
  // Errors of the connection reach the TLS socket; whatever is left on the plain one is the same loss again.
  socket.on('error', ignore)
  const secure = tls.connect({
    socket,
    secureContext: contextFor(options.ca, options.groups),
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(options.servername === undefined ? {} : { servername: options.servername }),
  })
  // Of an alert after the handshake Node tells, but keeps the socket.
  secure.on('error', (error) => secure.destroy(error))
  const failure = await handshake(secure, options)
  const facts =
    failure === undefined ? gatherPeerFacts(secure, options.certificateName ?? options.servername) : undefined
  if (facts !== undefined) return ok({ socket: secure, facts })
  secure.destroy()
  socket.destroy()
  return err(failure ?? { kind: 'no-certificate' })
}

/** Settles once, and leaves no timer and no listener behind. */
function handshake(secure: tls.TLSSocket, { timeoutMs, signal }: TlsPeerOptions): Promise<TlsFailure | undefined> {
  return new Promise((resolve) => {
    const settle = (failure: TlsFailure | undefined) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      secure.off('secureConnect', onSecure).off('error', onError).off('close', onClose)
      resolve(failure)
    }
    const onSecure = () => settle(undefined)
    const onError = (error: unknown) => settle(tlsFailureOf(error))
    const onClose = () => settle({ kind: 'closed' })
    const onAbort = () => settle({ kind: 'aborted' })
    const timer = setTimeout(() => settle({ kind: 'timeout' }), timeoutMs)
    signal?.addEventListener('abort', onAbort)
    secure.on('secureConnect', onSecure).on('error', onError).on('close', onClose)
  })
}

type Contexts = Map<TlsGroups, tls.SecureContext>

/** Parsing the roots takes milliseconds, so one context serves all connections with the same trust and groups. */
const contexts = new WeakMap<readonly string[], Contexts>()
const NO_EXTRA_ROOTS: readonly string[] = []

function contextFor(ca: readonly string[] = NO_EXTRA_ROOTS, groups: TlsGroups): tls.SecureContext {
  const known = contexts.get(ca) ?? new Map()
  contexts.set(ca, known)
  const context = known.get(groups) ?? createContext(ca, groups)
  known.set(groups, context)
  return context
}

function createContext(ca: readonly string[], groups: TlsGroups): tls.SecureContext {
  return tls.createSecureContext({
    minVersion: 'TLSv1.2',
    // Node would follow a server into a second handshake, with another certificate that nobody judges.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(groups === 'classic' ? { ecdhCurve: CLASSIC_GROUPS } : {}),
    ...(ca.length === 0 ? {} : { ca: [...tls.getCACertificates('default'), ...ca] }),
  })
}

function ignore(): void {}
