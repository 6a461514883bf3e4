/**
 * One trial: one system carries one scenario's messages from the load generator to the sink, and what that took.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ArrivalReport } from './arrivals.ts'
import type { BenchChild } from './child.ts'
import type { LoadOrder, LoadReport, SinkMessageUp, SinkOrder } from './messages.ts'
import { SYSTEM_ADDRESS } from './network.ts'
import type { Scenario } from './scenarios.ts'
import type { SystemUnderTest } from './system.ts'

export interface TrialResult {
  readonly system: SystemUnderTest['name']
  readonly messages: number
  readonly accepted: number
  readonly refused: number
  readonly firstProblem?: string
  /** First submit to last arrival. */
  readonly completionMs: number
  readonly messagesPerSecond: number
  /** First submit to last 250. */
  readonly submitMs: number
  readonly latencyP50Ms: number
  readonly latencyP99Ms: number
  readonly cpuSecondsPer1000: number
  readonly lost: number
  readonly duplicates: number
  readonly overTls: number
  readonly tlsProtocols: readonly string[]
}

export interface TrialOptions {
  readonly system: SystemUnderTest
  readonly scenario: Scenario
  readonly messages: number
  readonly pipelining: boolean
  readonly trial: string
  readonly load: BenchChild
  readonly sink: BenchChild
}

const SINK_ANSWER_MS = 10_000
const LOAD_TIMEOUT_MS = 300_000
const DRAIN_TIMEOUT_MS = 120_000
/** Deletes, log writes and checkpoints that follow the last delivery belong to the system's account too. */
const SETTLE_MS = 700

export async function runTrial(options: TrialOptions): Promise<TrialResult> {
  const { system, scenario, load, sink } = options
  sink.forget('complete')
  const expect: SinkOrder = {
    kind: 'expect',
    trial: options.trial,
    expected: options.messages,
    replyDelayMs: scenario.replyDelayMs,
  }
  sink.tell(expect)
  await sink.next('expecting', SINK_ANSWER_MS)

  const cpuBefore = system.cpu.seconds()
  load.tell(loadOrder(options))
  const submitted = await load.next<LoadReport>('load-report', LOAD_TIMEOUT_MS)
  // A loss shows as a count, not as an exception.
  await sink.next('complete', DRAIN_TIMEOUT_MS).catch(() => undefined)
  await sleep(SETTLE_MS)
  const cpuSeconds = system.cpu.seconds() - cpuBefore

  sink.tell({ kind: 'report' } satisfies SinkOrder)
  const { arrivals } = await sink.next<Extract<SinkMessageUp, { kind: 'arrivals' }>>('arrivals', SINK_ANSWER_MS)
  return trialResult(options, { submitted, arrivals, cpuSeconds })
}

function loadOrder({ system, scenario, trial, messages, pipelining }: TrialOptions): LoadOrder {
  return {
    kind: 'load',
    trial,
    scenario,
    messages,
    pipelining,
    target: { host: SYSTEM_ADDRESS, port: scenario.secured ? system.securedPort : system.plainPort },
    credential: system.credential,
    recipientDomain: system.recipientDomain,
  }
}

function trialResult(
  options: TrialOptions,
  seen: { readonly submitted: LoadReport; readonly arrivals: ArrivalReport; readonly cpuSeconds: number },
): TrialResult {
  const { submitted, arrivals, cpuSeconds } = seen
  const completionMs = arrivals.lastAt - submitted.startedAt
  return {
    system: options.system.name,
    messages: options.messages,
    accepted: submitted.accepted,
    refused: submitted.refused,
    ...(submitted.firstProblem === undefined ? {} : { firstProblem: submitted.firstProblem }),
    completionMs,
    messagesPerSecond: (arrivals.unique / completionMs) * 1000,
    submitMs: submitted.endedAt - submitted.startedAt,
    latencyP50Ms: submitted.latencyP50Ms,
    latencyP99Ms: submitted.latencyP99Ms,
    cpuSecondsPer1000: (cpuSeconds / arrivals.unique) * 1000,
    lost: submitted.accepted - arrivals.unique,
    duplicates: arrivals.duplicates,
    overTls: arrivals.overTls,
    tlsProtocols: arrivals.tlsProtocols,
  }
}
