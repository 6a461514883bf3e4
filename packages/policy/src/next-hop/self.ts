/**
 * Ourselves among the hosts, recognised by address (RFC 5321 §5.1, SMTP-44); by name, `mx-set.ts` has done it.
 *
 * An address is ours when the guard refused it as `own-listener`: what we do not listen on is not us, even on this
 * machine. Delivery calls this with all hosts of one preference level once their addresses are known, before it dials
 * any of them; a cut ends the walk through the levels. Pure.
 */
import type { HostAddresses } from './addresses.ts'
import type { MxCandidate } from './resolve.ts'

export interface ResolvedCandidate {
  readonly candidate: MxCandidate
  readonly addresses: HostAddresses
}

export interface CutAtOurselves {
  /** Better than our own level, in the order given. */
  readonly kept: readonly ResolvedCandidate[]
  /** The host that is us; undefined when none is. With nothing kept and nothing tried before, the mail loops. */
  readonly ourselves: MxCandidate | undefined
}

export function cutAtOurselves(hosts: readonly ResolvedCandidate[]): CutAtOurselves {
  const own = hosts
    .filter(({ addresses }) => leadsToUs(addresses))
    .map(({ candidate }) => candidate)
    .toSorted((a, b) => a.preference - b.preference)[0]
  if (own === undefined) return { kept: hosts, ourselves: undefined }
  return { kept: hosts.filter(({ candidate }) => candidate.preference < own.preference), ourselves: own }
}

function leadsToUs(addresses: HostAddresses): boolean {
  return addresses.kind === 'addresses' && addresses.refused.some(({ reason }) => reason === 'own-listener')
}
