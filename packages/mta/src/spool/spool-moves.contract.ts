/** The contract of what moves between spools: nothing about a message changes, and nothing comes twice. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  claimAll,
  claimOne,
  deferred,
  delivered,
  LEASE_MS,
  lane,
  message,
  messageToMany,
  NOON,
  type OpenSpool,
  SpoolWorld,
  settlement,
} from './spool.fixture.ts'
import { type Content, type NewContent, type Spool, StoreUnavailable } from './spool.ts'
import type { EnteringMessage, SpoolMoves } from './spool-moves.ts'
import { contents, wholeMessages } from './whole-message.fixture.ts'
import type { WholeMessage } from './whole-message.ts'

type MovingSpool = Spool & { readonly moves: SpoolMoves }

export function spoolMovesContract(open: OpenSpool<MovingSpool>): void {
  describe('what moves', { concurrency: 4 }, () => contract(open))
}

function contract(open: OpenSpool<MovingSpool>): void {
  test('a message enters as it was, and is read as it entered', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const sample = fc.sample(fc.tuple(wholeMessages, contents), {
      numRuns: 150,
      seed: fc.readConfigureGlobal().seed ?? Date.now(),
    })
    const entering = sample.map(([whole, bytes]) => ({ message: whole, content: { kind: 'memory', bytes } as const }))
    assert.deepEqual(await spool.moves.enter({ messages: entering, file: randomUUID(), from: 0, upTo: 150 }), {
      kind: 'entered',
      entered: 150,
      alreadyThere: 0,
    })
    const found = await everything(spool.moves)
    assert.deepEqual(
      found.map((one) => one.message),
      sample.map(([whole]) => whole).sort((a, b) => (a.id < b.id ? -1 : 1)),
    )
    for (const [{ id }, bytes] of sample) assert.deepEqual(await octets(await spool.moves.open(id)), bytes)
    assert.ok(found.every(({ inDelivery }) => !inDelivery))
    assert.equal((await spool.admin.summary()).messages, 150)
  })

  test('what has entered is delivered when its time comes, and waits when it is held', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const due = whole({ dueAt: NOON + 1000, attempts: 7, delayNoticeAt: NOON - 5 })
    const held = whole({ state: 'held', reason: 'audit' })
    await spool.moves.enter({ messages: [due, held].map(withContent), file: randomUUID(), from: 0, upTo: 2 })
    assert.deepEqual(await claimAll(spool), [])
    assert.deepEqual(await spool.dueLanes({ before: NOON + 1000, limit: 9 }), [{ lane: lane(), dueAt: NOON + 1000 }])
    world.pass(1000)
    const claim = await claimOne(spool)
    assert.deepEqual([claim.id, claim.attempts, claim.marks], [due.id, 7, { delayNoticeAt: NOON - 5 }])
    assert.deepEqual(await spool.settle(claim.token, settlement('a', [delivered()])), { kind: 'settled' })
    assert.deepEqual(
      (await everything(spool.moves)).map((one) => one.message),
      [held],
    )
  })

  test('a file that is taken in again says where it stands, also after its mail was delivered', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const file = randomUUID()
    assert.equal(await spool.moves.enteredUpTo(file), 0)
    const [first, second] = [whole(), whole()]
    await spool.moves.enter({ messages: [withContent(first)], file, from: 0, upTo: 1 })
    await spool.settle((await claimOne(spool)).token, settlement('a', [delivered()]))
    const again = await world.open()
    assert.equal(await again.moves.enteredUpTo(file), 1)
    await again.moves.enter({ messages: [withContent(second)], file, from: 1, upTo: 2 })
    assert.equal(await again.moves.enteredUpTo(file), 2)
    assert.equal(await again.moves.enteredUpTo(randomUUID()), 0)
  })

  test('of two who take the same file in, the slower one is told, and doubles nothing', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const file = randomUUID()
    const batch = { messages: [withContent(whole())], file, from: 0, upTo: 1 }
    assert.equal((await spool.moves.enter(batch)).kind, 'entered')
    await spool.settle((await claimOne(spool)).token, settlement('a', [delivered()]))
    assert.deepEqual(await spool.moves.enter(batch), { kind: 'overtaken' })
    assert.deepEqual(await spool.moves.enter({ ...batch, from: 7, upTo: 8 }), { kind: 'overtaken' })
    assert.equal(await spool.moves.enteredUpTo(file), 1)
    assert.equal((await spool.admin.summary()).messages, 0)
  })

  test('a message that is there already stays as it is, by whatever file it comes again', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const sent = message()
    await spool.accept(sent)
    const before = await spool.moves.find(sent.id)
    const other = { ...whole({ attempts: 9 }), id: sent.id }
    const big = { kind: 'memory', bytes: Buffer.alloc(400_000) } as const
    const batch = {
      messages: [{ message: other, content: big }, withContent(whole())],
      file: randomUUID(),
      from: 0,
      upTo: 2,
    }
    assert.deepEqual(await spool.moves.enter(batch), { kind: 'entered', entered: 1, alreadyThere: 1 })
    assert.deepEqual(await spool.moves.find(sent.id), before)
    assert.deepEqual(await octets(await spool.open(sent.id)), Buffer.from('Hello\n'))
  })

  test('a batch enters completely or not at all, and then nothing is remembered of it', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const file = randomUUID()
    world.place.faults.arm('before-commit', { act: 'fail' })
    const batch = { messages: [whole(), whole()].map(withContent), file, from: 0, upTo: 2 }
    await assert.rejects(spool.moves.enter(batch), StoreUnavailable)
    const again = await world.open()
    assert.equal(await again.moves.enteredUpTo(file), 0)
    assert.deepEqual(await everything(again.moves), [])
    assert.equal((await again.moves.enter(batch)).kind, 'entered')
  })

  test('a batch whose answer was lost is in, and the file knows it', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const file = randomUUID()
    world.place.faults.arm('after-commit', { act: 'lose-answer' })
    await assert.rejects(
      spool.moves.enter({ messages: [withContent(whole())], file, from: 0, upTo: 1 }),
      StoreUnavailable,
    )
    const again = await world.open()
    assert.equal(await again.moves.enteredUpTo(file), 1)
    assert.equal((await everything(again.moves)).length, 1)
  })

  test('a full spool takes nothing of a batch', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    world.place.faults.arm('before-commit', { act: 'full' })
    const outcome = await spool.moves.enter({ messages: [withContent(whole())], file: randomUUID(), from: 0, upTo: 1 })
    assert.equal(outcome.kind, 'full')
    assert.deepEqual(await everything(spool.moves), [])
  })

  test('only what is in nobody’s hands leaves', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const [queued, held, split] = [message([1]), message([2]), message([3, 4])]
    for (const one of [queued, held, split]) await spool.accept(one)
    const big = message([5], { content: { kind: 'memory', bytes: Buffer.alloc(400_000, 1) } })
    await spool.accept(big)
    await spool.claim(lane(4), { limit: 1, leaseMs: LEASE_MS })
    await spool.admin.change([held.id, split.id, big.id], { kind: 'hold', reason: 'moving' })
    assert.equal((await spool.moves.find(split.id))?.inDelivery, true)
    const ids = [queued.id, held.id, split.id, big.id]
    assert.deepEqual([...(await spool.moves.takeOut(ids))].sort(), [held.id, big.id].sort())
    assert.deepEqual(await spool.moves.takeOut(ids), [])
    await assert.rejects(spool.moves.open(held.id))
    assert.equal((await spool.admin.summary()).messages, 2)
  })

  test('what was tried before says so, and a lease is not a state', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const sent = messageToMany(2)
    await spool.accept(sent)
    const marks = { delayNoticeAt: NOON }
    await spool.settle((await claimOne(spool)).token, settlement('a', [delivered(0), deferred(1, 0)], { marks }))
    await claimOne(spool)
    const found = await spool.moves.find(sent.id)
    assert.equal(found?.inDelivery, true)
    assert.deepEqual(found.message.deliveries, [
      {
        lane: lane(),
        state: 'queued',
        dueAt: NOON,
        attempts: 1,
        delayNoticeAt: NOON,
        recipients: [
          { ...sent.recipients[0], state: 'delivered', ambiguousCount: 0, lastOutcome: delivered(0) },
          { ...sent.recipients[1], state: 'open', ambiguousCount: 0, lastOutcome: deferred(1, 0) },
        ],
      },
    ])
  })
}

/** Pages smaller than the whole, as a long queue is read. */
async function everything(moves: SpoolMoves) {
  const all = []
  for (;;) {
    const after = all.at(-1)?.message.id
    const page = await moves.page({ limit: 40, ...(after === undefined ? {} : { after }) })
    if (page.length === 0) return all
    all.push(...page)
  }
}

function whole(delivery: Partial<WholeMessage['deliveries'][number]> = {}): WholeMessage {
  const { id, envelope, recipients, receivedAt, expiresAt } = message()
  const open = recipients.map((recipient) => ({ ...recipient, state: 'open', ambiguousCount: 0 }) as const)
  const only = { lane: lane(), state: 'queued', dueAt: NOON, attempts: 0, recipients: open, ...delivery } as const
  return { id, envelope, receivedAt, expiresAt, deliveries: [only] }
}

function withContent(one: WholeMessage): EnteringMessage & { readonly content: NewContent } {
  return { message: one, content: { kind: 'memory', bytes: Buffer.from('Hello\n') } }
}

async function octets(content: Content): Promise<Buffer> {
  if (content.kind === 'memory') return Buffer.from(content.bytes)
  return Buffer.concat(await content.open().toArray())
}
