/**
 * Query names and what is different under each. An operator gives names of his own to what differs between transports, or
 * between versions of Postfix. Pure.
 */
import type { RequiredDemand } from '../override.ts'
import type { Enforcement } from '../requirement-tables.ts'

export interface SocketmapZone {
  /** As in `socketmap:inet:127.0.0.1:8461:NAME`. */
  readonly name: string
  /** Adds the attributes for TLSRPT, which Postfix before 3.10 takes for an error. */
  readonly tlsrpt: boolean
  /** `enforce`: policies in testing mode are treated as enforced ones. */
  readonly testing: 'report' | 'enforce'
  /** When DNS or the policy host cannot say whether there is a policy: `deliver` goes without (RFC 8461 §5), `defer` waits. */
  readonly uncertain: 'deliver' | 'defer'
  /** Demanded of every destination besides what it publishes. */
  readonly require?: RequiredDemand | undefined
  /** In place of what holds elsewhere. */
  readonly enforcement?: Enforcement | undefined
  /** Whether Postfix is told to send the name of the host as SNI with `secure`; Postfix before 3.4 cannot. */
  readonly sni: boolean
}

export const ZONE_DEFAULTS = {
  tlsrpt: false,
  testing: 'report',
  uncertain: 'deliver',
  sni: true,
} as const satisfies Omit<SocketmapZone, 'name'>

/** Always there; a zone of the same name that an operator writes takes its place. */
export const BUILT_IN_ZONES: readonly SocketmapZone[] = [
  { ...ZONE_DEFAULTS, name: 'policy' },
  { ...ZONE_DEFAULTS, name: 'policy-tlsrpt', tlsrpt: true },
]

export function zonesByName(written: readonly SocketmapZone[]): ReadonlyMap<string, SocketmapZone> {
  return new Map([...BUILT_IN_ZONES, ...written].map((zone) => [zone.name, zone]))
}
