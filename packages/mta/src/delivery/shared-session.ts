/**
 * Whether mail of another lane may use a connection that is open, and what was proven on it in that lane's eyes.
 *
 * STS-06: what one policy domain found counts for that domain only. Another one takes the connection over when it would
 * have opened the very same: the same host by the same name, at an address that DNS gives for it, with the same SNI, from
 * the same source, without a login. Its own requirement is then judged on what the peer has shown, with its own TLSA
 * records and reference names (DANE-90). Where that proves too little the lane opens a connection of its own. Pure.
 */
import { type Channel, judge, sessionResults } from '@hermetic/policy'
import type { ProvenSession } from './session.ts'
import { comparedWithTlsa, type SessionTarget, serverNameIndication } from './session-target.ts'

/** What a lane would open a connection for. */
export interface WantedSession extends Omit<SessionTarget, 'remote' | 'source'> {
  readonly mxHostname: string
  readonly port: number
  /** Of the host, as DNS gives them now. */
  readonly addresses: readonly string[]
}

/** Undefined: it would need a connection of its own. */
export function sharedSession<S extends ProvenSession>(session: S, wanted: WantedSession, now: number): S | undefined {
  // A host that showed no TLS is asked for it once more.
  if (session.channel.kind !== 'tls' || session.judged.kind !== 'tls') return undefined
  if (!isSameDial(session.target, wanted)) return undefined
  const { facts } = session.judged
  const dane = comparedWithTlsa(wanted.requirement, facts, now)
  const judged: Channel = { kind: 'tls', facts, ...(dane === undefined ? {} : { dane }) }
  const verdict = judge(wanted.requirement, judged)
  if (verdict.kind !== 'proven') return undefined
  const { mxHostname: _, port, addresses, ...its } = wanted
  // A record of its own: what is told of this lane's judgement is found by it.
  const remote = { ...session.target.remote }
  const target: SessionTarget = { ...its, remote, source: session.target.source }
  const results = sessionResults(wanted.requirement, judged)
  return { ...session, target, verdict, judged, results, dane, channel: { ...session.channel, level: verdict.level } }
}

function isSameDial(opened: SessionTarget, wanted: WantedSession): boolean {
  const { remote, servername, access, requirement } = opened
  return (
    access === undefined &&
    wanted.access === undefined &&
    remote.mxHostname === wanted.mxHostname &&
    remote.port === wanted.port &&
    wanted.addresses.includes(remote.address) &&
    servername !== undefined &&
    servername === wanted.servername &&
    serverNameIndication(opened) === serverNameIndication(wanted) &&
    // Who asks that TLS be ignored, or not, has a connection of that kind (RFC 8689 §5).
    requirement.message === wanted.requirement.message
  )
}
