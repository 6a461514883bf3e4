/** Dates in header fields: RFC 5322 §3.3, and the obsolete zones of §4.3 that a generator must not use. Pure. */

/** `Sun, 22 Nov 2026 08:37:00 +0000` */
export function formatDateTime(utcMs: number): string {
  return new Date(utcMs).toUTCString().replace('GMT', '+0000')
}

// RFC 5322 §4.3. The military letters say nothing that can be relied on: -0000.
const ZONES: Readonly<Record<string, string>> = {
  UT: '+0000',
  UTC: '+0000',
  GMT: '+0000',
  EST: '-0500',
  EDT: '-0400',
  CST: '-0600',
  CDT: '-0500',
  MST: '-0700',
  MDT: '-0600',
  PST: '-0800',
  PDT: '-0700',
}

const NAMED_ZONE = /^([^()]*\d\d:\d\d(?::\d\d)?\s+)([A-Za-z]+)(\s*(?:\([^()]*\)\s*)?)$/

/** The field body with its zone as four digits; undefined when there is nothing to correct. */
export function correctedZone(body: string): string | undefined {
  const [, before, zone, after] = NAMED_ZONE.exec(body) ?? []
  if (before === undefined || zone === undefined) return undefined
  const digits = ZONES[zone.toUpperCase()] ?? (/^[A-IK-Z]$/i.test(zone) ? '-0000' : undefined)
  return digits === undefined ? undefined : `${before}${digits}${after ?? ''}`
}
