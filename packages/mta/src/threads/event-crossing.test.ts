import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogEvent } from '../observability/log-events.ts'
import { EventReceiver, EventSender } from './event-crossing.ts'

test('a problem that several events share is one and the same on the other side', () => {
  const sender = new EventSender()
  const receiver = new EventReceiver()
  const cross = (event: unknown): unknown => receiver.arrived(structuredClone(sender.travelling(event as LogEvent)))
  const remote = { mxHostname: 'mx.example.test', address: '192.0.2.1', port: 25 }
  const problem = { at: 1, status: '4.4.1', remote }
  const judged = cross({ event: 'channel-judged', remote }) as { readonly remote: object }
  const failed = cross({ event: 'session-failed', problem }) as { readonly problem: { readonly remote: object } }
  const settled = cross({ event: 'message-settled', settled: { met: [problem, { at: 2, status: '4.0.0' }] } })
  const { met } = (settled as { readonly settled: { readonly met: readonly unknown[] } }).settled
  assert.deepEqual(failed.problem, problem)
  assert.equal(met[0], failed.problem)
  assert.notEqual(met[1], failed.problem)
  assert.equal(failed.problem.remote, judged.remote)
})
