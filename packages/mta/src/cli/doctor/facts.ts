/**
 * What `doctor` finds out before it judges: facts only, gathered by the files beside, judged in `assess.ts`.
 */

import type { ChannelLevel, DnssecState } from '@hermetic/policy'

export interface DoctorFacts {
  readonly node: string
  readonly ownName: OwnNameFacts
  readonly resolver: ResolverFacts
  readonly dnssec: DnssecFacts
  readonly port: PortFacts
  readonly smarthosts: readonly SmarthostFacts[]
  readonly clock: ClockFacts
  /** Absent: the queue is not in Redis. */
  readonly redis: RedisFacts | undefined
  /** Absent: large messages are in no bucket. */
  readonly bucket: BucketFacts | undefined
  readonly disk: DiskFacts
  readonly files: readonly FileFacts[]
  readonly certificates: readonly CertificateFacts[]
  readonly relay: RelayFacts
}

export type LookupFacts<T> =
  | { readonly kind: 'found'; readonly values: readonly T[] }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly detail: string }

export type RedisFacts =
  | { readonly kind: 'unreachable'; readonly place: string; readonly detail: string }
  | {
      readonly kind: 'asked'
      readonly place: string
      readonly verdict: 'durable' | 'weak' | 'unusable'
      readonly wanted: 'strict' | 'relaxed'
      /** What keeps it from being durable. */
      readonly findings: readonly string[]
      /** Undefined: it has no limit, or does not tell. */
      readonly memory: { readonly usedBytes: number; readonly maxBytes: number } | undefined
      /** Of single questions, sorted. */
      readonly answerMs: readonly number[]
    }

export interface BucketFacts {
  /** Endpoint, bucket and prefix. */
  readonly place: string
  readonly outcome:
    | { readonly kind: 'works'; readonly tookMs: number }
    | { readonly kind: 'failed'; readonly step: BucketStep; readonly code: string; readonly detail: string }
    /** It gave back something else than what was written. */
    | { readonly kind: 'differs' }
  /** An object that could not be removed again. */
  readonly left?: string
}

/** In the order in which they are tried. */
export type BucketStep = 'list' | 'write' | 'read' | 'remove'

export type OwnNameFacts =
  | { readonly kind: 'literal'; readonly text: string }
  | {
      readonly kind: 'name'
      readonly name: string
      /** Addresses of the name, both families together. */
      readonly addresses: LookupFacts<string>
      /** For each of them: the names that its address has. */
      readonly reverse: readonly { readonly address: string; readonly names: LookupFacts<string> }[]
    }

export type ResolverFacts =
  | { readonly kind: 'no-servers'; readonly detail: string }
  | {
      readonly kind: 'asked'
      readonly servers: readonly string[]
      readonly question: string
      /** Absence is an answer too. */
      readonly answer: { readonly kind: 'answered' } | { readonly kind: 'failed'; readonly detail: string }
      readonly durationMs: number
    }

export type DnssecFacts =
  /** There are no name servers to begin with. */
  | { readonly kind: 'not-tried' }
  | {
      readonly kind: 'decided'
      /** As a first start would decide it now. */
      readonly state: DnssecState
      /** A start without a validator would hold mail: by the settings, or because DANE was on before. */
      readonly wouldHold: boolean
    }

export type PortFacts =
  | { readonly kind: 'not-asked' }
  /** Its mail goes to a smarthost. */
  | { readonly kind: 'routed'; readonly domain: string; readonly lane: string }
  /** No host of the domain is known, so no connection was tried. */
  | { readonly kind: 'no-host'; readonly domain: string; readonly detail: string }
  | { readonly kind: 'tried'; readonly domain: string; readonly port: number; readonly tries: readonly ConnectFacts[] }

export interface ConnectFacts {
  readonly host: string
  readonly address: string
  readonly outcome:
    | { readonly kind: 'greeted'; readonly line: string }
    | { readonly kind: 'silent' }
    | { readonly kind: 'failed'; readonly code: string }
    | { readonly kind: 'refused-by-guard'; readonly reason: string }
  readonly durationMs: number
}

export interface SmarthostFacts {
  readonly lane: string
  /** The route has credentials; `doctor` does not use them. */
  readonly login: boolean
  readonly outcome:
    | { readonly kind: 'greeted'; readonly address: string; readonly tls: string; readonly level: ChannelLevel }
    | { readonly kind: 'failed'; readonly detail: string }
}

export interface ClockFacts {
  /** UTC milliseconds. */
  readonly now: number
  /** Nothing of this version existed before. */
  readonly releasedAt: number
  /** The file under data_dir that was changed last. */
  readonly newestFile?: { readonly path: string; readonly changedAt: number }
  /** How much the wall clock moved against the monotonic one while `doctor` ran. */
  readonly jumpMs: number
  readonly watchedMs: number
}

export type DiskFacts =
  | { readonly kind: 'not-measured'; readonly path: string; readonly detail: string }
  | {
      readonly kind: 'measured'
      /** data_dir, or the nearest directory above it when it is not there yet. */
      readonly path: string
      readonly freeBytes: number
      readonly queueMaxBytes: number
      /** Of small writes with fsync, sorted. */
      readonly fsyncMs: readonly number[]
    }

export type FileFacts =
  | {
      readonly kind: 'there'
      readonly path: string
      readonly mode: number
      readonly uid: number
      readonly ourUid: number
      readonly what: string
    }
  | { readonly kind: 'unreadable'; readonly path: string; readonly what: string; readonly detail: string }

export interface CertificateFacts {
  readonly file: string
  readonly listener: string
  /** UTC milliseconds. */
  readonly notBefore: number
  readonly notAfter: number
  readonly namesUs: boolean
  readonly hostname: string
}

export type RelayFacts =
  | { readonly kind: 'not-running' }
  | {
      readonly kind: 'running'
      readonly pid: number
      readonly ready: boolean
      readonly reasons: readonly string[]
      readonly notes: readonly string[]
    }
  | { readonly kind: 'unreachable'; readonly detail: string }
