/**
 * The level that a channel has reached, for logs and records: the strongest that holds of those that somebody asked for.
 *
 * A policy of mode `testing` asks too; a certificate that nobody asked for stays `encrypted`. `sts`: the policy names the
 * host, and the host proved its name. `dane`: the host is authenticated, and validated DNS says that it is one of the
 * domain; with `-insecure-mx` nothing says that (RFC 7672 §2.2.1). Pure.
 */
import type { EffectiveMode } from './requirement-tables.ts'

export type ChannelLevel = 'clear' | 'encrypted' | 'pkix' | 'sts' | DaneLevel | `${DaneLevel}+sts`
export type DaneLevel = 'dane' | 'dane-insecure-mx'

/** The mode of the policy, when it names the host and the host proved its name. */
export type StsHolds = EffectiveMode | 'no'

/** Table A, the column "Auth level": a testing policy adds nothing where the MX RRset is insecure (1b-1). */
export const LEVELS = {
  no: { no: undefined, testing: 'sts', enforce: 'sts' },
  dane: { no: 'dane', testing: 'dane+sts', enforce: 'dane+sts' },
  'dane-insecure-mx': { no: 'dane-insecure-mx', testing: 'dane-insecure-mx', enforce: 'dane-insecure-mx+sts' },
} as const satisfies Record<DaneLevel | 'no', Record<StsHolds, ChannelLevel | undefined>>
