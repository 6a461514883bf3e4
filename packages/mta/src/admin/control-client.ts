/**
 * The other end of `admin.sock`: the running relay's queue and status, for the command line.
 */
import { request } from 'node:http'
import type { PolicyAdmin } from '@hermetic/policy'
import { systemErrorCode } from '../config/system-error.ts'
import type { Explain } from '../explain/explainer.ts'
import type { HoldAdmin } from '../holds/hold-rules.ts'
import type { LocalPolicyReport } from '../local-policy/report.ts'
import type { ReportAdmin } from '../reporting/report-admin.ts'
import type { RelayStatus } from './control-protocol.ts'
import { explainClient } from './explain-order.ts'
import { holdClient } from './hold-orders.ts'
import { type NodeOrders, nodesClient } from './nodes-orders.ts'
import { type ObservedSearch, observedClient } from './observed-order.ts'
import { overridesClient } from './overrides-order.ts'
import { policyClient } from './policy-orders.ts'
import { queueClient } from './queue-orders.ts'
import { type ReloadAnswer, reloadClient } from './reload-order.ts'
import { reportClient } from './report-orders.ts'
import type { QueueAdmin } from './routed-queue.ts'
import { type SuppressionAdmin, suppressionClient } from './suppression-orders.ts'
import { type HistorySearch, traceClient } from './trace-order.ts'
import { type AskWaits, waitsClient } from './waits-order.ts'

export interface ControlClient {
  readonly queue: QueueAdmin
  readonly policies: PolicyAdmin
  readonly explain: Explain
  readonly history: HistorySearch & ObservedSearch
  readonly localPolicies: () => Promise<LocalPolicyReport>
  readonly reports: ReportAdmin
  readonly suppression: SuppressionAdmin
  readonly holds: HoldAdmin
  readonly reload: () => Promise<ReloadAnswer>
  readonly nodes: NodeOrders
  readonly waits: AskWaits
  status(): Promise<RelayStatus>
}

/** The relay's answer was an error, or no answer came. */
export class ControlFailed extends Error {
  override readonly name = 'ControlFailed'
}

/** Longer than any commit, and than the fetch of a policy (60 s); the relay may be busy. */
const ANSWER_TIMEOUT_MS = 90_000
const ANSWER_BYTES_MAX = 256 * 1024 * 1024

/** Undefined when no relay runs on this socket; rejects when one cannot be asked (no permission). */
export async function connectControl(path: string): Promise<ControlClient | undefined> {
  const client = controlClient(path)
  try {
    await client.status()
    return client
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
    throw error
  }
}

function controlClient(path: string): ControlClient {
  // The answers come from our own relay, over a socket that only its user can make.
  const ask = async <T>(verb: string, body: unknown = {}): Promise<T> => (await post(path, verb, body)) as T
  return {
    status: () => ask('/status'),
    policies: policyClient(ask),
    explain: explainClient(ask),
    history: { ...traceClient(ask), ...observedClient(ask) },
    localPolicies: overridesClient(ask),
    reports: reportClient(ask),
    suppression: suppressionClient(ask),
    holds: holdClient(ask),
    reload: reloadClient(ask),
    nodes: nodesClient(ask),
    waits: waitsClient(ask),
    queue: queueClient(ask),
  }
}

async function post(socketPath: string, path: string, body: unknown): Promise<unknown> {
  const { status, text } = await exchange(socketPath, { path, body: JSON.stringify(body) })
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw new ControlFailed(`the relay's answer (${status}) is not JSON`)
  }
  if (status === 200) return answer
  const detail = typeof answer === 'object' && answer !== null && 'detail' in answer ? answer.detail : status
  throw new ControlFailed(String(detail))
}

function exchange(
  socketPath: string,
  { path, body }: { readonly path: string; readonly body: string },
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({
      socketPath,
      path,
      method: 'POST',
      headers: { host: 'localhost', 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      agent: false,
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    })
    sent.on('error', reject)
    sent.on('response', (received) => {
      const chunks: Buffer[] = []
      let size = 0
      received.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > ANSWER_BYTES_MAX) received.destroy(new ControlFailed('the answer is too large'))
        else chunks.push(chunk)
      })
      received.on('error', reject)
      received.on('end', () =>
        resolve({ status: received.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      )
    })
    sent.end(body)
  })
}
