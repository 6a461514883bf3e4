/**
 * What becomes of mail for the destination, in one word and one sentence. Nothing is decided here: requirements and
 * verdicts come from delivery's functions, and this says what they amount to over all hosts. Pure.
 */
import type { UnreachableReason } from '../requirement.ts'
import { assertNever } from '../result.ts'
import type { ChannelLevel, Verdict } from '../verdict.ts'
import { proofsOf } from './demand-section.ts'
import type { Conclusion, Proof } from './explanation.ts'
import type { ExplainFacts, HostFacts, HostPlace, Obstacle, SessionFacts } from './facts.ts'
import { bounded, spanWords } from './plain.ts'
import { sessionSection } from './session-section.ts'

type Candidate = HostFacts & { readonly place: HostPlace & { readonly kind: 'candidate' } }

export function conclusion(facts: ExplainFacts): Conclusion {
  const { route } = facts
  const who = destinationText(facts)
  switch (route.end.kind) {
    case 'unanswered':
      return {
        kind: 'unknown',
        sentence: `What becomes of mail for ${who} cannot be said: no answer within ${spanWords(route.end.afterMs)}.`,
      }
    case 'nobody':
      return nobody(who, route.end)
    case 'hosts':
      return ofHosts(who, facts)
    default:
      return assertNever(route.end)
  }
}

export function destinationText({ destination }: Pick<ExplainFacts, 'destination'>): string {
  return destination.kind === 'domain' ? destination.name : destination.text
}

type Sentences = Readonly<Record<string, (who: string) => string>>

const NEVER: Sentences = {
  'null-mx': (who) => `${who} takes no mail: it says so itself (null MX).`,
  'domain-not-found': (who) => `${who} does not exist.`,
  'no-address': (who) => `Mail for ${who} has nowhere to go: no host has an address.`,
  'address-refused': (who) => `Mail for ${who} goes nowhere: its hosts have no public address.`,
  'mail-loop': (who) => `Mail for ${who} would come back to this relay: it is among the hosts itself.`,
}

const NOT_NOW: Sentences = {
  'policy-unavailable': (who) => `Mail for ${who} waits: whether it has a policy cannot be said now.`,
  'dns-failure': (who) => `Mail for ${who} waits: DNS does not say where it goes.`,
}

function nobody(who: string, { cause, detail, permanence }: Obstacle): Conclusion {
  const lasting = permanence === 'permanent'
  const sentences = lasting ? NEVER : NOT_NOW
  const known = Object.hasOwn(sentences, cause) ? sentences[cause]?.(who) : undefined
  const sentence = known ?? bounded(`Mail for ${who} ${lasting ? 'has nowhere to go' : 'waits'}: ${detail}.`)
  return { kind: lasting ? 'undeliverable' : 'unknown', sentence }
}

function ofHosts(who: string, { hosts, connected }: ExplainFacts): Conclusion {
  const candidates = hosts.filter((host): host is Candidate => host.place.kind === 'candidate')
  const allowed = candidates.filter(({ place }) => place.requirement.kind === 'prove')
  if (candidates.length > 0 && allowed.length === 0 && allSettled(hosts)) {
    return { kind: 'refused', sentence: `Mail for ${who} waits: ${forbiddenWords(candidates)}.` }
  }
  if (allowed.length === 0) return withoutCandidates(who, hosts)
  return connected ? ofSessions(who, hosts, allowed) : ofDemands(who, allowed)
}

const FORBIDDEN: Readonly<Record<UnreachableReason['kind'], string>> = {
  'sts-mx-mismatch': 'its MTA-STS policy names none of the hosts in its MX records',
  'tlsa-lookup-failed': 'whether its hosts have TLSA records cannot be looked up',
  'dane-required': 'our own settings demand DANE, and its hosts do not have it',
  'tlsa-invalid': 'our own settings demand DANE, and the TLSA records of its hosts cannot be used',
  'requiretls-name-unproven': 'nothing proves which hosts are its own',
}

function forbiddenWords(candidates: readonly Candidate[]): string {
  const kinds = candidates.flatMap(({ place: { requirement } }) =>
    requirement.kind === 'unreachable' ? requirement.reasons.map(({ kind }) => kind) : [],
  )
  return [...new Set(kinds)].map((kind) => FORBIDDEN[kind]).join('; ')
}

/** No host is left of which nothing is known yet. */
function allSettled(hosts: readonly HostFacts[]): boolean {
  return hosts.every(({ place }) => place.kind !== 'unanswered')
}

function withoutCandidates(who: string, hosts: readonly HostFacts[]): Conclusion {
  const obstacles = hosts.flatMap(({ place }) => (place.kind === 'unusable' ? [place] : []))
  if (!allSettled(hosts) || obstacles.length === 0) {
    return {
      kind: 'unknown',
      sentence: `What becomes of mail for ${who} cannot be said: its hosts could not be looked up in time.`,
    }
  }
  const lasting = obstacles.every(({ permanence }) => permanence === 'permanent')
  const [first] = obstacles
  if (lasting && first !== undefined) return nobody(who, first)
  return { kind: 'unknown', sentence: `Mail for ${who} waits: DNS does not say where its hosts are.` }
}

/** Of the host that is tried first. */
function ofDemands(who: string, [first]: readonly Candidate[]): Conclusion {
  const requirement = first?.place.requirement
  const proofs = requirement?.kind === 'prove' ? proofsOf(requirement) : []
  return { kind: 'deliverable', sentence: `Mail for ${who} ${demandWords(proofs)}.` }
}

function demandWords(proofs: readonly Proof[]): string {
  if (proofs.includes('pkix') && proofs.includes('dane')) {
    return 'goes only to a host that proves its name over TLS and shows the certificate that DANE means'
  }
  if (proofs.includes('pkix')) return 'goes only to a host that proves its name over TLS'
  if (proofs.includes('dane')) return 'goes only to a host that shows the certificate that DANE means'
  if (proofs.includes('encrypted')) return 'goes only over TLS; no certificate is demanded'
  return 'goes over TLS where it is offered; nothing demands it'
}

interface Tried {
  readonly host: Candidate
  readonly session: SessionFacts
}

function ofSessions(who: string, hosts: readonly HostFacts[], allowed: readonly Candidate[]): Conclusion {
  const tried = allowed.flatMap((host): readonly Tried[] => host.place.sessions.map((session) => ({ host, session })))
  for (const { host, session } of tried) {
    if (session.kind !== 'judged' || session.trouble !== undefined || session.verdict.kind !== 'proven') continue
    return { kind: 'deliverable', sentence: deliverableSentence(who, host, session.verdict) }
  }
  const refused = tried.find(({ session }) => isRefused(session))
  if (refused !== undefined) return { kind: 'refused', sentence: refusedSentence(who, hosts, refused) }
  if (hosts.some(isForbidden)) {
    return { kind: 'refused', sentence: `Mail for ${who} waits: no host that may be used can be reached.` }
  }
  return withoutSession(
    who,
    tried.map(({ session }) => session),
  )
}

/** By the host that is tried first of those that showed something. */
function refusedSentence(who: string, hosts: readonly HostFacts[], { host, session }: Tried): string {
  const [problem = 'it does not prove what is demanded'] = sessionSection(session).problems
  if (hosts.length === 1) return `Mail for ${who} waits: ${host.name} is refused, because ${problem}.`
  return `Mail for ${who} waits: none of its hosts proves what is demanded; of ${host.name}, ${problem}.`
}

function isForbidden({ place }: HostFacts): boolean {
  return place.kind === 'candidate' && place.requirement.kind === 'unreachable'
}

function isRefused(session: SessionFacts): boolean {
  return session.kind === 'judged' && session.verdict.kind === 'failed'
}

function withoutSession(who: string, sessions: readonly SessionFacts[]): Conclusion {
  if (sessions.some(({ kind }) => kind === 'not-tried') && !sessions.some(({ kind }) => kind === 'no-channel')) {
    return { kind: 'unknown', sentence: `What becomes of mail for ${who} cannot be said: no host answered in time.` }
  }
  const obstacles = sessions.flatMap((session) => obstacleOf(session) ?? [])
  if (obstacles.length > 0 && obstacles.every(({ permanence }) => permanence === 'permanent')) {
    return { kind: 'undeliverable', sentence: `Mail for ${who} is returned: every host turns us away.` }
  }
  return { kind: 'unreachable', sentence: `Mail for ${who} waits: none of its hosts can be reached now.` }
}

function obstacleOf(session: SessionFacts): Obstacle | undefined {
  if (session.kind === 'no-channel') return session.obstacle
  return session.kind === 'judged' ? session.trouble : undefined
}

const LEVELS: Readonly<Record<ChannelLevel, string>> = {
  clear: 'it goes without TLS',
  encrypted: 'it goes over TLS that nobody has to prove',
  pkix: 'it proves its name',
  sts: 'it proves its name, and the MTA-STS policy names it',
  dane: 'its certificate is the one that DANE means',
  'dane-insecure-mx': 'its certificate is the one that DANE means, although the MX records are not signed',
  'dane+sts': 'its certificate is the one that DANE means, and it proves its name as MTA-STS wants',
  'dane-insecure-mx+sts': 'its certificate is the one that DANE means, and it proves its name as MTA-STS wants',
}

function deliverableSentence(who: string, { name }: Candidate, verdict: Verdict & { readonly kind: 'proven' }): string {
  const observed = verdict.wouldHaveRefused === undefined ? '' : '; enforcing its policies would keep the mail back'
  return `Mail for ${who} is delivered to ${name}: ${LEVELS[verdict.level]}${observed}.`
}
