/** The contract of `Spool.accept`: durable, whole, once, and without harm to others in the same commit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import type { Envelope, Recipient } from '../smtp/envelope.ts'
import {
  address,
  claimAll,
  claimOne,
  envelope,
  lane,
  message,
  NOON,
  type OpenSpool,
  SpoolWorld,
} from './spool.fixture.ts'

export function acceptContract(open: OpenSpool): void {
  test('SMTP-51: the whole envelope, its parameters and tags are there after a restart', async (t) => {
    covers('SMTP-51', { observe: 'store' })
    const world = new SpoolWorld(t, open)
    const full: Envelope = {
      reversePath: { localPart: '"Ünal B"', domain: address('x').domain },
      body: '8bitmime',
      smtpUtf8: true,
      tls: 'requiretls',
      dsn: { envid: 'QQ314159+2B', ret: 'HDRS' },
      size: 6,
      origin: { kind: 'credential', username: 'app', address: '127.0.0.1' },
    }
    const recipients: readonly Recipient[] = [
      { index: 0, address: address('B'), notify: ['SUCCESS', 'DELAY'], orcpt: 'rfc822;B+40example.com' },
      { index: 1, address: address('b'), notify: ['NEVER'] },
    ]
    const sent = message([1, 1], {
      envelope: full,
      recipients,
      deliveries: [{ lane: lane(), recipients: [0, 1] }],
      messageIdHeader: '<1@example.com>',
    })
    assert.deepEqual(await (await world.open()).accept(sent), { kind: 'accepted' })

    const spool = await world.open()
    const claim = await claimOne(spool)
    assert.deepEqual(claim.envelope, full)
    assert.deepEqual(
      claim.recipients,
      recipients.map((recipient) => ({ ...recipient, ambiguousCount: 0 })),
    )
    assert.deepEqual([claim.id, claim.receivedAt, claim.expiresAt], [sent.id, NOON, sent.expiresAt])
    const content = await spool.open(sent.id)
    assert.deepEqual(content.kind === 'memory' && Buffer.from(content.bytes), Buffer.from('Hello\n'))
    assert.equal((await spool.admin.show(sent.id))?.messageIdHeader, '<1@example.com>')
  })

  test('the null reverse-path and our own origin survive a restart too', async (t) => {
    const world = new SpoolWorld(t, open)
    const own = envelope({ reversePath: 'nullReversePath', origin: { kind: 'local', purpose: 'dsn' } })
    await (await world.open()).accept(message([1], { envelope: own }))
    assert.deepEqual((await claimOne(await world.open())).envelope, own)
  })

  test('an id that is accepted again is already done, also at the same time and after a restart', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const sent = message()
    const kinds = (await Promise.all([spool.accept(sent), spool.accept(sent)])).map(({ kind }) => kind)
    assert.deepEqual(kinds.sort(), ['accepted', 'already-done'])
    const again = await world.open()
    assert.deepEqual(await again.accept(sent), { kind: 'already-done' })
    assert.equal((await claimAll(again)).length, 1)
  })

  test('a message that cannot be stored harms none of those in the same commit', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const good = Array.from({ length: 20 }, () => message())
    const bad = message([1], { expiresAt: Number.NaN })
    const outcomes = await Promise.all([...good.slice(0, 10), bad, ...good.slice(10)].map((one) => spool.accept(one)))
    assert.deepEqual(
      outcomes.map(({ kind }) => kind).filter((kind) => kind !== 'accepted'),
      ['unavailable'],
    )
    assert.equal(outcomes[10]?.kind, 'unavailable')
    const claims = await claimAll(spool)
    assert.deepEqual(new Set(claims.map(({ id }) => id)), new Set(good.map(({ id }) => id)))
    assert.equal(spool.health().intake, 'open')
  })

  test('a message whose deliveries are no partition of its recipients is a defect of the caller', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const one = message([1])
    for (const deliveries of [
      [],
      [{ lane: lane(), recipients: [] }],
      [{ lane: lane(), recipients: [1] }],
      [
        { lane: lane(), recipients: [0] },
        { lane: lane(2), recipients: [0] },
      ],
    ]) {
      await assert.rejects(spool.accept({ ...one, deliveries }), /invariant/)
    }
  })
}
