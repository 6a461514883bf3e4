/** What is wrong with the hosts in DNS and on the network: addresses, aliases, silence (RFC 5321 §5.1). Pure. */
import { isOurTrouble } from '../dns/answer.ts'
import { assertNever } from '../result.ts'
import type { Advice } from './advice.ts'
import type { ExplainFacts, HostFacts, Obstacle, SessionFacts } from './facts.ts'
import { hostAlias } from './host-section.ts'
import { bounded, dnsFailureWords } from './plain.ts'

export function mxAdvice({ hosts, route }: ExplainFacts): readonly Advice[] {
  if (route.kind === 'literal') return []
  return hosts.flatMap((host) => [
    ...addressAdvice(host, route.kind),
    ...(route.kind === 'smarthost' ? [] : aliasAdvice(host)),
    ...sessionsAdvice(host, route.kind),
  ])
}

type RouteKind = ExplainFacts['route']['kind']

function addressAdvice({ addresses, name: subject }: HostFacts, route: RouteKind): readonly Advice[] {
  switch (addresses?.kind) {
    case undefined:
      return []
    case 'absent':
      return [
        {
          ...{ code: 'mx-without-address', severity: 'warning', subject, rfc: ['RFC 5321 §5.1'] },
          text: addresses.reason === 'nxdomain' ? 'The name does not exist.' : 'The name has no A or AAAA record.',
          remedy:
            route === 'smarthost'
              ? 'Correct the host of the route, or have its address published.'
              : 'Publish its address, or take the host out of the MX records.',
        },
      ]
    case 'failure':
      if (isOurTrouble(addresses.reason)) return []
      return [
        {
          ...{ code: 'mx-lookup-failed', severity: 'warning', subject, rfc: ['RFC 5321 §5.1'] },
          text: `Its addresses cannot be looked up: ${dnsFailureWords(addresses.reason)}.`,
          remedy: 'Have every name server of its zone answer, for A and for AAAA.',
        },
      ]
    case 'addresses':
      return addresses.refused.flatMap(({ address, reason }) => {
        // A listener of ours says nothing about the owner.
        if (reason === 'own-listener') return []
        const advice: Advice = {
          ...{ code: 'mx-address-not-public', severity: 'warning', subject, rfc: ['RFC 6890 §2.2', 'RFC 5321 §5.1'] },
          text: `${address} is not a public address (${reason}): it is not contacted.`,
          remedy: 'Publish addresses only that can be reached from everywhere.',
        }
        return [advice]
      })
    default:
      return assertNever(addresses)
  }
}

function aliasAdvice(host: HostFacts): readonly Advice[] {
  const alias = hostAlias(host)
  if (alias === undefined || host.implicit) return []
  return [
    {
      ...{ code: 'mx-is-alias', severity: 'hint', subject: host.name, rfc: ['RFC 2181 §10.3', 'RFC 5321 §5.1'] },
      text: `The host is an alias of ${alias}; MX records must name hosts that have addresses of their own.`,
      remedy: 'Name the host itself in the MX record (and in the policy), or give this name its own addresses.',
    },
  ]
}

function sessionsAdvice({ place, name: subject }: HostFacts, route: RouteKind): readonly Advice[] {
  if (place.kind !== 'candidate') return []
  return place.sessions.flatMap((session) => {
    const obstacle = obstacleOf(session)
    if (obstacle === undefined) return []
    const advice: Advice = {
      ...{ code: 'mx-unreachable', severity: 'warning', subject, rfc: ['RFC 5321 §5.1'] },
      text: bounded(`No session with ${session.address} from here: ${obstacle.detail}.`),
      remedy: sessionRemedy(obstacle.cause, route),
    }
    return [advice]
  })
}

/** A host that answers is not behind a closed port. */
function sessionRemedy(cause: string, route: RouteKind): string {
  switch (cause) {
    case 'reply':
      return 'The server answers and refuses: its owner knows why, our address or name in a block list perhaps.'
    case 'protocol-violation':
      return 'Have the server, or what stands before it, answer in SMTP (RFC 5321 §4.2).'
    default:
      return route === 'smarthost'
        ? 'Compare host, port and tls of the route with what its provider says; have the port opened on the way there.'
        : 'If others cannot reach it either: open port 25, or take the address out of DNS.'
  }
}

function obstacleOf(session: SessionFacts): Obstacle | undefined {
  if (session.kind === 'no-channel') return session.obstacle
  return session.kind === 'judged' ? session.trouble : undefined
}
