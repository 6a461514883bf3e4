import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LogEvent } from '../observability/log-events.ts'
import { newQueueId } from '../spool/queue-id.ts'
import { type DeliveryHistory, type HistoryTrouble, HistoryUnavailable } from './delivery-history.ts'
import type { HistoryEntry } from './entry.ts'
import type { HistoryEvent } from './events.ts'
import { HistoryRecorder, type RecorderLimits } from './recorder.ts'

/** A store that fails as it is told, and hands out what it was given. */
class FakeHistory implements Pick<DeliveryHistory, 'record' | 'prune'> {
  readonly batches: (readonly HistoryEntry[])[] = []
  readonly refused: (readonly HistoryEntry[])[] = []
  trouble: HistoryTrouble | 'defect' | 'hangs' | undefined
  /** The trouble is over after so many calls. */
  troubleTimes = Number.POSITIVE_INFINITY
  /** The trouble is of the file, not of the batch. */
  prunesToo = false
  prunesRefused = 0

  async record(batch: readonly HistoryEntry[]) {
    if (this.trouble === 'hangs') return new Promise<never>(() => undefined)
    if (this.trouble !== undefined && this.refused.length < this.troubleTimes) {
      this.refused.push(batch)
      throw this.trouble === 'defect' ? new TypeError('a defect') : new HistoryUnavailable(this.trouble, 'no')
    }
    this.batches.push(batch)
    return { records: this.batches.flat().length, usedBytes: 1 }
  }

  async prune() {
    if (this.trouble !== undefined && this.trouble !== 'hangs' && this.prunesToo) {
      this.prunesRefused += 1
      throw new HistoryUnavailable('failed', 'no')
    }
    return { records: this.batches.flat().length, usedBytes: 1, done: true }
  }
}

interface Lab {
  readonly history: FakeHistory
  readonly events: HistoryEvent[]
  readonly recorder: HistoryRecorder
  tell(times?: number): void
}

const LIMITS: RecorderLimits = {
  ...{ flushMs: 5, flushEntries: 10, waitingMax: 40, retryMs: 5, retryMaxMs: 10, pruneMs: 60_000, closeMs: 50 },
}

async function lab(limits: Partial<RecorderLimits>, use: (lab: Lab) => Promise<void>): Promise<void> {
  const history = new FakeHistory()
  const events: HistoryEvent[] = []
  const recorder = new HistoryRecorder({
    ...{ history, now: () => 1_000, monotonic: () => performance.now(), limits: { ...LIMITS, ...limits } },
    emit: (event) => void events.push(event),
  })
  const noted = (): LogEvent => ({ event: 'spool-message-quarantined', id: newQueueId(), reason: 'a test' })
  const tell = (times = 1): void => {
    for (let at = 0; at < times; at += 1) recorder.tell(noted())
  }
  try {
    await use({ history, events, recorder, tell })
  } finally {
    history.trouble = undefined
    await recorder.close()
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const giveUpAt = performance.now() + 5_000; !condition(); await new Promise((next) => setTimeout(next, 2))) {
    assert.ok(performance.now() < giveUpAt, condition.toString())
  }
}

describe('the recorder of the history', () => {
  test('gathers what happens, and records it together after a while', () =>
    lab({ flushMs: 20 }, async ({ history, tell }) => {
      tell(3)
      assert.equal(history.batches.length, 0)
      await until(() => history.batches.length > 0)
      assert.deepEqual(
        history.batches.map((batch) => batch.length),
        [3],
      )
    }))

  test('a full batch does not wait, and none is larger', () =>
    lab({ flushMs: 60_000 }, async ({ history, recorder, tell }) => {
      tell(25)
      await until(() => history.batches.length === 2)
      assert.deepEqual(
        history.batches.map((batch) => batch.length),
        [10, 10],
      )
      await recorder.caughtUp()
      assert.equal(history.batches.flat().length, 25)
    }))

  test('events of no message are not kept', () =>
    lab({}, async ({ history, recorder, tell }) => {
      recorder.tell({ event: 'relay-ready', durationMs: 1 })
      recorder.tell({ event: 'history-recovered', afterMs: 1, dropped: 0 })
      tell()
      await recorder.caughtUp()
      assert.equal(history.batches.flat().length, 1)
    }))

  for (const trouble of [
    'locked',
    'full',
    'damaged',
    'gone',
    'foreign-file',
    'newer-schema',
    'failed',
    'defect',
  ] as const) {
    test(`${trouble}: told once, tried again, and nothing that found room is lost`, () =>
      lab({}, async ({ history, events, recorder, tell }) => {
        history.trouble = trouble
        history.troubleTimes = 2
        tell(3)
        await until(() => history.refused.length >= 1)
        tell(2)
        await until(() => history.batches.flat().length === 5)
        await recorder.caughtUp()
        const told = events.filter(({ event }) => event !== 'history-written')
        assert.deepEqual(
          told.map((event) => [event.event, 'reason' in event ? event.reason : undefined]),
          [
            ['history-failing', trouble === 'defect' ? 'failed' : trouble],
            ['history-recovered', undefined],
          ],
        )
      }))
  }

  test('a file that cannot be opened is told once also while there is nothing to record', () =>
    lab({ pruneMs: 5 }, async ({ history, events, recorder }) => {
      await recorder.caughtUp()
      history.trouble = 'failed'
      history.prunesToo = true
      await until(() => history.prunesRefused >= 4)
      history.trouble = undefined
      await until(() => events.some(({ event }) => event === 'history-recovered'))
      const told = events.filter(({ event }) => event !== 'history-written').map(({ event }) => event)
      assert.deepEqual(told, ['history-failing', 'history-recovered'])
    }))

  test('an entry that cannot even be made costs itself only', () =>
    lab({}, async ({ history, events, recorder, tell }) => {
      tell(1)
      // What no event of ours looks like stands for a defect.
      recorder.tell({ event: 'attempt-finished' } as unknown as LogEvent)
      tell(1)
      await recorder.caughtUp()
      assert.equal(history.batches.flat().length, 2)
      assert.deepEqual(
        events.find(({ event }) => event === 'history-dropped'),
        { event: 'history-dropped', entries: 1 },
      )
    }))

  test('what finds no room to wait in is dropped and counted; memory stays bounded', () =>
    lab({}, async ({ history, events, recorder, tell }) => {
      history.trouble = 'full'
      tell(10)
      await until(() => history.refused.length > 0)
      tell(100)
      history.trouble = undefined
      await until(() => history.batches.flat().length === 50)
      await recorder.caughtUp()
      const dropped = events.flatMap((event) => (event.event === 'history-dropped' ? [event.entries] : []))
      assert.equal(
        dropped.reduce((sum, one) => sum + one, 0),
        60,
      )
      assert.equal(events.find(({ event }) => event === 'history-recovered') !== undefined, true)
    }))

  test('a batch that fails again and again for no known reason is given up, so that the next ones are kept', () =>
    lab({}, async ({ history, events, tell }) => {
      history.trouble = 'failed'
      tell(10)
      await until(() => events.some((event) => event.event === 'history-dropped' && event.entries === 10))
      history.trouble = undefined
      tell(1)
      await until(() => history.batches.flat().length === 1)
    }))

  test('closing records what waits, and does not wait for a store that hangs', () =>
    lab({ flushMs: 60_000 }, async ({ history, events, recorder, tell }) => {
      tell(3)
      await recorder.close()
      assert.equal(history.batches.flat().length, 3)
      tell(2)
      history.trouble = 'hangs'
      await recorder.close()
      assert.deepEqual(events.at(-1), { event: 'history-dropped', entries: 2 })
    }))
})
