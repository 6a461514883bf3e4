/**
 * Whether the relay should get work: every reason why not, in words for operators, and what they should know although
 * it works. Pure.
 */
import type { DnssecState } from '@hermetic/policy'
import { isOutOfStep } from '../nodes/clock-skew.ts'
import { ROLES, type Role, WITHOUT_ROLE } from '../nodes/role.ts'
import type { SpoolHealth } from '../spool/spool.ts'
import { dnssecText } from './dnssec-text.ts'
import type { EngineState } from './engine-state.ts'

export interface ReadinessFacts {
  readonly phase: 'starting' | 'running' | 'draining' | 'stopping'
  /** It drains because another relay has its id. */
  readonly replaced?: boolean
  /** How far the clock of the machine is ahead of the store's; absent: there is no other clock. */
  readonly clockSkewMs?: number | undefined
  readonly store: Pick<SpoolHealth, 'intake' | 'claims' | 'detail'>
  readonly listeners: { readonly wanted: number; readonly up: number }
  /** Absent: there is one, and it answers this. */
  readonly threads?: { readonly wanted: number; readonly up: number } | undefined
  /** `silent`: questions were asked, and the last ones got no answer from any server. */
  readonly resolver: 'answers' | 'silent' | 'not-asked-yet'
  /** Undefined when no name servers are asked. */
  readonly dnssec?: DnssecState | undefined
  /** Absent: there is no queue here. */
  readonly engine?: EngineState
  /** What is wrong with the store of policies. */
  readonly policyCache?: string | undefined
  /** What this process does; absent: everything. */
  readonly roles?: readonly Role[]
  /** What no node of the queue does. */
  readonly withoutNode?: readonly Role[]
  /** Settings of the file that this process does not go by. */
  readonly waitingForRestart?: readonly string[]
  /** Routes whose smarthost refuses our login; `until`: UTC milliseconds. */
  readonly suspendedRoutes?: readonly { readonly route: string; readonly said: string; readonly until: number }[]
  /** Rules that keep mail back. */
  readonly holdRules?: number
  /** Those whose end is near, or behind. */
  readonly certificates?: readonly { readonly listener: string; readonly endsAt: number }[]
}

export interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
  /** Nothing that keeps work away. */
  readonly notes: readonly string[]
}

export function readiness(facts: ReadinessFacts): Readiness {
  const { phase, replaced, clockSkewMs, store, listeners, dnssec, engine, policyCache, roles = ROLES } = facts
  const detail = store.detail === '' ? '' : ` (${store.detail})`
  const reasons = [
    ...(phase === 'running'
      ? []
      : [`the relay is ${phase}${replaced === true ? ': another one has its node id' : ''}`]),
    ...(store.intake === 'open' || !roles.includes('submission')
      ? []
      : [`no mail is accepted: the store is ${store.intake}${detail}`]),
    ...(store.claims === 'open' || !roles.includes('delivery')
      ? []
      : [`no mail is delivered: claims are stopped${detail}`]),
    ...(engine?.scheduling === undefined ? [] : [`no deliveries begin: ${engine.scheduling}`]),
    ...(listeners.up >= listeners.wanted ? [] : [`${listeners.up} of ${listeners.wanted} listeners are up`]),
    ...(facts.threads?.up === 0 ? [`none of ${facts.threads.wanted} threads is up`] : []),
    ...(needsNames(roles) ? namesTrouble(facts) : []),
  ]
  const notes = [
    ...(needsNames(roles) ? [] : namesTrouble(facts)),
    ...(facts.withoutNode ?? []).map((role) => WITHOUT_ROLE[role]),
    ...(isWorthANote(dnssec) ? [dnssecText(dnssec)] : []),
    ...threadsNote(facts),
    ...clockNote(clockSkewMs),
    ...(engine?.weakness === undefined ? [] : [weaknessText(engine.weakness)]),
    ...(policyCache === undefined ? [] : [policyCache]),
    ...certificateNotes(facts),
    ...routeNotes(facts),
    ...holdNote(facts),
    ...waitingNote(facts),
  ]
  return { ready: reasons.length === 0, reasons, notes }
}

/** Who takes mail, or is asked, can do so without. */
function needsNames(roles: readonly Role[]): boolean {
  return roles.includes('delivery') || roles.includes('reporter')
}

function namesTrouble({ resolver, dnssec }: ReadinessFacts): readonly string[] {
  return [
    ...(resolver === 'silent' ? ['no name server answers'] : []),
    ...(dnssec?.kind === 'lost' ? [dnssecText(dnssec)] : []),
  ]
}

function certificateNotes({ certificates = [] }: ReadinessFacts): readonly string[] {
  return certificates.map(({ listener, endsAt }) => {
    return `the certificate of ${listener} ends on ${new Date(endsAt).toISOString().slice(0, 10)}`
  })
}

/** Sessions go to the others meanwhile, and it is replaced. */
function threadsNote({ threads }: ReadinessFacts): readonly string[] {
  if (threads === undefined || threads.up === 0 || threads.up >= threads.wanted) return []
  return [`${threads.up} of ${threads.wanted} threads are up`]
}

function routeNotes({ suspendedRoutes = [] }: ReadinessFacts): readonly string[] {
  return suspendedRoutes.map(({ route, said, until }) => {
    return `${route} is suspended: the login is refused (${said}), tried again at ${new Date(until).toISOString()}; correct it and run hermetic reload`
  })
}

function holdNote({ holdRules = 0 }: ReadinessFacts): readonly string[] {
  if (holdRules === 0) return []
  return [`${holdRules} ${holdRules === 1 ? 'rule holds' : 'rules hold'} mail: hermetic hold list`]
}

function waitingNote({ waitingForRestart: waiting = [] }: ReadinessFacts): readonly string[] {
  return waiting.length === 0 ? [] : [`these settings count after a restart only: ${waiting.join(', ')}`]
}

function weaknessText(weakness: string): string {
  return `a power cut or a failover may lose accepted mail, as durability = "relaxed" bears: ${weakness}`
}

function clockNote(skewMs: number | undefined): readonly string[] {
  if (skewMs === undefined || !isOutOfStep({ skewMs, uncertaintyMs: 0 })) return []
  return [
    `the clock is ${(Math.abs(skewMs) / 1_000).toFixed(1)} s ${skewMs > 0 ? 'ahead of' : 'behind'} the clock of Redis`,
  ]
}

/** What somebody may believe to be otherwise: DANE is off for want of a validator, or rests on a guess. */
function isWorthANote(state: DnssecState | undefined): state is DnssecState {
  if (state?.kind === 'off') return state.because.kind === 'no-validator'
  return state?.kind === 'validating' && state.by === 'loopback-resolver'
}
