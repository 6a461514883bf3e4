/**
 * What the relay as a whole tells operators: its life, its probes, and what people ordered. A closed list.
 */
import type { QueueAction } from '../spool/spool.ts'

export type RelayEvent =
  | {
      readonly event: 'relay-starting'
      readonly version: string
      readonly node: string
      readonly pid: number
      readonly hostname: string
      readonly directory: string
      /** With commas between. */
      readonly roles: string
    }
  | { readonly event: 'relay-ready'; readonly durationMs: number }
  | { readonly event: 'log-lines-lost'; readonly count: number }
  /** This Node.js lacks security fixes that a mail relay needs. */
  | { readonly event: 'node-outdated'; readonly node: string; readonly fixedIn: string; readonly detail: string }
  | { readonly event: 'admin-listening'; readonly service: 'metrics' | 'control' | 'api'; readonly place: string }
  | { readonly event: 'admin-failed'; readonly service: 'metrics' | 'control' | 'api'; readonly detail: string }
  /** Whether DANE was on cannot be read or written. */
  | {
      readonly event: 'dnssec-memory-failed'
      readonly operation: 'read' | 'write'
      readonly path: string
      readonly detail: string
    }
  /** An operator's order, by the command line. */
  | { readonly event: 'queue-ordered'; readonly action: QueueAction['kind']; readonly messages: number }
  /** Names of settings, with commas between; empty: none. */
  | {
      readonly event: 'config-reloaded'
      readonly by: 'order' | 'SIGHUP'
      readonly applied: string
      /** They count after a restart. */
      readonly waiting: string
    }
  | { readonly event: 'config-refused'; readonly by: 'order' | 'SIGHUP'; readonly problems: string }
  /** RFC 7505 §4.2: mail is sent in the name of a domain that cannot be answered. */
  | { readonly event: 'own-domain-takes-no-mail'; readonly domain: string }
  | { readonly event: 'relay-stopping'; readonly signal: string; readonly graceMs: number }
  | { readonly event: 'relay-stopped'; readonly durationMs: number }
  /** A defect of ours that ends the relay. */
  | { readonly event: 'relay-failed'; readonly detail: string }
