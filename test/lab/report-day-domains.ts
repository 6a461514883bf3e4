/**
 * The domains of a day of mixed traffic: MTA-STS, DANE, both, neither, and a host for every result type of RFC 8460 §4.3;
 * and what a report about each must say, in the words of what its host saw.
 */
import type { ResultType } from '@hermetic/reporter'
import type { PolicyOptions } from './sts-world.ts'
import type { HostOptions } from './world-host.ts'

/** What is counted: sessions that the host saw, attempts that never reached it, one failed fetch. */
export type Seen = 'sessions' | 'attempts' | 'once'

export interface ExpectedEntry {
  readonly type: 'tlsa' | 'sts' | 'no-policy-found'
  readonly seen: Seen
  /** Undefined: the sessions were good. */
  readonly failed?: ResultType
}

export interface DayDomain {
  readonly host?: HostOptions
  readonly policy?: PolicyOptions
  readonly policyHost?: 'missing' | 'malformed' | 'expired'
  readonly tlsa?: 'match' | 'other' | 'unusable' | 'bogus'
  /** Demanded by the operator of the relay, of reports as well. */
  readonly require?: 'dane'
  /** Whether mail of people arrives. */
  readonly delivers: boolean
  /** Where its report is wanted; by mail at the very domain. */
  readonly wants: readonly ('mail' | 'https')[]
  readonly expected: readonly ExpectedEntry[]
}

const good = (type: ExpectedEntry['type']): ExpectedEntry => ({ type, seen: 'sessions' })
const failed = (type: ExpectedEntry['type'], result: ResultType, seen: Seen = 'sessions'): ExpectedEntry => ({
  ...{ type, failed: result, seen },
})
const enforce = (domain: string): PolicyOptions => ({ mode: 'enforce', mx: [`mx.${domain}`] })
const testing = (domain: string): PolicyOptions => ({ mode: 'testing', mx: [`mx.${domain}`] })

export const DAY_DOMAINS: Readonly<Record<string, DayDomain>> = {
  'both.test': {
    ...{ tlsa: 'match', policy: enforce('both.test'), delivers: true, wants: ['mail', 'https'] },
    expected: [good('tlsa'), good('sts')],
  },
  'sts.test': { policy: enforce('sts.test'), delivers: true, wants: ['mail'], expected: [good('sts')] },
  'dane.test': {
    ...{ host: { tls: 'self-signed' }, tlsa: 'match', delivers: true, wants: ['https'] },
    expected: [good('tlsa')],
  },
  'neither.test': { delivers: true, wants: ['https', 'mail'], expected: [good('no-policy-found')] },
  'clear.test': {
    ...{ host: { tls: 'none' }, policy: testing('clear.test'), delivers: true, wants: ['mail'] },
    expected: [failed('sts', 'starttls-not-supported')],
  },
  'mismatch.test': {
    ...{ host: { tls: 'wrong-name' }, policy: testing('mismatch.test'), delivers: true, wants: ['https'] },
    expected: [failed('sts', 'certificate-host-mismatch')],
  },
  'expired.test': {
    ...{ host: { tls: 'expired' }, policy: enforce('expired.test'), delivers: false, wants: ['mail'] },
    expected: [failed('sts', 'certificate-expired')],
  },
  'untrusted.test': {
    ...{ host: { tls: 'self-signed' }, policy: enforce('untrusted.test'), delivers: false, wants: ['mail', 'https'] },
    expected: [failed('sts', 'certificate-not-trusted')],
  },
  'other-key.test': {
    ...{ tlsa: 'other', policy: enforce('other-key.test'), delivers: false, wants: ['mail'] },
    expected: [failed('tlsa', 'certificate-not-trusted'), good('sts')],
  },
  'broken.test': {
    host: { script: { STARTTLS: { reply: '220 go', handshake: 'garbage' } } },
    ...{ policy: enforce('broken.test'), delivers: false, wants: ['https'] },
    expected: [failed('sts', 'validation-failure')],
  },
  'unusable.test': {
    ...{ tlsa: 'unusable', delivers: true, wants: ['mail'], expected: [failed('tlsa', 'tlsa-invalid')] },
  },
  'bogus.test': {
    ...{ tlsa: 'bogus', delivers: false, wants: ['mail'], expected: [failed('tlsa', 'dnssec-invalid', 'attempts')] },
  },
  'demanded.test': {
    ...{ require: 'dane', delivers: false, wants: ['mail', 'https'] },
    expected: [failed('tlsa', 'dane-required', 'attempts')],
  },
  'missing.test': {
    ...{ policy: enforce('missing.test'), policyHost: 'missing', delivers: true, wants: ['mail'] },
    expected: [failed('sts', 'sts-policy-fetch-error', 'once'), good('no-policy-found')],
  },
  'malformed.test': {
    ...{ policy: enforce('malformed.test'), policyHost: 'malformed', delivers: true, wants: ['https'] },
    expected: [failed('sts', 'sts-policy-invalid', 'once'), good('no-policy-found')],
  },
  'webpki.test': {
    ...{ policy: enforce('webpki.test'), policyHost: 'expired', delivers: true, wants: ['mail'] },
    expected: [failed('sts', 'sts-webpki-invalid', 'once'), good('no-policy-found')],
  },
  'unwanted.test': { delivers: true, wants: [], expected: [] },
}
