/** The record of a purge: who threw which policy away, and when. For the log, now or at the next start. */
import type { DomainName } from '../domain-name.ts'
import type { StsMode } from './policy-file.ts'

export interface PolicyPurge {
  readonly policyDomain: DomainName
  /** Of what was thrown away; undefined when it could not be read. */
  readonly mode: StsMode | undefined
  readonly by: string
  /** UTC milliseconds. */
  readonly at: number
}
