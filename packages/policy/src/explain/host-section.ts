/** One host and its addresses: may it be used, what must it prove, what did it show. Sections, pure. */
import type { HostAddresses } from '../next-hop/addresses.ts'
import { assertNever } from '../result.ts'
import { daneSection } from './dane-section.ts'
import { demandSection } from './demand-section.ts'
import type { AddressSection, HostSection, ProblemSection } from './explanation.ts'
import type { HostFacts, HostPlace, Obstacle, SessionFacts } from './facts.ts'
import { bounded } from './plain.ts'
import { sessionSection } from './session-section.ts'

export function hostSection(host: HostFacts): HostSection {
  const { name, preference, implicit, addresses, place } = host
  const found = addresses?.kind === 'addresses' ? addresses : undefined
  const alias = hostAlias(host)
  return {
    name,
    implicit,
    ...(preference === undefined ? {} : { preference }),
    ...(alias === undefined ? {} : { alias }),
    ...(found === undefined ? {} : { secure: found.secure }),
    ...placeSection(place),
    addresses: addressSections(addresses, place),
  }
}

/** The name that the host is an alias of. */
export function hostAlias({ addresses, name }: Pick<HostFacts, 'addresses' | 'name'>): string | undefined {
  if (addresses?.kind !== 'addresses' || addresses.canonicalName === name) return undefined
  return addresses.canonicalName
}

function placeSection(place: HostPlace): Pick<HostSection, 'standing' | 'demand' | 'dane' | 'problem'> {
  switch (place.kind) {
    case 'candidate': {
      const standing = place.requirement.kind === 'unreachable' ? 'forbidden' : 'candidate'
      const dane = place.dane === undefined ? {} : { dane: daneSection(place.dane) }
      return { standing, demand: demandSection(place.requirement), ...dane }
    }
    case 'unusable':
      return { standing: 'unusable', problem: problemSection(place) }
    case 'behind-ourselves':
    case 'unanswered':
      return { standing: place.kind }
    default:
      return assertNever(place)
  }
}

export function problemSection({ cause, detail, status, permanence }: Obstacle): ProblemSection {
  return { cause, detail: bounded(detail), status, permanence }
}

/** Those that are dialled come first, in that order. */
function addressSections(addresses: HostAddresses | undefined, place: HostPlace): readonly AddressSection[] {
  const dialled = place.kind === 'candidate' ? place.dialled : []
  const sessions = place.kind === 'candidate' ? place.sessions : []
  const found = addresses?.kind === 'addresses' ? addresses : { allowed: [], refused: [] }
  const spare = found.allowed.map(({ address }) => address).filter((address) => !dialled.includes(address))
  return [
    ...dialled.map((address) => ({ address, guard: 'allowed', spare: false, ...sessionOf(address, sessions) })),
    ...spare.map((address) => ({ address, guard: 'allowed', spare: true })),
    ...found.refused.map(({ address, reason }) => ({ address, guard: reason, spare: false })),
  ]
}

function sessionOf(address: string, sessions: readonly SessionFacts[]): Pick<AddressSection, 'session'> {
  const session = sessions.find((one) => one.address === address)
  return session === undefined ? {} : { session: sessionSection(session) }
}
