/**
 * An explanation as it is handed out: plain values that JSON carries unchanged. `docs/operating/explain.md` describes
 * it; scripts rely on it. Adding a field or a code keeps the version, everything else raises it.
 *
 * Times are ISO 8601 in UTC. Texts of ours are in English; what peers wrote is in fields of its own, bounded, and must
 * be made harmless by whoever prints it. Types only.
 */
import type { Advice } from './advice.ts'

export const EXPLANATION_VERSION = 1

export interface Explanation {
  readonly version: typeof EXPLANATION_VERSION
  /** A domain in A-labels, or an address in brackets. */
  readonly destination: string
  readonly at: string
  readonly by: 'relay' | 'command-line'
  readonly connected: boolean
  readonly conclusion: Conclusion
  readonly route: RouteSection
  readonly mtaSts: MtaStsSection
  /** Absent: our settings say nothing about the domain, and policies are enforced. */
  readonly local?: LocalSection
  /** Absent: only the usual number of connections, and nothing waits for it. */
  readonly limits?: LimitSection
  /** In the order in which they are tried. */
  readonly hosts: readonly HostSection[]
  /** For the owner of the domain, the worst first. */
  readonly advice: readonly Advice[]
}

/**
 * What becomes of mail now. Without `--connect` nothing is proven: `deliverable` then means that nothing known forbids
 * it, and the sentence says what a host must prove.
 */
export interface Conclusion {
  readonly kind: ConclusionKind
  readonly sentence: string
}

export type ConclusionKind =
  | 'deliverable'
  /** A policy forbids every host, or none proves what is demanded: mail waits and is returned when that lasts. */
  | 'refused'
  /** Nobody takes mail for this domain: it is returned at once. */
  | 'undeliverable'
  /** Policies allow it, but no host can be reached now: mail waits. */
  | 'unreachable'
  /** DNS, our policy cache or the time did not suffice to say: mail waits. */
  | 'unknown'

export interface RouteSection {
  readonly kind: 'mx' | 'implicit-mx' | 'literal' | 'smarthost'
  readonly lane: string
  /** The name that the domain is an alias of. */
  readonly alias?: string
  /** The MX answer was validated by DNSSEC. */
  readonly secure?: boolean
  readonly smarthost?: string
  /** The setting that leads there. */
  readonly because?: string
  /** Where mail goes that does not get through. */
  readonly fallback?: string
  /** Settings for other mail to the same destination. */
  readonly others?: readonly string[]
  readonly problem?: ProblemSection
}

export interface ProblemSection {
  readonly cause: string
  readonly detail: string
  /** RFC 3463. */
  readonly status?: string
  readonly permanence?: 'transient' | 'permanent'
}

export interface MtaStsSection {
  readonly state: /** A policy is in force. */
    | 'in-force'
    /** The domain has none, or none that can be had. */
    | 'none'
    /** Whether it has one cannot be said: mail waits. */
    | 'unavailable'
    | 'not-consulted'
  /** Why it is not in force; of a closed list. */
  readonly because?: string
  readonly policy?: PolicySection
  readonly record?: RecordSection
  readonly policyHost?: PolicyHostSection
  /** The cache entry, as far as it tells how the policy is doing. */
  readonly renewal?: RenewalSection
}

export interface PolicySection {
  readonly mode: 'enforce' | 'testing' | 'none'
  readonly id: string
  readonly from: 'cache' | 'fresh'
  readonly mx: readonly string[]
  readonly maxAgeSeconds: number
  readonly fetchedAt: string
  readonly expiresAt: string
  readonly ageSeconds: number
  readonly expiresInSeconds: number
}

export interface RecordSection {
  readonly name: string
  readonly kind: 'record' | 'absent' | 'unusable' | 'failed'
  readonly id?: string
  /** Why it is unusable, or why DNS could not say. */
  readonly problem?: string
  /** The name that the records were found at, when that is an alias. */
  readonly alias?: string
  /** As published, the strings of a record joined; at most ten records. */
  readonly published?: readonly string[]
}

export interface PolicyHostSection {
  readonly name: string
  readonly kind: 'served' | 'failed' | 'not-asked'
  readonly at?: string
  readonly address?: string
  /** What it serves is another document than the policy in force. */
  readonly differs?: boolean
  readonly problem?: string
  readonly certificate?: CertificateSection
  readonly protocol?: string
}

export interface RenewalSection {
  readonly refreshAt: string
  /** In a row, since the last success. */
  readonly failedRefreshes: number
  /** Of the last one: when, and why in the words of a report. */
  readonly lastFailure?: { readonly at: string; readonly reason: string }
  /** The mode that was cached before this explanation, when it is another one now. */
  readonly formerMode?: 'enforce' | 'testing' | 'none'
}

export interface LocalSection {
  readonly enforcement: 'enforce' | 'observe'
  readonly overrides: readonly OverrideSection[]
  readonly preload?: PreloadSection
}

/** What is allowed with the site of the hosts: more waits in the queue, nothing is refused. */
export interface LimitSection {
  /** The hosts and the port, or `limit:` and the name of the operator's limit. */
  readonly site: string
  /** Of the limit that the operator wrote; absent: what holds for all sites. */
  readonly name?: string
  readonly connections: number
  /** Fewer while the site cannot be reached. */
  readonly adaptive: boolean
  /** So many messages in that time: `100/1m`; absent: as many as it takes. */
  readonly rate?: string
  readonly burst?: number
  /** What mail waits for now, in the relay that was asked. */
  readonly waitsFor?: 'connections' | 'rate'
}

export interface OverrideSection {
  readonly kind: 'require' | 'waive' | 'enforcement'
  readonly state: 'active' | 'expired'
  readonly text: string
}

export interface PreloadSection {
  readonly mode: 'enforce' | 'testing'
  readonly mx: readonly string[]
  readonly state: 'in-force' | 'not-needed' | 'expired'
  readonly expiresAt?: string
}

export interface HostSection {
  readonly name: string
  readonly preference?: number
  readonly implicit: boolean
  readonly alias?: string
  /** DNSSEC validated the addresses. */
  readonly secure?: boolean
  readonly standing: /** Mail may go there, when it proves what is demanded. */
    | 'candidate'
    /** The policy does not allow it: it is not contacted. */
    | 'forbidden'
    | 'unusable'
    | 'behind-ourselves'
    | 'unanswered'
  readonly demand?: DemandSection
  /** Absent: DANE was not looked at. */
  readonly dane?: DaneSection
  readonly problem?: ProblemSection
  readonly addresses: readonly AddressSection[]
}

export interface DaneSection {
  readonly kind: 'none' | 'tlsa' | 'failure'
  /** Of a closed list: why it does not apply. */
  readonly because?: string
  readonly text: string
  /** As published: usage, selector, matching type, data. */
  readonly records?: readonly string[]
}

export interface DemandSection {
  /** All must hold; empty: TLS when it is offered, without proof. */
  readonly proofs: readonly Proof[]
  readonly reasons: readonly DemandReason[]
}

/** `pkix`: a certificate for the host's name from a trusted authority; `dane`: one that its TLSA records mean. */
export type Proof = 'encrypted' | 'pkix' | 'dane'

/** Who demands it, why the host is forbidden, or why nobody demands anything. */
export interface DemandReason {
  readonly by: 'mta-sts' | 'preload' | 'dane' | 'local-policy' | 'override' | 'observe' | 'sender' | 'nobody'
  readonly text: string
  readonly rfc: readonly string[]
}

export interface AddressSection {
  readonly address: string
  /** `allowed`, or why the guard refuses it. */
  readonly guard: string
  /** Beyond what delivery tries of one host. */
  readonly spare: boolean
  readonly session?: SessionSection
}

export interface SessionSection {
  readonly verdict: 'proven' | 'failed' | 'no-channel' | 'not-tried'
  /** `clear`, `encrypted`, `pkix`, `sts`, `dane`, … */
  readonly level?: string
  /** Policies that are only observed here: why enforcing them would have refused. */
  readonly wouldHaveRefused?: readonly string[]
  /** Why it failed, why there is no channel, why it was not tried. */
  readonly problems: readonly string[]
  readonly tls?: TlsSection
  /** In the words of a report (RFC 8460 §4.3), one for each policy that applies. */
  readonly reports?: readonly ReportSection[]
}

export interface TlsSection {
  readonly protocol: string
  readonly cipher: string
  readonly keyExchange?: string
  readonly nameMatches: boolean | 'not-asked'
  /** `trusted`, or OpenSSL's code. */
  readonly trust: string
  /** As sent, the leaf first. */
  readonly chain: readonly CertificateSection[]
  readonly chainCut: boolean
}

export interface CertificateSection {
  readonly subject: string
  readonly issuer: string
  readonly names: readonly string[]
  readonly validFrom: string
  readonly validTo: string
  readonly fingerprintSha256: string
}

export interface ReportSection {
  readonly policyType: string
  readonly results: readonly string[]
}
