/**
 * What is left of the settings for a process that has not all roles: what belongs to another one is as if it were not
 * written, for everybody who asks. Pure.
 */
import type { Config } from './schema.ts'

export function settingsForRoles(config: Config): Config {
  const { role } = config
  const submits = role.includes('submission')
  const works = submits || role.includes('delivery')
  return {
    ...config,
    ...(submits ? {} : { listener: [], socketmap: { ...config.socketmap, listen: undefined } }),
    ...(role.includes('api') ? {} : { api: { hosts: [], allow_cleartext: false } }),
    // Who only reports may sign with the key of a domain.
    ...(works || role.includes('reporter') ? {} : { dkim: [] }),
    // Threads take sessions and turns.
    ...(works ? {} : { threads: 1 }),
  }
}
