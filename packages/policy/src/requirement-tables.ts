/**
 * The tables behind `requirement.ts`: what each fact about a host demands, by its own right. Every cell is a tested rule.
 *
 * A cell is a set of proofs, or the reason why the host is not contacted at all. Cells of different tables are added:
 * none takes away from another. Sources: RFC 8461 §5, RFC 7672 §2.2 and §6, RFC 8689 §4.2, RFC 3207 §6. Pure.
 */
import type { StsMode } from './mta-sts/policy-file.ts'

/** What must hold before a message may cross; each by itself, none in place of another. */
export interface Demands {
  /** A chain to a root that we believe, and the name of the MX host in the certificate. */
  readonly pkix: boolean
  readonly floor: Floor
  /** The usable TLSA records of the host authenticate its certificate (RFC 7672 §3). */
  readonly tlsa: boolean
}

/** What the channel must be at least when no proof fails. */
export type Floor = 'encrypted' | 'opportunistic'

/** What the operator, or the use of credentials, demands of one destination. */
export type LocalDemand = 'nothing' | 'encrypted' | 'pkix' | 'dane'

/** `proven-host`: of a smarthost, by its TLSA records where it has usable ones, else by authorities. */
export type HostDemand = LocalDemand | 'proven-host'

/** `none` is no policy. */
export type EffectiveMode = Exclude<StsMode, 'none'>

/**
 * What the sender wants for one message: `requiretls` by the MAIL parameter, `tls-optional` by the header field
 * `TLS-Required: No` (RFC 8689 §3, §4).
 */
export type MessageTls = 'default' | 'requiretls' | 'tls-optional'

/** `observe`: policies are evaluated and told, and nothing is refused for them. */
export type Enforcement = 'enforce' | 'observe'

/** What a published policy can do to a message: refuse it, be looked at, or nothing. */
export type Force = 'enforced' | 'observed' | 'ignored'

export type DaneState = 'absent' | 'usable' | 'usable-insecure-mx' | 'unusable' | 'unusable-insecure-mx' | 'failure'

export type Refusal =
  | 'sts-mx-mismatch'
  | 'tlsa-lookup-failed'
  | 'dane-required'
  | 'tlsa-invalid'
  | 'requiretls-name-unproven'

export type Cell = Demands | Refusal

export const NOTHING: Demands = { pkix: false, floor: 'opportunistic', tlsa: false }
const ENCRYPTED: Demands = { pkix: false, floor: 'encrypted', tlsa: false }
const PKIX: Demands = { pkix: true, floor: 'encrypted', tlsa: false }
const TLSA: Demands = { pkix: false, floor: 'encrypted', tlsa: true }

/** `dane` is the column `required` of DANE_DEMANDS. */
export const LOCAL_DEMANDS = {
  nothing: NOTHING,
  encrypted: ENCRYPTED,
  pkix: PKIX,
} as const satisfies Record<Exclude<LocalDemand, 'dane'>, Cell>

/** By the mode of the policy, and whether it names the host (RFC 8461 §5, §8.4). */
export const STS_DEMANDS = {
  enforce: { named: PKIX, unnamed: 'sts-mx-mismatch' },
  testing: { named: NOTHING, unnamed: NOTHING },
} as const satisfies Record<EffectiveMode, Record<'named' | 'unnamed', Cell>>

/** By what DNS says of the host: what its owner has published, and what `require = "dane"` makes of it (RFC 7672 §6). */
export const DANE_DEMANDS = {
  absent: { published: NOTHING, required: 'dane-required' },
  usable: { published: TLSA, required: TLSA },
  'usable-insecure-mx': { published: TLSA, required: 'dane-required' },
  unusable: { published: ENCRYPTED, required: 'tlsa-invalid' },
  'unusable-insecure-mx': { published: ENCRYPTED, required: 'dane-required' },
  failure: { published: 'tlsa-lookup-failed', required: 'tlsa-lookup-failed' },
} as const satisfies Record<DaneState, Record<'published' | 'required', Cell>>

/**
 * Of a smarthost, which may be shown credentials: TLSA records of the host that the configuration names may take the
 * place of PKIX (RFC 8314 §5.3, TLS-23); behind an insecure MX RRset there is no such host. A failed lookup is refused
 * by the records' own right, above.
 */
export const PROVEN_HOST_DEMANDS = {
  absent: PKIX,
  usable: TLSA,
  'usable-insecure-mx': PKIX,
  unusable: PKIX,
  'unusable-insecure-mx': PKIX,
  failure: PKIX,
} as const satisfies Record<DaneState, Cell>

/**
 * Of a REQUIRETLS message (RFC 8689 §4.2.1): the name of the host must be proven, and its certificate; usable TLSA
 * records demand the latter by themselves.
 */
export const REQUIRETLS_DEMANDS = {
  'name-unproven': 'requiretls-name-unproven',
  'without-usable-tlsa': PKIX,
} as const satisfies Record<string, Cell>

/** Published policies, by what the sender wants and how we are set: REQUIRETLS is never only observed. */
export const FORCE = {
  default: { enforce: 'enforced', observe: 'observed' },
  requiretls: { enforce: 'enforced', observe: 'enforced' },
  'tls-optional': { enforce: 'ignored', observe: 'ignored' },
} as const satisfies Record<MessageTls, Record<Enforcement, Force>>

/**
 * A host that a REQUIRETLS message was not offered to, by each reason of a policy: for good, or perhaps later (D-9,
 * RTLS-30). An unproven name is REQUIRETLS' own, and definitive.
 */
export const REQUIRETLS_ENDS = {
  'sts-mx-mismatch': 'definitive',
  'tlsa-lookup-failed': 'transient',
  'dane-required': 'transient',
  'tlsa-invalid': 'transient',
} as const satisfies Record<Exclude<Refusal, 'requiretls-name-unproven'>, 'definitive' | 'transient'>
