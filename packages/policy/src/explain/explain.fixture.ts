/** Facts to be explained: a domain with one good host under an enforced policy, and everything that a test changes. */
import assert from 'node:assert/strict'
import { type DomainName, parseDomainName, parseOwnerName } from '../domain-name.ts'
import { parsePolicyFile, type StsPolicy } from '../mta-sts/policy-file.ts'
import type { RecordAnswer } from '../mta-sts/record-lookup.ts'
import type { PolicyFound, StsFacts } from '../mta-sts/source-facts.ts'
import type { HostAddresses } from '../next-hop/addresses.ts'
import type { PeerCertificate, PeerFacts } from '../peer-facts.ts'
import type { StoredPolicy } from '../ports/policy-cache.ts'
import { type RequirementFacts, tlsRequirement } from '../requirement.ts'
import { sessionResults } from '../session-result.ts'
import { type Channel, judge } from '../verdict.ts'
import type { ExplainFacts, HostFacts, Obstacle, RouteFacts, SessionFacts, StsLookups } from './facts.ts'

export const NOW = Date.UTC(2026, 10, 22, 12)
export const DAY_MS = 86_400_000
export const DOMAIN = name('example.test')
export const MX = name('mx.example.test')

export function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert.ok(parsed.ok, text)
  return parsed.value
}

export function policy({ mode = 'enforce', mx = [MX], maxAge = 14 * 86_400 }: PolicyShape = {}): StsPolicy {
  const hosts = mx.map((pattern) => `mx: ${pattern}\n`).join('')
  const parsed = parsePolicyFile(Buffer.from(`version: STSv1\nmode: ${mode}\n${hosts}max_age: ${maxAge}\n`))
  assert.ok(parsed.ok, JSON.stringify(parsed))
  return parsed.value
}

export interface PolicyShape {
  readonly mode?: 'enforce' | 'testing' | 'none'
  readonly mx?: readonly string[]
  readonly maxAge?: number
}

export const RECORD: RecordAnswer = { kind: 'record', id: '1', ttlSeconds: 300 }
export const ABSENT: RecordAnswer = { kind: 'absent', ttlSeconds: 300 }

export function found(shape: PolicyShape = {}, record: RecordAnswer = RECORD): PolicyFound {
  const one = policy(shape)
  const fetchedAt = NOW - 3_600_000
  return {
    ...{ kind: 'policy', policyDomain: DOMAIN, mode: shape.mode === 'testing' ? 'testing' : 'enforce', policy: one },
    ...{ id: '1', fetchedAt, expiresAt: fetchedAt + one.maxAgeSeconds * 1000, from: 'cache', record },
    ...{ uncounted: undefined, validUntil: NOW + 300_000 },
  }
}

export function none(because: Extract<StsFacts, { kind: 'none' }>['because'], record: RecordAnswer = ABSENT): StsFacts {
  return { kind: 'none', policyDomain: DOMAIN, because, record, uncounted: undefined, validUntil: NOW + 300_000 }
}

export function stored(shape: PolicyShape = {}, more: Partial<StoredPolicy> = {}): StoredPolicy {
  const fetchedAt = NOW - 3_600_000
  const times = { fetchedAt, refreshAt: NOW + DAY_MS, failedRefreshes: 0 }
  return { policyDomain: DOMAIN, policy: policy(shape), id: '1', ...times, ...more }
}

/** The texts in DNS are what the record was read from. */
export function lookups(more: Partial<StsLookups> = {}): StsLookups {
  const absent = more.facts?.record?.kind === 'absent'
  return {
    ...{ kind: 'consulted', policyDomain: DOMAIN, facts: found(), cached: stored() },
    txt: absent ? undefined : txt(['v=STSv1; id=1']),
    policyHost: served(),
    ...more,
  }
}

export function txt(...records: readonly (readonly string[])[]): StsLookups['txt'] {
  const [first, ...rest] = records
  const owner = parseOwnerName(`_mta-sts.${DOMAIN}`)
  assert.ok(first !== undefined && owner.ok)
  return { kind: 'records', records: [first, ...rest], secure: false, canonicalName: owner.value, ttlSeconds: 300 }
}

export function served(shape: PolicyShape = {}, peerFacts: PeerFacts = peer({ name: `mta-sts.${DOMAIN}` })) {
  const what = { policy: policy(shape), address: '192.0.2.7', peer: peerFacts, passedOver: [] }
  return { kind: 'served', at: NOW, ...what } as const satisfies StsLookups['policyHost']
}

export interface PeerShape {
  readonly name?: string
  readonly validTo?: number
  readonly trust?: string
  readonly matches?: boolean
  readonly chain?: PeerFacts['chain']
}

export function certificate(subject: string, more: Partial<PeerCertificate> = {}): PeerCertificate {
  return {
    ...{ der: new Uint8Array(), fingerprintSha256: 'AA:BB', subject: `CN=${subject}`, issuer: 'CN=Some Authority' },
    ...{ validFrom: NOW - DAY_MS, validTo: NOW + 60 * DAY_MS, subjectAltName: `DNS:${subject}` },
    ...more,
  }
}

export function peer({
  name: host = MX,
  validTo = NOW + 60 * DAY_MS,
  trust,
  matches = true,
  chain,
}: PeerShape = {}): PeerFacts {
  return {
    ...{ protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', keyExchange: 'X25519', chainCut: false },
    chain: chain ?? [certificate(host, { validTo })],
    pkix: trust === undefined ? { kind: 'trusted' } : { kind: 'untrusted', code: trust },
    name: { kind: matches ? 'matched' : 'mismatched', name: name(host) },
  }
}

export const CLEAR: Channel = { kind: 'clear', because: 'starttls-not-offered' }

/** As delivery judges it. */
export function session(channel: Channel, facts: Partial<RequirementFacts> = {}, address = '192.0.2.1'): SessionFacts {
  const requirement = tlsRequirement({ ...REQUIRED, ...facts })
  assert.equal(requirement.kind, 'prove')
  assert.ok(requirement.kind === 'prove')
  const verdict = judge(requirement, channel)
  return { address, kind: 'judged', channel, verdict, results: sessionResults(requirement, channel) }
}

export const REQUIRED: RequirementFacts = { local: 'nothing', sts: found(), mxHostname: MX }

export const OBSTACLE: Obstacle = {
  ...{ cause: 'connect-failed', detail: 'connect-failed: ECONNREFUSED', status: '4.4.1', permanence: 'transient' },
}

export function addresses(more: Partial<Extract<HostAddresses, { kind: 'addresses' }>> = {}): HostAddresses {
  const allowed = [{ address: '192.0.2.1', family: 4 }] as const
  return { kind: 'addresses', allowed, refused: [], secure: false, canonicalName: MX, ttlSeconds: 300, ...more }
}

export function host(more: Partial<HostFacts> = {}, facts: Partial<RequirementFacts> = {}): HostFacts {
  const requirement = tlsRequirement({ ...REQUIRED, ...facts })
  return {
    ...{ name: MX, preference: 10, implicit: false, addresses: addresses() },
    place: { kind: 'candidate', requirement, dialled: ['192.0.2.1'], sessions: [] },
    ...more,
  }
}

/** The host was connected to. */
export function shown(channel: Channel, facts: Partial<RequirementFacts> = {}): HostFacts {
  const requirement = tlsRequirement({ ...REQUIRED, ...facts })
  const sessions = [session(channel, facts)]
  return host({ place: { kind: 'candidate', requirement, dialled: ['192.0.2.1'], sessions } })
}

export function route(more: Partial<RouteFacts & { kind: 'mx' }> = {}): RouteFacts {
  const candidates = [{ mxHostname: MX, preference: 10, implicit: false }] as const
  const answer = { kind: 'hosts', candidates, mxSecure: false, expandedNextHop: DOMAIN, ttlSeconds: 300 } as const
  return { kind: 'mx', lane: `mx:${DOMAIN}:25`, domain: DOMAIN, answer, end: { kind: 'hosts' }, ...more }
}

export function explainFacts(more: Partial<ExplainFacts> = {}): ExplainFacts {
  return {
    ...{ at: NOW, by: 'relay', connected: false, destination: { kind: 'domain', name: DOMAIN } },
    ...{ route: route(), sts: lookups(), hosts: [host()] },
    ...more,
  }
}
