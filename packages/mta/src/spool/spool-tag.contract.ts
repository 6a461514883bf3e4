/** The contract of what the sender wants of TLS (RFC 8689 §4.1): the same in every copy, as long as the message lives. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import {
  claimAll,
  claimOne,
  deferred,
  delivered,
  envelope,
  lane,
  message,
  NOON,
  type OpenSpool,
  problem,
  SpoolWorld,
  settlement,
} from './spool.fixture.ts'

export function tagContract(open: OpenSpool): void {
  for (const tls of ['requiretls', 'tls-optional', 'default'] as const) {
    test(`RTLS-05: ${tls} survives restart, attempt and another route`, async (t) => {
      covers('RTLS-05', { observe: 'store' })
      const world = new SpoolWorld(t, open)
      const sent = message([1], { envelope: envelope({ tls }) })
      await (await world.open()).accept(sent)

      const tried = await world.open()
      const first = await claimOne(tried)
      assert.equal(first.envelope.tls, tls)
      await tried.settle(first.token, settlement('1', [deferred(0, 1000)]))

      const moving = await world.open()
      world.pass(1000)
      const second = await claimOne(moving)
      assert.equal(second.envelope.tls, tls)
      const moved = { kind: 'deferred', index: 0, problem: problem(), dueAt: NOON + 1000, lane: lane(7) } as const
      await moving.settle(second.token, settlement('2', [moved]))

      const spool = await world.open()
      const third = await claimOne(spool, 7)
      assert.equal(third.envelope.tls, tls)
      assert.equal((await spool.admin.show(sent.id))?.envelope.tls, tls)
    })
  }

  test('RTLS-08: a message for several next hops has its tag in each of them', async (t) => {
    covers('RTLS-08', { observe: 'store' })
    const world = new SpoolWorld(t, open)
    await (await world.open()).accept(message([1, 2, 2, 3], { envelope: envelope({ tls: 'requiretls' }) }))
    const spool = await world.open()
    const claims = (await Promise.all([1, 2, 3].map((n) => claimAll(spool, n)))).flat()
    assert.equal(claims.flatMap(({ recipients }) => recipients).length, 4)
    for (const claim of claims) assert.equal(claim.envelope.tls, 'requiretls')
    const [one] = claims
    assert.ok(one !== undefined)
    await spool.settle(one.token, settlement('1', [delivered(0)]))
    const [entry] = await spool.admin.list({}, { limit: 10 })
    assert.equal(entry?.envelope.tls, 'requiretls')
  })

  test('a notification that a settle causes keeps its own', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message([1], { envelope: envelope({ tls: 'tls-optional' }) }))
    const own = envelope({
      reversePath: 'nullReversePath',
      tls: 'requiretls',
      origin: { kind: 'local', purpose: 'dsn' },
    })
    const { token } = await claimOne(spool)
    await spool.settle(token, settlement('1', [deferred()], { enqueue: [message([9], { envelope: own })] }))
    assert.equal((await claimOne(await world.open(), 9)).envelope.tls, 'requiretls')
  })
}
