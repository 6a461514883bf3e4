/**
 * The promises of `DeliveryHistory` as tests: an adapter's test is one call to this.
 */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import { newQueueId, type QueueId } from '../spool/queue-id.ts'
import {
  type DeliveryHistory,
  ENTRIES_MAX,
  FOUND_MAX,
  type HistoryKey,
  HistoryUnavailable,
} from './delivery-history.ts'
import type { HistoryEntry } from './entry.ts'
import { acceptedEntry, attemptEntry, hostTrouble, observedEntry, settledEntry } from './history.fixture.ts'
import { ObservedTally } from './observed.ts'

export interface HistoryWorld {
  open(options: {
    readonly now: () => number
    readonly retentionMs: number
    readonly maxBytes: number
  }): Promise<DeliveryHistory>
  /** Nothing of what was opened is left. */
  dispose(): Promise<void>
}

const DAY_MS = 86_400_000
const LIMITS = { now: () => 10_000, retentionMs: DAY_MS, maxBytes: 64 * 1024 ** 2 }

export function deliveryHistoryContract(makeWorld: () => Promise<HistoryWorld>): void {
  describe('a delivery history', () => {
    let world: HistoryWorld
    let history: DeliveryHistory

    beforeEach(async () => {
      world = await makeWorld()
      history = await world.open(LIMITS)
    })
    afterEach(async () => {
      await history.close()
      await world.dispose()
    })

    const idsBy = async (by: HistoryKey, limit = 10): Promise<readonly QueueId[]> =>
      (await history.find({ by, limit })).messages.map(({ id }) => id)

    test('all entries of a message come back as they were, in order of time, whatever call recorded them', async () => {
      const accepted = acceptedEntry()
      const { id } = accepted
      const trouble = hostTrouble({ session: attemptEntry(id).session, policy: { stsPolicy: 'enforce' } })
      const deferred = settledEntry(id, { at: 1_600, met: [trouble, hostTrouble({ at: 1_550 })] })
      const later = [attemptEntry(id), settledEntry(id)]
      await history.record([deferred, acceptedEntry({ at: 1 }), accepted])
      await history.record(later.toReversed())
      const { messages, more, since } = await history.find({ by: { kind: 'id', id }, limit: 1 })
      assert.deepEqual(messages, [{ id, entries: [accepted, deferred, ...later], omitted: 0 }])
      assert.deepEqual([more, since], [false, 1])
    })

    test('found by Message-ID with angle brackets or without, and exactly', async () => {
      const one = acceptedEntry({ messageId: '<Ab.1@App.example>' })
      await history.record([one, acceptedEntry({ messageId: '<ab.1@app.example>' })])
      assert.deepEqual(await idsBy({ kind: 'message-id', messageId: 'Ab.1@App.example' }), [one.id])
      assert.deepEqual(await idsBy({ kind: 'message-id', messageId: ' <Ab.1@App.example>' }), [one.id])
      assert.deepEqual(await idsBy({ kind: 'message-id', messageId: 'b.1@App.example' }), [])
    })

    test('found by sender and by every recipient, whatever the case', async () => {
      const recipients = ['a@one.example', 'Jane@two.example'].map((address) => ({ address, lane: 'mx:x:25' }))
      const { id, ...entry } = acceptedEntry({ sender: 'App@sender.example', recipients })
      await history.record([{ id, ...entry }, acceptedEntry({ sender: '' })])
      for (const address of ['app@sender.example', 'a@one.example', 'jane@TWO.example']) {
        assert.deepEqual(await idsBy({ kind: 'address', address }), [id], address)
      }
      assert.deepEqual(await idsBy({ kind: 'address', address: 'nobody@one.example' }), [])
      assert.deepEqual(await idsBy({ kind: 'address', address: '' }), [])
    })

    test('a message that was accepted before the history began is found by what became of it', async () => {
      const id = newQueueId()
      await history.record([settledEntry(id)])
      assert.deepEqual(await idsBy({ kind: 'address', address: 'jane@example.com' }), [id])
    })

    test('the newest messages come first, and that there are more is told', async () => {
      const entries = Array.from({ length: 12 }, () => acceptedEntry())
      for (const entry of entries) await history.record([entry])
      const newest = entries.map(({ id }) => id).reverse()
      const by = { kind: 'address', address: 'jane@example.com' } as const
      const answer = await history.find({ by, limit: 5 })
      assert.deepEqual([answer.messages.map(({ id }) => id), answer.more], [newest.slice(0, 5), true])
      assert.deepEqual(await idsBy(by, FOUND_MAX * 2), newest)
    })

    test('of a message with a long life the first and the newest entries are shown, the rest counted', async () => {
      const accepted = acceptedEntry({ at: 0 })
      const later = Array.from({ length: ENTRIES_MAX + 20 }, (_, at) => attemptEntry(accepted.id, at + 1))
      await history.record([accepted, ...later])
      const { messages } = await history.find({ by: { kind: 'id', id: accepted.id }, limit: 1 })
      assert.deepEqual(messages[0]?.omitted, 21)
      assert.deepEqual([messages[0]?.entries[0], messages[0]?.entries.at(-1)], [accepted, later.at(-1)])
    })

    test('what was recorded survives closing and opening', async () => {
      const accepted = acceptedEntry()
      await history.record([accepted])
      await history.close()
      history = await world.open(LIMITS)
      assert.deepEqual(await idsBy({ kind: 'id', id: accepted.id }), [accepted.id])
      assert.equal((await history.record([acceptedEntry()])).records, 2)
    })

    test('entries leave with their age, the oldest first', async () => {
      let now = 0
      await history.close()
      history = await world.open({ ...LIMITS, now: () => now, retentionMs: 1_000 })
      const entries = [0, 400, 800].map((at) => acceptedEntry({ at }))
      for (const entry of entries) await history.record([entry])
      const left = async (at: number): Promise<readonly (QueueId | undefined)[]> => {
        now = at
        while (!(await history.prune()).done);
        return Promise.all(entries.map(async ({ id }) => (await idsBy({ kind: 'id', id }))[0]))
      }
      const [first, second, third] = entries.map(({ id }) => id)
      assert.deepEqual(await left(1_000), [first, second, third])
      assert.deepEqual(await left(1_001), [undefined, second, third])
      assert.equal((await history.prune()).oldestAt, 400)
      assert.deepEqual(await left(1_801), [undefined, undefined, undefined])
      assert.deepEqual(await history.prune(), { ...(await history.prune()), records: 0, done: true })
      assert.equal((await history.find({ by: { kind: 'address', address: 'a@b.example' }, limit: 1 })).since, undefined)
    })

    test('a limit of bytes is kept by forgetting the oldest, in small steps', async () => {
      await history.close()
      const maxBytes = 512 * 1024
      history = await world.open({ ...LIMITS, maxBytes })
      const first = acceptedEntry()
      let last = first
      await history.record([first])
      for (let batch = 0; batch < 60; batch += 1) {
        const noise = () => `${newQueueId()}${newQueueId()}@example.com`
        const entries = Array.from({ length: 200 }, () => acceptedEntry({ messageId: noise(), sender: noise() }))
        last = entries.at(-1) ?? last
        await history.record(entries)
        while (!(await history.prune()).done);
      }
      const { usedBytes, records } = await history.prune()
      assert.ok(usedBytes <= maxBytes, `${usedBytes} bytes`)
      assert.ok(records > 200 && records < 60 * 200, `${records} records`)
      assert.deepEqual(await idsBy({ kind: 'id', id: first.id }), [])
      assert.deepEqual(await idsBy({ kind: 'id', id: last.id }), [last.id])
    })

    test('what observed policies would have refused is counted since a time, page by page', async () => {
      const tally = async (since: number) => {
        const found = new ObservedTally()
        let pages = 0
        let from: number | undefined
        do {
          const page = await history.observed(from === undefined ? { since } : { since, from })
          found.merge(page.domains)
          from = page.next
          pages += 1
        } while (from !== undefined)
        const counts = found.domains().map(({ domain, deliveries, refused }) => [domain, deliveries, refused])
        return { pages, counts }
      }
      assert.deepEqual(await tally(0), { pages: 1, counts: [] })
      const refused = (at: number) => (at % 2 === 0 ? { refuse: 'not-encrypted' } : {})
      for (let batch = 0; batch < 20; batch += 1) {
        const times = Array.from({ length: 400 }, (_, index) => batch * 400 + index + 1)
        await history.record(times.map((at) => observedEntry({ domain: 'a.test', at, ...refused(at) })))
      }
      await history.record([acceptedEntry({ at: 8_000 })])
      const all = await tally(0)
      assert.deepEqual(all.counts, [['a.test', 8_000, 4_000]])
      assert.ok(all.pages > 1, `${all.pages} pages`)
      assert.deepEqual((await tally(7_901)).counts, [['a.test', 100, 50]])
      assert.deepEqual((await tally(8_001)).counts, [])
    })

    test('any text of a peer comes back as it was', async () => {
      const text = fc.string({ unit: 'binary', maxLength: 80 })
      await fc.assert(
        fc.asyncProperty(text, text, text, text, async (reply, cause, messageId, name) => {
          const accepted = acceptedEntry({ messageId: `<${messageId}>`, sender: name })
          const attempt = attemptEntry(accepted.id)
          const entries: readonly HistoryEntry[] = [
            accepted,
            {
              ...attempt,
              record: { ...attempt.record, reply, cause },
              session: { ...attempt.session, certNames: name },
            },
            settledEntry(accepted.id, { met: [hostTrouble({ cause, mxHostname: name })] }),
          ]
          await history.record(entries)
          const { messages } = await history.find({ by: { kind: 'id', id: accepted.id }, limit: 1 })
          assert.deepEqual(messages[0]?.entries, entries)
        }),
        { numRuns: 50 },
      )
    })

    test('when it is closed it says so', async () => {
      await history.close()
      await assert.rejects(history.record([acceptedEntry()]), HistoryUnavailable)
      await assert.rejects(idsBy({ kind: 'id', id: newQueueId() }), HistoryUnavailable)
    })
  })
}
