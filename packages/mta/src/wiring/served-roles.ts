/** Which roles this process really has, and which of the queue's somebody must have, by the settings. Pure. */
import type { Config } from '../config/schema.ts'
import type { Role } from '../nodes/role.ts'

export function servedRoles({ role, api }: Pick<Config, 'role' | 'api'>): readonly Role[] {
  return api.listen === undefined ? role.filter((one) => one !== 'api') : role
}

/** Nobody misses reports that are off. */
export function wantedRoles({ tlsrpt }: Pick<Config, 'tlsrpt'>): readonly Role[] {
  return ['submission', 'delivery', ...(tlsrpt.enabled ? (['reporter'] as const) : [])]
}
