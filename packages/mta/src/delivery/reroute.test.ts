import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { routesOf } from '../../../../test/lab/routes-of.ts'
import { labEntry } from '../admin/queue-lab.ts'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import type { QueueDelivery, QueueEntry, QueueRecipient } from '../spool/spool.ts'
import { type LaneId, parseLaneId } from './lane.ts'
import { rerouteOf, type Way, wayOf } from './reroute.ts'
import { laneFor } from './routing.ts'

const MX = 'mx:example.com:25' as LaneId
const RELAY = 'route:relay.test:587' as LaneId
const routing = { port: 25, routes: routesOf([{ domain: 'example.org', host: 'relay.test' }]) }

function entry(more: Partial<QueueDelivery> = {}, recipient: Partial<QueueRecipient> = {}): QueueEntry {
  const plain = labEntry(1)
  const deliveries = plain.deliveries.map((delivery) => ({
    ...delivery,
    ...more,
    recipients: delivery.recipients.map((one) => ({ ...one, ...recipient })),
  }))
  return { ...plain, deliveries }
}

function plan(of: QueueEntry, way: Way, policyToo = false) {
  return rerouteOf(of, { way, policyToo, routing })
}

describe('the route that an order names', () => {
  const two = {
    port: 25,
    routes: routesOf([
      { host: 'relay.test' },
      { domain: 'a.test', host: 'relay.test', port: 465, tls: 'implicit' },
      { domain: 'b.test', host: 'relay.test', username: 'shop@b.test', password: 'x' },
    ]),
  }
  const way = (to: string) => wayOf({ kind: 'reroute', to }, two)
  const laneWithLogin = 'route:shop%40b.test@relay.test:587'

  test('is one of the configuration: its host, with port or login as far as needed, or its lane', () => {
    assert.deepEqual(wayOf({ kind: 'reroute', to: 'relay.test' }, routing), { ok: true, value: RELAY })
    assert.deepEqual(way('relay.test:465'), { ok: true, value: 'route:relay.test:465' })
    assert.deepEqual(way('shop@b.test@relay.test'), { ok: true, value: laneWithLogin })
    assert.deepEqual(way(laneWithLogin), { ok: true, value: laneWithLogin })
    assert.ok(parseLaneId(laneWithLogin) !== undefined)
  })
  test('is never guessed: what may be several, or is none, is an error that names what there is', () => {
    const several = way('relay.test')
    assert.match(several.ok ? '' : several.error, /may be route:relay\.test:587 or route:relay\.test:465 or /)
    const none = way('other.test')
    assert.match(none.ok ? '' : none.error, /other\.test is no route; there are route:relay\.test:587, /)
    const nothing = wayOf({ kind: 'reroute', to: 'relay.test' }, { port: 25 })
    assert.deepEqual(nothing, { ok: false, error: 'relay.test: no route names a host' })
  })
})

describe('a re-routed message', () => {
  test('without a route moves where the routes of today lead, and stays where they lead already', () => {
    assert.deepEqual(plan(entry(), undefined), { kind: 'nothing-to-do' })
    const gone = entry({ lane: 'route:gone.test:587' as LaneId })
    assert.deepEqual(plan(gone, undefined), { kind: 'move', lanes: { 'route:gone.test:587': MX } })
  })
  test('keeps an earlier choice, until the order is to go the usual way', () => {
    const chosen = entry({ lane: RELAY }, { via: RELAY })
    assert.deepEqual(plan(chosen, undefined), { kind: 'nothing-to-do' })
    assert.deepEqual(plan(chosen, 'usual'), { kind: 'move', lanes: { [RELAY]: MX } })
    // Its route leads there anyway: only the choice ends.
    assert.deepEqual(plan(entry({}, { via: RELAY }), 'usual'), { kind: 'move', lanes: { [MX]: MX } })
  })
  test('through a route moves there, and is bound to it also when it waits there already', () => {
    assert.deepEqual(plan(entry(), RELAY), { kind: 'move', lanes: { [MX]: RELAY } })
    assert.deepEqual(plan(entry({ lane: RELAY }), RELAY), { kind: 'move', lanes: { [RELAY]: RELAY } })
    assert.deepEqual(plan(entry({ lane: RELAY }, { via: RELAY }), RELAY), { kind: 'nothing-to-do' })
  })
  test('stays when a TLS policy keeps it back, unless the order says that it may go (D-17)', () => {
    for (const cause of [
      { kind: 'policy-unavailable', policy: 'mta-sts', code: 'x' },
      { kind: 'tls-policy', reason: 'x', mechanism: 'dane' },
    ]) {
      const kept = entry({}, { lastOutcome: lastOutcome(cause) })
      assert.deepEqual(plan(kept, RELAY), { kind: 'kept-by-policy' })
      assert.deepEqual(plan(kept, RELAY, true), { kind: 'move', lanes: { [MX]: RELAY } })
      assert.deepEqual(plan(kept, 'usual'), { kind: 'nothing-to-do' })
    }
  })
  test('is left alone while it is in delivery, and what its sender is told always', () => {
    assert.deepEqual(plan(entry({ state: 'in-delivery' }), RELAY), { kind: 'in-delivery' })
    assert.deepEqual(plan(entry({ lane: NOTICE_LANE }, { state: 'to-report' }), RELAY), { kind: 'nothing-to-do' })
  })
  test('with recipients that part is only due: its next attempt parts them', () => {
    const [first] = entry().deliveries
    const other = labEntry(2, 'example.org').deliveries[0]
    assert.ok(first !== undefined && other !== undefined)
    const lane = 'route:gone.test:587' as LaneId
    const both = {
      ...entry(),
      deliveries: [{ ...first, lane, recipients: [...first.recipients, ...other.recipients] }],
    }
    assert.deepEqual(plan(both, undefined), { kind: 'move', lanes: { [lane]: lane } })
  })
  test('waits at its fallback as long as that is its own', () => {
    const withFallback = {
      port: 25,
      routes: routesOf([{ fallback: 'unreachable' as const, host: 'fallback.test' }]),
    }
    const waiting = entry({ lane: 'route:fallback.test:587' as LaneId })
    const plan = rerouteOf(waiting, { way: undefined, policyToo: false, routing: withFallback })
    assert.deepEqual(plan, { kind: 'nothing-to-do' })
  })
})

test('a chosen route is before all others, and nothing once it is not configured any more', () => {
  const [recipient] = entry().deliveries[0]?.recipients ?? []
  assert.ok(recipient !== undefined)
  const mail = { recipient: recipient.address, sender: 'nullReversePath', attempt: 1, via: RELAY } as const
  assert.equal(laneFor(mail, routing), RELAY)
  assert.equal(laneFor(mail, { port: 25, routes: routesOf([]) }), MX)
})

function lastOutcome(cause: object): NonNullable<QueueRecipient['lastOutcome']> {
  const problem = { status: '4.7.5', permanence: 'transient', fault: 'destination', scope: 'host', at: 1 } as const
  return { kind: 'deferred', index: 0, dueAt: 2, problem: { ...problem, cause: cause as never } }
}
