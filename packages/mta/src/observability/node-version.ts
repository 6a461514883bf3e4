/**
 * Whether this Node.js has the fixes of 2026-10-21 (24.22.1, 26.12.1), without which a server's name can be
 * checked wrongly and DNS names with NUL pass (CVE-2026-105483, -106069, -105482). Pure.
 *
 * The relay compares names itself (`policy/tls-peer.ts`), so this is a second line of defence; operators are
 * told at start and by `doctor`.
 */

export type NodeVersionVerdict =
  | { readonly kind: 'fixed' }
  | { readonly kind: 'outdated'; readonly fixedIn: string }
  /** A line that gets no fixes any more, or that did not exist when this was written as fixed. */
  | { readonly kind: 'unsupported'; readonly fixedIn: string }
  | { readonly kind: 'unreadable' }

const FIXED = [
  { major: 24, minor: 22, patch: 1 },
  { major: 26, minor: 12, patch: 1 },
] as const

export const NODE_FIXES = 'TLS name checks (CVE-2026-105483, CVE-2026-106069) and NUL in DNS names (CVE-2026-105482)'

/** `version` as in `process.versions.node`, or with a leading v. */
export function judgeNodeVersion(version: string): NodeVersionVerdict {
  const [, major, minor, patch] = (/^v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})/.exec(version) ?? []).map(Number)
  if (major === undefined || minor === undefined || patch === undefined) return { kind: 'unreadable' }
  const newest = FIXED.at(-1)
  if (newest !== undefined && major > newest.major) return { kind: 'fixed' }
  const line = FIXED.find((fixed) => fixed.major === major)
  if (line === undefined) return { kind: 'unsupported', fixedIn: '26.12.1' }
  const enough = minor > line.minor || (minor === line.minor && patch >= line.patch)
  return enough ? { kind: 'fixed' } : { kind: 'outdated', fixedIn: `${line.major}.${line.minor}.${line.patch}` }
}
