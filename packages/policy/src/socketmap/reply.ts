/**
 * From what is demanded of each host to the one answer that Postfix can be given for all of them, as `smtp_tls_policy_maps`
 * knows it (postconf(5)). The demands are those of `tlsRequirement`, and there is no second policy in here: this file only
 * chooses the weakest level of Postfix that is not weaker than they are.
 *
 * Where no level is all that is demanded, `docs/operating/socketmap.md` says which one is told and why. Pure.
 */
import type { DomainName } from '../domain-name.ts'
import { matchesMx, mxPatternText } from '../mta-sts/mx-match.ts'
import type { PolicyInForce, ProofRequirement, UnreachableReason } from '../requirement.ts'
import { assertNever } from '../result.ts'
import type { JudgedDestination, JudgedHost } from './destination.ts'
import type {
  LevelBecause,
  NobodyBecause,
  NothingBecause,
  PermanentBecause,
  PostfixLevel,
  TemporaryBecause,
} from './reasons.ts'
import type { SocketmapZone } from './zone.ts'

export type SocketmapReply =
  | {
      readonly kind: 'ok'
      readonly level: PostfixLevel
      /** With `secure`: names that a certificate may carry, each for itself. */
      readonly match: readonly DomainName[]
      readonly sni: boolean
      /** What TLSRPT of Postfix is told of the policy. */
      readonly tlsrpt: TlsrptAttributes | undefined
      readonly because: LevelBecause
    }
  | { readonly kind: 'not-found'; readonly because: NothingBecause }
  /** Postfix defers. */
  | { readonly kind: 'temporary'; readonly because: TemporaryBecause }
  /** Postfix defers, and warns of its configuration. */
  | { readonly kind: 'permanent'; readonly because: PermanentBecause }

export interface TlsrptAttributes {
  readonly policyDomain: DomainName
  readonly policyStrings: readonly string[]
  readonly mxHostPatterns: readonly string[]
  /** No host may be used, whatever it shows (Postfix ≥ 3.10). */
  readonly failure?: 'validation-failure'
}

/** More would only be read by a report; patterns that mean a host of the domain are always told. */
const MX_PATTERNS_TOLD = 100
const POLICY_STRINGS_TOLD = 100
const POLICY_STRING_MAX = 300
/** Anything else could end an attribute, or begin one (Postfix splits at white space outside of braces). */
const SAFE_STRING = /^[\x20-\x7a|~]+$/

export function socketmapReply(judged: JudgedDestination, zone: SocketmapZone): SocketmapReply {
  const { nobody, hosts, stsUnavailable, stsUncertain } = judged
  if (stsUnavailable) return { kind: 'temporary', because: 'policy-unavailable' }
  if (nobody === 'failure') return { kind: 'temporary', because: 'mx-lookup-failed' }
  if (nobody !== undefined) return forNobody(judged, nobody)
  const reply = forHosts(hosts, { judged, zone })
  const isUncertain = stsUncertain && judged.sts === undefined && zone.uncertain === 'defer'
  // What DNSSEC proves does not hang on a policy; anything less may be less than the policy demands.
  if (isUncertain && !(reply.kind === 'ok' && reply.level === 'dane-only')) {
    return { kind: 'temporary', because: 'policy-uncertain' }
  }
  return reply
}

/** Postfix will find nobody either; if it did, it may not talk to them with less than is demanded. */
function forNobody({ sts }: JudgedDestination, nobody: NobodyBecause): SocketmapReply {
  return sts?.mode === 'enforce' ? { kind: 'temporary', because: 'no-host' } : { kind: 'not-found', because: nobody }
}

interface Context {
  readonly judged: JudgedDestination
  readonly zone: SocketmapZone
}

function forHosts(hosts: readonly JudgedHost[], context: Context): SocketmapReply {
  const provable = hosts.flatMap(({ mxHostname, requirement }) =>
    requirement.kind === 'prove' ? [{ mxHostname, requirement }] : [],
  )
  const refused = hosts.flatMap(({ requirement }) => (requirement.kind === 'unreachable' ? requirement.reasons : []))
  if (provable.length === 0) return forNoHost(refused, context)
  const withTlsa = provable.filter(({ requirement }) => requirement.tlsa)
  const sides = { provable, withTlsa, refused }
  if (withTlsa.length > 0) return forTlsa(sides, context)
  if (provable.some(({ requirement }) => requirement.pkix)) return secure(provable, 'pkix', context)
  return withoutProof(sides, context)
}

interface Provable {
  readonly mxHostname: DomainName
  readonly requirement: ProofRequirement
}

interface Sides {
  readonly provable: readonly Provable[]
  /** Of those: whom TLSA records shall authenticate. */
  readonly withTlsa: readonly Provable[]
  /** Why the other hosts are not used at all. */
  readonly refused: readonly UnreachableReason[]
}

/** Every host is treated as if it did not answer. */
function forNoHost(refused: readonly UnreachableReason[], { judged, zone }: Context): SocketmapReply {
  const kinds = new Set(refused.map(({ kind }) => kind))
  const [first = 'tlsa-lookup-failed'] = kinds
  // Postfix finds the same for itself, and says so.
  if ([...kinds].every((kind) => kind === 'dane-required' || kind === 'tlsa-invalid'))
    return level('dane-only', 'dane-required')
  const tlsrpt = kinds.size === 1 && first === 'sts-mx-mismatch' ? attributes(judged, zone) : undefined
  if (tlsrpt === undefined) return { kind: 'temporary', because: first }
  const failed = level('secure', 'sts-mx-mismatch')
  return { ...failed, sni: zone.sni, tlsrpt: { ...tlsrpt, failure: 'validation-failure' } }
}

/**
 * Usable TLSA wins. `dane-only` refuses hosts without them, and every host behind an insecure MX (RFC 7672 §2.2.1, TLS_README);
 * `dane` looks host by host, and takes hosts without TLSA as they are.
 */
function forTlsa({ provable, withTlsa, refused }: Sides, context: Context): SocketmapReply {
  const mxSecure = withTlsa.every(({ requirement }) => requirement.dane?.mxSecure === true)
  const pkix = provable.some(({ requirement }) => requirement.pkix)
  const others = provable.filter(({ requirement }) => !requirement.tlsa)
  const daneIsLess =
    pkix || others.some((one) => !isMetByDane(one)) || refused.some(({ kind }) => kind !== 'tlsa-lookup-failed')
  if (mxSecure && others.length === 0 && refused.length === 0) return level('dane-only', 'tlsa-of-every-host')
  if (mxSecure && daneIsLess) return level('dane-only', 'tlsa-and-more')
  if (pkix) return secure(provable, 'pkix-before-insecure-mx', context)
  if (daneIsLess) return level('encrypt', 'encrypted')
  return level('dane', 'tlsa-of-some-hosts')
}

/** With `dane` Postfix demands TLS of a host whose TLSA records it cannot use, and nothing of one without any. */
function isMetByDane({ requirement: { pkix, floor, dane } }: Provable): boolean {
  return !pkix && (floor === 'opportunistic' || (dane !== undefined && dane.usable.length === 0))
}

function withoutProof({ provable, refused }: Sides, context: Context): SocketmapReply {
  const encrypted = provable.filter(({ requirement: { floor } }) => floor === 'encrypted')
  if (refused.length > 0) {
    // Only lookups fail here: what a policy refuses comes with demands on the others.
    if (provable.every(isMetByDane)) return level('dane', 'tlsa-lookups-fail')
    const [first] = refused
    return { kind: 'temporary', because: first?.kind ?? 'tlsa-lookup-failed' }
  }
  if (encrypted.length === provable.length) return level('encrypt', 'encrypted')
  if (encrypted.length > 0)
    return provable.every(isMetByDane) ? level('dane', 'tlsa-unusable') : level('encrypt', 'encrypted')
  return forNothing(provable, context)
}

/** What was found and is not to be enforced must not be enforced by the defaults of Postfix either: that is `may`. */
function forNothing(provable: readonly Provable[], { judged, zone }: Context): SocketmapReply {
  const requirements = provable.map(({ requirement }) => requirement)
  if (requirements.some(({ waived }) => waived !== undefined)) return level('may', 'waived')
  if (requirements.some(wouldDemand)) return level('may', 'observed')
  // Postfix ≥ 3.10.5 might skip hosts that the patterns do not mean, which a testing policy must not cause.
  const isNamed = requirements.every(({ sts }) => sts?.matched !== undefined)
  const tlsrpt = isNamed ? attributes(judged, zone) : undefined
  if (tlsrpt !== undefined) return { ...level('may', 'testing'), tlsrpt }
  return { kind: 'not-found', because: 'nothing-demanded' }
}

function wouldDemand({ observed }: ProofRequirement): boolean {
  if (observed === undefined) return false
  return observed.pkix || observed.tlsa || observed.floor === 'encrypted' || observed.unreachable.length > 0
}

/** The names of hosts, never patterns: `.example.com` means any depth to Postfix, and one label to RFC 8461 §4.1. */
function secure(provable: readonly Provable[], because: LevelBecause, { judged, zone }: Context): SocketmapReply {
  const match = provable.flatMap(({ mxHostname, requirement }) => (requirement.pkix ? [mxHostname] : []))
  const isEnforced = provable.every(({ requirement: { sts, observed } }) => sts?.mode === 'enforce' && !observed)
  const tlsrpt = isEnforced ? attributes(judged, zone) : undefined
  return { ...level('secure', because), match, sni: zone.sni, tlsrpt }
}

function level(name: PostfixLevel, because: LevelBecause): SocketmapReply & { readonly kind: 'ok' } {
  return { kind: 'ok', level: name, match: [], sni: false, tlsrpt: undefined, because }
}

/** Only of a policy that the domain itself has published. */
function attributes(
  { domain, sts, policyLines, hosts }: JudgedDestination,
  zone: SocketmapZone,
): TlsrptAttributes | undefined {
  if (!zone.tlsrpt || sts === undefined || policyLines === undefined) return undefined
  return {
    policyDomain: domain,
    policyStrings: policyLines.filter(isTellable).slice(0, POLICY_STRINGS_TOLD),
    mxHostPatterns: patternsTold(sts, hosts),
  }
}

function isTellable(line: string): boolean {
  return line.length <= POLICY_STRING_MAX && SAFE_STRING.test(line)
}

/** Postfix ≥ 3.10.5 uses only hosts that one of these means: those of the domain come first. */
function patternsTold({ policy: { mx } }: PolicyInForce, hosts: readonly JudgedHost[]): readonly string[] {
  const meaning = hosts.flatMap(({ mxHostname }) => matchesMx(mxHostname, mx) ?? [])
  return [...new Set([...meaning, ...mx].map(mxPatternText))].slice(0, MX_PATTERNS_TOLD)
}

/** As it travels, without the netstring around it (socketmap_table(5)). */
export function replyText(reply: SocketmapReply): string {
  switch (reply.kind) {
    case 'ok':
      return `OK ${policyText(reply)}`
    case 'not-found':
      return 'NOTFOUND '
    case 'temporary':
      return `TEMP ${reply.because}`
    case 'permanent':
      return `PERM ${reply.because}`
    default:
      return assertNever(reply)
  }
}

function policyText({ level: name, match, sni, tlsrpt }: SocketmapReply & { readonly kind: 'ok' }): string {
  return [
    name,
    ...(match.length === 0 ? [] : [`match=${match.join(':')}`]),
    ...(sni ? ['servername=hostname'] : []),
    ...(tlsrpt === undefined ? [] : tlsrptText(tlsrpt)),
  ].join(' ')
}

/** TLSRPT_README of Postfix 3.10; `policy_ttl` is deprecated there and does nothing. */
function tlsrptText({ policyDomain, policyStrings, mxHostPatterns, failure }: TlsrptAttributes): readonly string[] {
  return [
    'policy_type=sts',
    `policy_domain=${policyDomain}`,
    ...policyStrings.map((string) => `{ policy_string = ${string} }`),
    ...mxHostPatterns.map((pattern) => `mx_host_pattern=${pattern}`),
    ...(failure === undefined ? [] : [`policy_failure=${failure}`]),
  ]
}
