/**
 * What is told of a session when it is known what its channel proves: the record for the operator, the results for the
 * reports of its policy domain (RPT-61), and what policies that are only observed would have refused.
 */
import { refusedBy } from '@hermetic/policy'
import { channelRecord } from './channel-record.ts'
import type { PooledSession } from './connection-pool.ts'
import { daneRecord } from './dane-record.ts'
import type { DeliveryEvent } from './events.ts'
import type { LaneId } from './lane.ts'
import { judgedSession, type TlsReports } from './report-mapping.ts'
import { type SessionOptions, seenOf } from './session.ts'

interface Telling {
  readonly emit: (event: DeliveryEvent) => void
  readonly reports?: TlsReports | undefined
}

export function tellOfJudged({ emit, reports }: Telling): SessionOptions['onJudged'] {
  return (target, results, { channel, verdict, seen }) => {
    const { lane, policyDomain, remote, requirement, dane } = target
    const counted = judgedSession(target, results, seen)
    if (counted !== undefined) reports?.session(counted)
    const assessed = {
      ...(requirement.sts === undefined ? {} : { sts: requirement.sts }),
      ...(dane === undefined ? {} : { dane: daneRecord(dane, channel.kind === 'tls' ? channel.dane : undefined) }),
    }
    const judged = { channel: channelRecord(channel), requirement, verdict, results }
    emit({ event: 'channel-judged', lane, nextHop: policyDomain, remote, ...assessed, ...judged })
    if (verdict.kind !== 'proven' || verdict.wouldHaveRefused === undefined) return
    const reasons = verdict.wouldHaveRefused.map(({ kind }) => kind).join(', ')
    const mechanisms = refusedBy(requirement, verdict.wouldHaveRefused).join(', ')
    emit({ event: 'would-have-refused', lane, nextHop: policyDomain, remote, mechanisms, reasons })
  }
}

/** One connection, and one more policy that was judged on it: for that policy's domain it is a session of its own. */
export function tellOfShared(telling: Telling): (session: PooledSession, from: LaneId) => void {
  const tell = tellOfJudged(telling)
  return ({ target, results, judged: channel, verdict, connection }, from) => {
    const { lane, policyDomain: nextHop, remote } = target
    telling.emit({ event: 'connection-shared', lane, nextHop, remote, from })
    tell(target, results, { channel, verdict, seen: seenOf(connection) })
  }
}
