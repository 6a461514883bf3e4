/** Rules about `role`: who has a queue of its own does everything with it. Pure. */
import { ROLES, rolesMissingAlone } from '../nodes/role.ts'
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

const ROLE: ConfigPath = ['role']
const ENGINE: ConfigPath = ['queue', 'engine']

export function roleFindings({ role = ROLES, queue }: ReadableConfig): readonly Finding[] {
  if (queue?.engine !== 'embedded') return []
  const named = role.filter((one) => one !== undefined)
  const missing = rolesMissingAlone(named)
  if (missing.length === 0) return []
  const wrong = `leaves out ${missing.join(' and ')}, and an embedded queue has no other process that could do it`
  const remedy = 'name submission, delivery and reporter (api may be left out), or write engine = "redis" in [queue]'
  return [{ path: ROLE, wrong, remedy, read: [ROLE, ENGINE] }]
}
