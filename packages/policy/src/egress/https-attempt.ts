/**
 * One try at one judged address: connect, TLS, proof of the name, one request (RFC 9110 §4.3.4).
 *
 * Nothing is asked before the certificate has proven the host: chain, dates, and a dNSName (RFC 9525 §6.3), unless
 * the caller can do without (RFC 8460 §3 lets a report go to an endpoint that is not proven). No credentials, client certificate, session resumption or ALPN. Knows no DNS and no limits.
 */
import type { DomainName } from '../domain-name.ts'
import type { PeerFacts } from '../peer-facts.ts'
import { assertNever, err, ok, type Result } from '../result.ts'
import { endedWithoutAlert } from '../tls-failure.ts'
import { type TlsGroups, type TlsPeer, upgradeToTls } from '../tls-peer.ts'
import type { Deadline } from './deadline.ts'
import { dial, hangUp } from './dial.ts'
import { type ExchangeFailure, exchange, type HttpsContent, type ResponseHead } from './http-exchange.ts'
import type { HttpsFailure, HttpsPhase } from './https-failure.ts'

export interface AttemptSettings {
  /** PEM roots believed beside Node's default ones. */
  readonly ca: readonly string[]
  readonly connectTimeoutMs: number
  readonly handshakeTimeoutMs: number
}

export interface HttpsAttempt<E> extends AttemptSettings {
  readonly address: string
  readonly host: DomainName
  readonly port: number
  readonly path: string
  readonly content?: HttpsContent | undefined
  /** Also a host whose certificate does not prove it. */
  readonly acceptUnproven?: boolean | undefined
  readonly bodyBytesMax: number
  readonly judgeHead: (head: ResponseHead, address: string) => E | undefined
  readonly deadline: Deadline
}

export interface HttpsAnswer {
  readonly body: Uint8Array
  readonly address: string
  readonly peer: PeerFacts
}

export type AttemptEnd<E> =
  /** Another address of the host may do better. */
  | { readonly kind: 'next'; readonly failure: HttpsFailure }
  /** The host itself has spoken, or we want no more. */
  | { readonly kind: 'final'; readonly failure: HttpsFailure | E }

const HTTPS_PORT = 443
const OUT_OF_DATE: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'])

export async function attemptAt<E>(attempt: HttpsAttempt<E>): Promise<Result<HttpsAnswer, AttemptEnd<E>>> {
  const peer = await provenPeer(attempt)
  if (!peer.ok) return err({ kind: peer.error.kind === 'aborted' ? 'final' : 'next', failure: peer.error })
  const { address, deadline, judgeHead } = attempt
  const { socket, facts } = peer.value
  let phase: HttpsPhase = 'response'
  const body = await exchange<{ readonly refused: E }>({
    socket,
    authority: attempt.port === HTTPS_PORT ? attempt.host : `${attempt.host}:${attempt.port}`,
    path: attempt.path,
    content: attempt.content,
    bodyBytesMax: attempt.bodyBytesMax,
    judgeHead: (head) => {
      const refused = judgeHead(head, address)
      return refused === undefined ? undefined : { refused }
    },
    signal: deadline.signal,
    onBody: () => {
      phase = 'body'
    },
  })
  await hangUp(socket)
  if (body.ok) return ok({ body: body.value, address, peer: facts })
  if ('refused' in body.error) return err({ kind: 'final', failure: body.error.refused })
  const failure = exchangeFailure(body.error, { attempt, phase })
  // What was sent may have arrived: no other address gets it as well.
  const another = attempt.content === undefined && (failure.kind === 'truncated' || failure.kind === 'timeout')
  return err({ kind: another ? 'next' : 'final', failure })
}

function exchangeFailure<E>(
  failure: ExchangeFailure,
  { attempt, phase }: { readonly attempt: HttpsAttempt<E>; readonly phase: HttpsPhase },
): HttpsFailure {
  const { address, bodyBytesMax, deadline } = attempt
  switch (failure.kind) {
    case 'aborted':
      return deadline.failure(phase)
    case 'too-large':
      return { kind: 'too-large', address, limitBytes: bodyBytesMax }
    case 'truncated':
    case 'malformed':
    case 'content-encoding':
      return { ...failure, address }
    default:
      return assertNever(failure)
  }
}

async function provenPeer<E>(attempt: HttpsAttempt<E>): Promise<Result<TlsPeer, HttpsFailure>> {
  const first = await connect(attempt, 'default')
  const again =
    !first.ok && first.error.kind === 'tls' && endedWithoutAlert(first.error.failure) && !attempt.deadline.over
  const peer = again ? await connect(attempt, 'classic') : first
  if (!peer.ok) return peer
  const doubt = webpkiDoubt(peer.value.facts)
  if (doubt === undefined || attempt.acceptUnproven === true) return peer
  await hangUp(peer.value.socket)
  return err({ kind: 'webpki', address: attempt.address, ...doubt, peer: peer.value.facts })
}

async function connect<E>(attempt: HttpsAttempt<E>, groups: TlsGroups): Promise<Result<TlsPeer, HttpsFailure>> {
  const { address, port, host, deadline, ca } = attempt
  const { signal } = deadline
  const dialled = await dial({ address, port, timeoutMs: attempt.connectTimeoutMs, signal })
  if (!dialled.ok) {
    if (dialled.error.kind !== 'refused') return err(deadline.failure('connect'))
    return err({ kind: 'connect', address, code: dialled.error.code })
  }
  const socket = dialled.value
  const peer = await upgradeToTls({
    socket,
    servername: host,
    ca,
    groups,
    timeoutMs: attempt.handshakeTimeoutMs,
    signal,
  })
  if (peer.ok) return peer
  await hangUp(socket)
  return err(peer.error.kind === 'aborted' ? deadline.failure('tls') : { kind: 'tls', address, failure: peer.error })
}

type WebpkiDoubt = Pick<Extract<HttpsFailure, { readonly kind: 'webpki' }>, 'reason' | 'code'>

function webpkiDoubt({ pkix, name }: PeerFacts): WebpkiDoubt | undefined {
  if (pkix.kind === 'untrusted') {
    return { reason: OUT_OF_DATE.has(pkix.code) ? 'expired' : 'untrusted', code: pkix.code }
  }
  return name.kind === 'matched' ? undefined : { reason: 'name' }
}
