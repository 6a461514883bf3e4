/**
 * What the processes of the bench tell each other (Node's IPC between parent and child). Types only.
 */
import type { ArrivalReport } from './arrivals.ts'
import type { Scenario } from './scenarios.ts'

export interface LoadOrder {
  readonly kind: 'load'
  readonly trial: string
  readonly scenario: Scenario
  readonly messages: number
  readonly pipelining: boolean
  readonly target: { readonly host: string; readonly port: number }
  readonly credential: { readonly username: string; readonly secret: string }
  readonly recipientDomain: string
}

export interface LoadReport {
  readonly kind: 'load-report'
  readonly accepted: number
  readonly refused: number
  readonly firstProblem?: string
  /** Monotonic milliseconds, the same clock in every process of the machine. */
  readonly startedAt: number
  readonly endedAt: number
  readonly latencyP50Ms: number
  readonly latencyP99Ms: number
}

export type SinkOrder =
  | {
      readonly kind: 'expect'
      readonly trial: string
      readonly expected: number
      readonly replyDelayMs: number
    }
  | { readonly kind: 'report' }

export type SinkMessageUp =
  | { readonly kind: 'ready' }
  | { readonly kind: 'expecting' }
  | { readonly kind: 'complete' }
  | { readonly kind: 'arrivals'; readonly arrivals: ArrivalReport }

/** Milliseconds of CLOCK_MONOTONIC: comparable between processes, unlike `performance.now()`. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
