/** The contract of the spool in trouble: full, failing, its answers lost; nothing is lost and all flows again. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FaultPlan, FaultPoint } from './faults.ts'
import {
  claimAll,
  claimOne,
  deferred,
  delivered,
  envelope,
  eventually,
  failed,
  message,
  type OpenSpool,
  SpoolWorld,
  settlement,
} from './spool.fixture.ts'
import type { Spool } from './spool.ts'

const MIB = 1024 * 1024
/** Every commit from now on, until it is disarmed. */
const ALWAYS: FaultPlan = { act: 'fail', times: 1_000_000 }

const sized = (bytes: number) => message([1], { content: { kind: 'memory', bytes: randomBytes(bytes) } })

async function recovered(spool: Spool): Promise<void> {
  await eventually('the store works again', () => spool.health().intake !== 'failing')
}

export function troubleContract(open: OpenSpool): void {
  test('at 85 % intake is full while mail still leaves; with room all flows again', async (t) => {
    const world = new SpoolWorld(t, open, { maxBytes: 2 * MIB })
    const spool = await world.open()
    const accepted: string[] = []
    for (let n = 0; n < 100; n += 1) {
      const sent = sized(50_000)
      const outcome = await spool.accept(sent)
      if (outcome.kind === 'full') break
      assert.equal(outcome.kind, 'accepted')
      accepted.push(sent.id)
    }
    const full = spool.health()
    assert.ok(accepted.length > 20 && accepted.length < 40, `${accepted.length} were accepted`)
    assert.deepEqual([full.intake, full.claims], ['open', 'open'], 'the refused message itself would not fit')
    assert.ok(full.usedBytes < full.maxBytes * 0.85)

    const claims = await claimAll(spool)
    assert.deepEqual(new Set(claims.map(({ id }) => id)), new Set(accepted))
    for (const claim of claims) await spool.settle(claim.token, settlement(claim.id, [delivered()]))
    assert.deepEqual(await spool.accept(sized(50_000)), { kind: 'accepted' })
  })

  test('a disk without room stops intake and claims, and starts them again', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    await spool.accept(message())
    world.place.disk.freeBytes = 0
    await eventually('claims stop', () => spool.health().claims === 'stopped')
    assert.equal(spool.health().intake, 'full')
    assert.deepEqual(await spool.accept(message()), { kind: 'full' })
    assert.deepEqual(await claimAll(spool), [])
    assert.deepEqual(await spool.dueLanes({ before: Number.MAX_SAFE_INTEGER, limit: 10 }), [])
    // What was delivered already is still settled.
    assert.deepEqual(await spool.settle(claim.token, settlement('a', [delivered()])), { kind: 'settled' })
    world.place.disk.freeBytes = 1024 * MIB
    await eventually('claims go on', () => spool.health().claims === 'open')
    assert.equal((await claimAll(spool)).length, 1)
  })

  test('a full store gives its reserve to the outcomes, and takes it back when there is room', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    world.place.faults.arm('before-commit', { act: 'full' })
    assert.deepEqual(await spool.settle(claim.token, settlement('a', [delivered()])), { kind: 'settled' })
    await recovered(spool)
    await eventually('the reserve is back', () => world.place.events.at(-1) === 'spool-reserve-restored')
    assert.equal(world.place.events.filter((event) => event === 'spool-reserve-released').length, 1)
  })

  test('a failing store stops intake and claims, says why, and recovers by itself', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const before = message()
    await spool.accept(before)
    world.place.faults.arm('before-commit', ALWAYS)
    assert.equal((await spool.accept(message())).kind, 'unavailable')
    assert.deepEqual([spool.health().intake, spool.health().claims], ['failing', 'stopped'])
    assert.match(spool.health().detail, /SQLite|injected/)
    assert.equal((await spool.accept(message())).kind, 'unavailable')
    assert.deepEqual(await claimAll(spool), [])
    world.place.faults.disarm('before-commit')
    await recovered(spool)
    assert.deepEqual(await spool.accept(message()), { kind: 'accepted' })
    const claims = await claimAll(spool)
    assert.equal(claims.length, 2)
    assert.equal(claims[0]?.id, before.id)
  })

  for (const [point, act] of [
    ['before-write', 'fail'],
    ['before-commit', 'fail'],
    ['before-commit', 'full'],
    ['after-commit', 'lose-answer'],
    ['thread', 'fail'],
  ] as const) {
    test(`an accept that was answered "no" is never delivered and never accepted later (${point}: ${act})`, async (t) => {
      const world = new SpoolWorld(t, open)
      const spool = await world.open()
      const refused = message()
      world.place.faults.arm(point, { act })
      assert.match((await spool.accept(refused)).kind, /unavailable|full/)
      await recovered(spool)
      assert.deepEqual(await claimAll(spool), [])
      assert.equal((await spool.accept(refused)).kind, 'unavailable')
      const restarted = await world.open()
      assert.equal((await restarted.accept(refused)).kind, 'unavailable')
      assert.deepEqual(await claimAll(restarted), [])
      assert.equal((await restarted.admin.summary()).messages, 0)
    })

    test(`an outcome is neither lost nor counted twice, nor its notice (${point}: ${act})`, async (t) => {
      const world = new SpoolWorld(t, open)
      const spool = await world.open()
      await spool.accept(message())
      const claim = await claimOne(spool)
      const bounce = message([9], { envelope: envelope({ reversePath: 'nullReversePath' }) })
      world.place.faults.arm(point, { act })
      const outcome = await spool.settle(claim.token, settlement('a', [failed()], { enqueue: [bounce] }))
      assert.match(outcome.kind, /journalled|settled/)
      await recovered(spool)
      assert.deepEqual(await claimAll(spool), [])
      assert.equal((await claimOne(spool, 9)).id, bounce.id)
      const restarted = await world.open()
      assert.deepEqual(await claimAll(restarted), [])
      assert.deepEqual(
        (await claimAll(restarted, 9)).map(({ id }) => id),
        [bounce.id],
      )
    })
  }

  for (const point of ['thread', 'before-write', 'before-commit', 'after-commit'] as const) {
    test(`an accept that takes too long is answered "no", and its late commit is undone (${point})`, async (t) => {
      const world = new SpoolWorld(t, open, { acceptMs: 200 })
      const spool = await world.open()
      const { faults } = world.place
      const late = message()
      faults.arm(point, { act: 'hang' })
      const accepting = spool.accept(late)
      await eventually('the store hangs', () => faults.left(point) === 0)
      // Asked before anybody gives up, answered after the late commit.
      const claiming = claimAll(spool)
      assert.equal((await accepting).kind, 'unavailable')
      assert.deepEqual([spool.health().intake, spool.health().claims], ['failing', 'stopped'])
      assert.ok(world.place.events.includes('spool-accept-voided'))
      assert.deepEqual(await claimAll(spool), [])

      faults.disarm(point)
      assert.deepEqual(await claiming, [])
      await recovered(spool)
      assert.deepEqual(await claimAll(spool), [])
      assert.equal((await spool.admin.summary()).messages, 0)
      assert.equal((await spool.accept(late)).kind, 'unavailable')
      const next = message()
      assert.deepEqual(await spool.accept(next), { kind: 'accepted' })
      const restarted = await world.open()
      assert.equal((await restarted.accept(late)).kind, 'unavailable')
      assert.deepEqual((await claimOne(restarted)).id, next.id)
    })
  }

  test('an outcome that cannot be committed is replayed before the first claim of the next run', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message([1]))
    await spool.accept(message([1]))
    const [sent, waiting] = await claimAll(spool)
    assert.ok(sent && waiting)
    const bounce = message([9], { envelope: envelope({ reversePath: 'nullReversePath' }) })
    world.place.faults.arm('before-commit', ALWAYS)
    const outcomes = await Promise.all([
      spool.settle(sent.token, settlement('a', [failed()], { enqueue: [bounce] })),
      spool.settle(waiting.token, settlement('b', [deferred(0, 1000)])),
    ])
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['journalled', 'journalled'],
    )
    await spool.close()
    world.place.faults.disarm('before-commit')

    const restarted = await world.open()
    assert.deepEqual(await claimAll(restarted), [])
    assert.equal((await claimOne(restarted, 9)).id, bounce.id)
    world.pass(1000)
    assert.deepEqual((await claimOne(restarted)).attempts, 1)
    assert.equal(existsSync(join(world.place.dataDir, 'unsettled.journal')), false)
  })

  test('a start that cannot replay gives nothing out until it can', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    world.place.faults.arm('before-commit', ALWAYS)
    await spool.settle(claim.token, settlement('a', [delivered()]))
    const restarted = await world.open()
    assert.equal(restarted.health().claims, 'stopped')
    assert.deepEqual(await claimAll(restarted), [])
    world.place.faults.disarm('before-commit')
    await recovered(restarted)
    assert.deepEqual(await claimAll(restarted), [])
    assert.equal((await restarted.admin.summary()).messages, 0)
  })

  test('when not even the journal can be written the outcome is remembered and the caller is told', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    world.place.faults.arm('before-commit', ALWAYS)
    world.place.faults.arm('journal-write', { act: 'full' })
    await assert.rejects(spool.settle(claim.token, settlement('a', [delivered()])), { name: 'StoreUnavailable' })
    world.place.faults.disarm('before-commit')
    await recovered(spool)
    assert.equal((await spool.admin.summary()).messages, 0)
  })

  test('leases outlive trouble: what is in flight is not given to another', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    world.place.faults.arm('thread', { act: 'fail' })
    await spool.accept(message([2]))
    await recovered(spool)
    assert.deepEqual(await claimAll(spool), [])
    assert.deepEqual(await spool.renew([claim.token], 60_000), new Set([claim.token]))
    assert.deepEqual(await spool.settle(claim.token, settlement('a', [delivered()])), { kind: 'settled' })
  })

  for (const point of ['file-write', 'file-fsync', 'file-rename', 'directory-fsync'] as const satisfies FaultPoint[]) {
    test(`content that does not reach the disk is not accepted (${point})`, async (t) => {
      const world = new SpoolWorld(t, open)
      const spool = await world.open()
      const sent = sized(300 * 1024)
      world.place.faults.arm(point, { act: 'full' })
      assert.equal((await spool.accept(sent)).kind, 'full')
      await recovered(spool)
      assert.deepEqual(await claimAll(spool), [])
      assert.deepEqual(await spool.accept(sized(300 * 1024)), { kind: 'accepted' })
    })
  }

  test('a content file that cannot be unlinked harms nothing', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(sized(300 * 1024))
    const claim = await claimOne(spool)
    world.place.faults.arm('file-unlink', { act: 'fail' })
    assert.deepEqual(await spool.settle(claim.token, settlement('a', [delivered()])), { kind: 'settled' })
    assert.equal(spool.health().claims, 'open')
  })
}
