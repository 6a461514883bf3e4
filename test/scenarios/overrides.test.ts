/** Overrides through the running delivery: require only adds, waive lowers until its time and no longer. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PolicyOverride } from '@hermetic/policy'
import { factsSource } from '../../packages/mta/src/delivery/delivery.ts'
import { laneOf } from '../../packages/mta/src/delivery/lane.ts'
import { deliveryRecord } from '../../packages/mta/src/observability/delivery-record.ts'
import { covers } from '../conformance/covers.ts'
import { DOMAIN, MX, startDaneWorld } from '../lab/dane-world.ts'
import { domain, OTHER_DOMAIN, OTHER_MX, waiver } from '../lab/override-lab.ts'
import { StsWorld } from '../lab/sts-world.ts'

const HOUR_MS = 3_600_000
const requires = (demand: 'dane' | 'pkix' | 'encrypted', name = DOMAIN): PolicyOverride => ({
  ...{ kind: 'require', domain: domain(name), demand },
})

describe('require', () => {
  const twoDomains = (overrides: readonly PolicyOverride[]) =>
    StsWorld.start({
      hosts: { [MX]: { tls: 'self-signed' }, [OTHER_MX]: { tls: 'none' } },
      mx: { [DOMAIN]: [[10, MX]], [OTHER_DOMAIN]: [[10, OTHER_MX]] },
      delivery: { overrides },
    })

  test('adds for its own domain and for no other: a certificate that nobody else asked for keeps mail back', async () => {
    await using world = await twoDomains([requires('pkix')])
    const kept = await world.send(DOMAIN)
    await world.send(OTHER_DOMAIN)
    assert.equal((await world.relay.recipient(kept, `bob@${DOMAIN}`)).state, 'open')
    assert.equal(world.relay.mx(MX).messages.length, 0)
    assert.equal(world.relay.mx(OTHER_MX).messages.length, 1)
  })

  test('of every domain below one is not of that one', async () => {
    await using world = await twoDomains([
      { kind: 'require', domain: domain('test'), below: true, demand: 'encrypted' },
      { kind: 'require', domain: domain(OTHER_DOMAIN), below: true, demand: 'pkix' },
    ])
    await world.send(DOMAIN)
    const kept = await world.send(OTHER_DOMAIN)
    assert.deepEqual(
      world.relay.mx(MX).messages.map(({ inTls }) => inTls),
      [true],
    )
    assert.equal((await world.relay.recipient(kept, `bob@${OTHER_DOMAIN}`)).state, 'open')
    assert.equal(world.relay.mx(OTHER_MX).messages.length, 0)
  })

  test('does not take anything away from what the domain publishes', async () => {
    await using world = await startDaneWorld({ tlsa: 'other', delivery: { overrides: [requires('encrypted')] } })
    await world.send(DOMAIN)
    assert.equal(world.relay.mx(MX).messages.length, 0)
  })

  for (const [id, rule, options, reason] of [
    ['DANE-24', 'TLSA records behind an insecure MX', { insecureMx: true }, 'dane-required (insecure-mx)'],
    ['DANE-91', 'no TLSA records', { tlsa: 'none' }, 'dane-required (no-tlsa)'],
    ['DANE-91', 'TLSA records of which none is usable', { tlsa: 'unusable' }, 'tlsa-invalid'],
  ] as const) {
    test(`${id}: required DANE and ${rule}: the message is queued, and the queue says why`, async () => {
      if (id === 'DANE-24') covers('DANE-24', { observe: 'store' })
      else covers('DANE-91', { observe: 'smtp' })
      await using world = await startDaneWorld({ ...options, delivery: { overrides: [requires('dane')] } })
      const message = await world.send(DOMAIN)
      const { state, lastOutcome } = await world.relay.recipient(message, `bob@${DOMAIN}`)
      assert.equal(state, 'open')
      const cause = lastOutcome?.kind === 'deferred' ? lastOutcome.problem.cause : undefined
      assert.equal(cause?.kind === 'tls-policy' && cause.reason, reason)
      assert.equal(world.relay.mx(MX).connections.length, 0)
    })
  }

  test('DANE-91: what DANE proves is delivered', async () => {
    covers('DANE-91', { observe: 'smtp' })
    await using world = await startDaneWorld({
      ...{ certificate: 'self-signed', delivery: { overrides: [requires('dane')] } },
    })
    await world.send(DOMAIN)
    assert.equal(world.relay.mx(MX).messages[0]?.inTls, true)
  })
})

describe('waive', () => {
  test('lowers until its time, and from then on does nothing: the same host is refused again', async () => {
    let now = Date.now()
    const until = now + HOUR_MS
    await using world = await startDaneWorld({
      tlsa: 'other',
      delivery: { now: () => now, overrides: [waiver(DOMAIN, until, 'dane')] },
    })
    await world.send(DOMAIN)
    assert.equal(world.relay.mx(MX).messages.length, 1)
    const record = world.relay.eventsOf('attempt-finished').map(deliveryRecord)[0]
    assert.equal(record?.tlsWaived, 'dane')

    now = until
    const late = await world.send(DOMAIN)
    assert.equal(world.relay.mx(MX).messages.length, 1)
    assert.equal((await world.relay.recipient(late, `bob@${DOMAIN}`)).state, 'open')
  })

  test('takes out what it names and nothing else', async () => {
    await using world = await startDaneWorld({
      ...{ tlsa: 'other', policy: { mode: 'enforce', mx: ['other.test'] } },
      delivery: { overrides: [waiver(DOMAIN, Date.now() + HOUR_MS, 'dane')] },
    })
    const id = await world.send(DOMAIN)
    assert.equal(world.relay.mx(MX).connections.length, 0)
    const { lastOutcome } = await world.relay.recipient(id, `bob@${DOMAIN}`)
    const cause = lastOutcome?.kind === 'deferred' ? lastOutcome.problem.cause : undefined
    assert.equal(cause?.kind === 'tls-policy' && cause.reason, 'sts-mx-mismatch')
  })

  test('is about one domain: the same host stays protected for another', async () => {
    await using world = await StsWorld.start({
      hosts: { [MX]: { tls: 'self-signed' } },
      mx: { [DOMAIN]: [[10, MX]], [OTHER_DOMAIN]: [[10, MX]] },
      policies: { [DOMAIN]: { mode: 'enforce', mx: [MX] }, [OTHER_DOMAIN]: { mode: 'enforce', mx: [MX] } },
      delivery: { overrides: [waiver(DOMAIN, Date.now() + HOUR_MS, 'mta-sts')] },
    })
    await world.send(DOMAIN)
    const kept = await world.send(OTHER_DOMAIN)
    assert.equal(world.relay.mx(MX).messages.length, 1)
    assert.equal((await world.relay.recipient(kept, `bob@${OTHER_DOMAIN}`)).state, 'open')
  })

  test('never takes away what a REQUIRETLS message demands of its own', async () => {
    await using world = await startDaneWorld({
      ...{ tlsa: 'other', certificate: 'self-signed', host: { capabilitiesInTls: ['REQUIRETLS'] } },
      delivery: { overrides: [waiver(DOMAIN, Date.now() + HOUR_MS, 'dane')] },
    })
    const id = await world.relay.submit({ to: [`bob@${DOMAIN}`], envelope: { tls: 'requiretls' } })
    await world.relay.settled(id)
    assert.equal(world.relay.mx(MX).messages.length, 0)
  })
})

test('what was decided under a waiver holds no longer than it: facts are asked for anew at its end', async () => {
  const start = Date.now()
  await using world = await startDaneWorld({ tlsa: 'other' })
  let passed = 0
  const source = factsSource({
    ...world.relay.deliveryOptions,
    ...{ now: () => start + passed, monotonic: () => passed },
    overrides: [waiver(DOMAIN, start + 10_000, 'dane')],
  })
  const destination = await source.get(laneOf(world.relay.lane(DOMAIN)))
  assert.ok(destination.kind === 'facts')
  passed = 9_999
  assert.equal(destination.facts.fresh(), true)
  passed = 10_000
  assert.equal(destination.facts.fresh(), false)
})
