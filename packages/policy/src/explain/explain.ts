/**
 * One explanation: what was found out and decided about a destination (`facts.ts`), told in sections, with what it
 * amounts to and what the owner of the domain should change. The same facts give the same explanation. Pure.
 */
import { assertNever } from '../result.ts'
import { worstFirst } from './advice.ts'
import { certificateAdvice } from './certificate-advice.ts'
import { conclusion, destinationText } from './conclusion.ts'
import { daneAdvice } from './dane-advice.ts'
import { EXPLANATION_VERSION, type Explanation, type ProblemSection, type RouteSection } from './explanation.ts'
import type { ExplainFacts, RouteFacts } from './facts.ts'
import { hostSection, problemSection } from './host-section.ts'
import { localSection } from './local-section.ts'
import { mtaStsSection } from './mta-sts-section.ts'
import { mxAdvice } from './mx-advice.ts'
import { isoTime } from './plain.ts'
import { policyAdvice } from './policy-advice.ts'
import { policyHostAdvice } from './policy-host-advice.ts'
import { recordAdvice } from './record-advice.ts'
import { renewalAdvice } from './renewal-advice.ts'

export function explain(facts: ExplainFacts): Explanation {
  const { at, by, connected, route, sts, hosts } = facts
  const local = localSection(facts.local, at)
  return {
    version: EXPLANATION_VERSION,
    destination: destinationText(facts),
    at: isoTime(at),
    ...{ by, connected },
    conclusion: conclusion(facts),
    route: { ...routeSection(route), ...routingFields(facts) },
    mtaSts: mtaStsSection(sts, at),
    ...(local === undefined ? {} : { local }),
    ...(facts.limits === undefined ? {} : { limits: facts.limits }),
    hosts: hosts.map(hostSection),
    advice: worstFirst([
      ...recordAdvice(facts),
      ...policyHostAdvice(facts),
      ...policyAdvice(facts),
      ...renewalAdvice(facts),
      ...mxAdvice(facts),
      ...certificateAdvice(facts),
      ...daneAdvice(facts),
    ]),
  }
}

function routeSection(route: RouteFacts): RouteSection {
  const { lane } = route
  const ended = { lane, ...endProblem(route) }
  switch (route.kind) {
    case 'literal':
      return { kind: 'literal', ...ended }
    case 'smarthost':
      return { kind: 'smarthost', smarthost: route.host, ...ended }
    case 'mx': {
      const { answer } = route
      if (answer?.kind !== 'hosts') return { kind: 'mx', ...ended }
      const { candidates, expandedNextHop, mxSecure } = answer
      const kind = candidates[0].implicit ? 'implicit-mx' : 'mx'
      const alias = expandedNextHop === route.domain ? {} : { alias: expandedNextHop }
      return { kind, secure: mxSecure, ...alias, ...ended }
    }
    default:
      return assertNever(route)
  }
}

function routingFields({ routing }: ExplainFacts): Pick<RouteSection, 'because' | 'fallback' | 'others'> {
  if (routing === undefined) return {}
  const { others, ...told } = routing
  return { ...told, ...(others.length === 0 ? {} : { others }) }
}

function endProblem({ end }: RouteFacts): { readonly problem?: ProblemSection } {
  if (end.kind === 'nobody') return { problem: problemSection(end) }
  return end.kind === 'unanswered' ? { problem: { cause: 'no-answer-in-time', detail: 'no answer in time' } } : {}
}
