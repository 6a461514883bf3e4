/**
 * Port: what happens inside policy that an operator wants to see or count. The relay renders these as log lines and
 * metrics; no room here knows either.
 */
import type { DaneEvent } from '../dane/events.ts'
import type { DnsEvent } from '../dns/events.ts'
import type { StsEvent } from '../mta-sts/events.ts'
import type { SocketmapEvent } from '../socketmap/events.ts'

export type PolicyEvent = StsEvent | DnsEvent | DaneEvent | SocketmapEvent | PolicyFileEvent

/** `lost`: there is no file, and none can be made. */
export type FileState = 'there' | 'written-again' | 'another' | 'lost'

/** `policy.db` was deleted or replaced under the relay; told once. */
export interface PolicyFileEvent {
  readonly event: 'policy-file-gone'
  readonly state: Exclude<FileState, 'there'>
}

export type EmitPolicyEvent = (event: PolicyEvent) => void
