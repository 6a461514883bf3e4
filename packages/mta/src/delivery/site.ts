/**
 * A site is the set of MX hosts that several lanes may share: permits and idle connections belong to it. Pure.
 *
 * The id is readable for the usual small set, and stays short for a large one.
 */
import { createHash } from 'node:crypto'
import type { SiteId } from '../limits/permits.ts'

/** Beyond this a digest stands for the rest of the names. */
const READABLE_MAX = 200

/** Of MX host names or addresses; order and preference do not matter. */
export function siteOf(hosts: readonly string[], port: number): SiteId {
  const names = [...new Set(hosts)].sort().join(',')
  if (names.length <= READABLE_MAX) return `${names}:${port}` as SiteId
  const digest = createHash('sha256').update(names).digest('hex').slice(0, 32)
  return `${names.slice(0, READABLE_MAX - 33)}~${digest}:${port}` as SiteId
}
