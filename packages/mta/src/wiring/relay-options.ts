/**
 * What the relay is started with besides its configuration: what the program around it decides, and what tests
 * put in place of the outside world.
 */
import type { DnsResolver } from '@hermetic/policy'
import type { LogEvent } from '../observability/log-events.ts'
import type { SpoolHooks } from '../spool/faults.ts'
import type { CredentialRecord } from '../submission/credential-file.ts'
import type { KillableThread } from '../threads/thread.ts'
import type { DnssecSurroundings } from './dnssec-side.ts'
import type { LoadConfig } from './reload.ts'

export interface RelayOptions {
  readonly version: string
  /** Where log lines go; absent: standard output. */
  readonly logStream?: { write(line: string): void }
  /** Sees every event as it is logged. */
  readonly onEvent?: (event: LogEvent) => void
  /** Logins that live as long as this process, besides those of the configuration and the file. */
  readonly credentials?: readonly CredentialRecord[]
  /** Reads the configuration again; absent: it cannot change while the relay runs. */
  readonly loadConfig?: LoadConfig
  /** In place of name servers: `start --try` answers by itself. */
  readonly resolver?: DnsResolver
  /** Tests only. */
  readonly dnssec?: DnssecSurroundings
  /** Tests only. */
  readonly spoolHooks?: SpoolHooks
  /** Tests only: sessions of relay listeners are greeted after this time, where they are taken in the owner of the queue. */
  readonly earlyTalkerDelayMs?: number
  /** Tests only: sees each thread that starts, and may end it as a defect would. */
  readonly onThread?: (thread: KillableThread) => void
}

/** `data_dir/credentials.json`, written by `hermetic credential add`. */
export const CREDENTIALS_NAME = 'credentials.json'
