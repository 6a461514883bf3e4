/** Counting over a real store; what fails is put in between. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { SessionResult } from '@hermetic/policy'
import fc from 'fast-check'
import { covers } from '../../../test/conformance/covers.ts'
import { openSqliteResultStore, type SqliteResultStore } from './adapters/sqlite-result-store.ts'
import type { ReportCountingEvent } from './counting-events.ts'
import { type ResultStore, ResultStoreUnavailable } from './ports/result-store.ts'
import type { RecordLookup } from './record-lookup.ts'
import { DAY, day, domain, RECIPIENT } from './report.fixture.ts'
import { SessionCounter, type SessionCounterOptions } from './session-counter.ts'
import { tallyTotals } from './tally.ts'

const NEXT_DAY = day('2026-11-22')
const NOON = Date.UTC(2026, 10, 21, 12)
const SUCCESS: SessionResult = { policyType: 'no-policy-found', outcome: { kind: 'success' } }
const FAILED: SessionResult = {
  policyType: 'no-policy-found',
  outcome: { kind: 'failure', details: [{ resultType: 'starttls-not-supported' }] },
}
const RECORD: RecordLookup = { kind: 'record', record: { targets: [], ignored: [] } }
const NONE: RecordLookup = { kind: 'none', because: 'no-record' }

interface Bed {
  readonly store: SqliteResultStore
  readonly counter: SessionCounter
  readonly events: ReportCountingEvent[]
  now: number
  readonly totals: (on?: typeof DAY, of?: typeof RECIPIENT) => Promise<readonly [number, number] | undefined>
}

interface BedOptions extends Partial<Pick<SessionCounterOptions, 'lookUp' | 'domainsMax'>> {
  readonly between?: (store: ResultStore) => Pick<ResultStore, 'addBatch'>
}

function bedFor(t: TestContext, { between = (store) => store, ...options }: BedOptions = {}): Bed {
  const dataDir = mkdtempSync(join(tmpdir(), 'session-counter-'))
  const opened = openSqliteResultStore({ dataDir, now: () => bed.now })
  assert.ok(opened.ok, JSON.stringify(opened))
  const store = opened.value
  t.after(() => {
    store.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  const events: ReportCountingEvent[] = []
  const ids = Array.from({ length: 99 }, (_, at) => `${at}`)
  const counter = new SessionCounter({
    ...{ lookUp: async () => RECORD, ...options, store: between(store) },
    ...{ now: () => bed.now, monotonic: () => 0, newBatchId: () => ids.pop() ?? '' },
    emit: (event) => void events.push(event),
  })
  const bed: Bed = {
    ...{ store, counter, events, now: NOON },
    totals: async (on = DAY, of = RECIPIENT) => {
      const tally = await store.tally(of, on)
      if (tally === undefined) return undefined
      const { successfulSessions, failedSessions } = tallyTotals(tally)
      return [successfulSessions, failedSessions]
    },
  }
  return bed
}

/** Until every open question is answered. */
const answered = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const seen = (...results: readonly SessionResult[]) => ({ policyDomain: RECIPIENT, results })

describe('what is counted', () => {
  test('RPT-18: a session belongs to the UTC day on which it happened, to the millisecond', async (t) => {
    covers('RPT-18', { observe: 'store' })
    const bed = bedFor(t)
    bed.now = Date.UTC(2026, 10, 22) - 1
    bed.counter.count(seen(SUCCESS))
    bed.now += 1
    bed.counter.count(seen(FAILED))
    await answered()
    await bed.counter.flush()
    assert.deepEqual(
      [await bed.totals(), await bed.totals(NEXT_DAY)],
      [
        [1, 0],
        [0, 1],
      ],
    )
  })

  test('a session about which nothing is to be said asks for no record and leaves no trace', async (t) => {
    const asked: string[] = []
    const bed = bedFor(t, {
      lookUp: async (name) => {
        asked.push(name)
        return RECORD
      },
    })
    bed.counter.count(seen())
    await bed.counter.flush()
    assert.deepEqual([asked, await bed.totals(), bed.events], [[], undefined, []])
  })

  test('of domains without a record nothing is kept, not even what came before the answer', async (t) => {
    const bed = bedFor(t, { lookUp: async () => NONE })
    bed.counter.count(seen(SUCCESS))
    await answered()
    bed.counter.count(seen(SUCCESS))
    await bed.counter.close()
    assert.equal(await bed.totals(), undefined)
    assert.deepEqual(bed.events, [])
  })

  test('while the record cannot be had, results are kept', async (t) => {
    const bed = bedFor(t, { lookUp: async () => ({ kind: 'failure', reason: { kind: 'timeout' } }) })
    bed.counter.count(seen(SUCCESS))
    await answered()
    bed.counter.count(seen(FAILED))
    await bed.counter.flush()
    assert.deepEqual(await bed.totals(), [1, 1])
  })

  test('a failed fetch is a failed session of the policy that is in force', async (t) => {
    const bed = bedFor(t)
    const report = { resultType: 'sts-policy-fetch-error', failureReasonCode: 'status-404' } as const
    bed.counter.countFailedFetch({ policyDomain: RECIPIENT, report, inForce: undefined })
    await answered()
    await bed.counter.flush()
    assert.deepEqual(await bed.totals(), [0, 1])
  })

  test('it is told in numbers, by policy type and result', async (t) => {
    const bed = bedFor(t)
    for (const result of [SUCCESS, FAILED, SUCCESS]) bed.counter.count(seen(result))
    await answered()
    await bed.counter.flush()
    const policyType = 'no-policy-found'
    const counts = [
      { policyType, result: 'success', sessions: 2 },
      { policyType, result: 'starttls-not-supported', sessions: 1 },
    ]
    assert.deepEqual(bed.events, [{ event: 'tlsrpt-results-stored', domains: 1, counts, merged: 0 }])
  })
})

describe('the flush', () => {
  test('a batch whose answer was lost counts once', async (t) => {
    let lost = 0
    const bed = bedFor(t, {
      between: (store) => ({
        addBatch: async (id, tallies) => {
          const outcome = await store.addBatch(id, tallies)
          lost += 1
          if (lost < 3) throw new ResultStoreUnavailable('lost')
          return outcome
        },
      }),
    })
    bed.counter.count(seen(SUCCESS))
    await answered()
    await bed.counter.flush()
    bed.counter.count(seen(FAILED))
    await bed.counter.flush()
    assert.deepEqual(await bed.totals(), [1, 0])
    await bed.counter.flush()
    assert.deepEqual(await bed.totals(), [1, 1])
    assert.deepEqual(
      bed.events.map(({ event }) => event),
      ['tlsrpt-store-failed', 'tlsrpt-store-recovered', 'tlsrpt-results-stored'],
    )
  })

  test('whatever the store loses, before or behind its commit, each session counts once', async (t) => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('count' as const),
        domain: fc.nat({ max: 2 }),
        result: fc.constantFrom(SUCCESS, FAILED),
      }),
      fc.record({ kind: fc.constant('flush' as const) }),
    )
    const fault = fc.constantFrom('none', 'before', 'behind')
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.array(fault, { maxLength: 12 }), async (steps, faults) => {
        const waiting = [...faults]
        const bed = bedFor(t, {
          between: (store) => ({
            addBatch: async (id, tallies) => {
              const now = waiting.shift()
              if (now === 'before') throw new ResultStoreUnavailable('before')
              const outcome = await store.addBatch(id, tallies)
              if (now === 'behind') throw new ResultStoreUnavailable('behind')
              return outcome
            },
          }),
        })
        run += 1
        const wanted = new Map<string, [number, number]>()
        for (const one of steps) {
          if (one.kind === 'flush') await bed.counter.flush()
          else {
            const policyDomain = domain(`r${run}-${one.domain}.test`)
            bed.counter.count({ policyDomain, results: [one.result] })
            const [good, failed] = wanted.get(policyDomain) ?? [0, 0]
            wanted.set(policyDomain, one.result === SUCCESS ? [good + 1, failed] : [good, failed + 1])
            await answered()
          }
        }
        while (waiting.length > 0) await bed.counter.flush().then(() => waiting.shift())
        await bed.counter.close()
        for (const [name, sums] of wanted) assert.deepEqual(await bed.totals(DAY, domain(name)), sums)
      }),
      { numRuns: 25 },
    )
  })

  test('sessions of a sum that cannot be read any more are told as lost', async (t) => {
    const bed = bedFor(t, {
      between: (store) => ({
        addBatch: async (id, tallies) => ({ ...(await store.addBatch(id, tallies)), damagedSessions: 3 }),
      }),
    })
    bed.counter.count({ policyDomain: domain('a.test'), results: [SUCCESS] })
    await bed.counter.close()
    const lost = bed.events.filter(({ event }) => event === 'tlsrpt-results-lost')
    assert.deepEqual(lost, [{ event: 'tlsrpt-results-lost', sessions: 3, because: 'damaged' }])
  })

  test('many domains go in several batches', async (t) => {
    const sizes: number[] = []
    const bed = bedFor(t, {
      between: (store) => ({
        addBatch: (id, tallies) => {
          sizes.push(tallies.length)
          return store.addBatch(id, tallies)
        },
      }),
    })
    for (let number = 0; number < 1_100; number += 1) {
      bed.counter.count({ policyDomain: domain(`d${number}.test`), results: [SUCCESS] })
    }
    await bed.counter.close()
    assert.deepEqual(sizes, [500, 500, 100])
    assert.deepEqual(await bed.totals(DAY, domain('d1099.test')), [1, 0])
  })

  test('what comes for a day that is closed is told as late', async (t) => {
    const bed = bedFor(t)
    bed.counter.count(seen(SUCCESS))
    await answered()
    await bed.counter.flush()
    await bed.store.closeDay(DAY, () => 0)
    bed.counter.count(seen(SUCCESS))
    await bed.counter.flush()
    assert.deepEqual(bed.events.at(-2), { event: 'tlsrpt-results-late', sessions: 1 })
    assert.deepEqual(await bed.totals(), [1, 0])
  })

  test('closing keeps everything, also of domains whose answer is still open', async (t) => {
    const bed = bedFor(t, { lookUp: () => new Promise(() => undefined) })
    bed.counter.count(seen(SUCCESS))
    await bed.counter.flush()
    assert.equal(await bed.totals(), undefined)
    await bed.counter.close()
    assert.deepEqual(await bed.totals(), [1, 0])
  })

  test('what is lost is counted: for want of room, and when we stop without the store', async (t) => {
    const addBatch = async () => Promise.reject(new ResultStoreUnavailable('gone'))
    const bed = bedFor(t, { between: () => ({ addBatch }), domainsMax: 1 })
    for (const name of ['a.test', 'b.test', 'a.test']) {
      bed.counter.count({ policyDomain: domain(name), results: [SUCCESS] })
    }
    await answered()
    await bed.counter.close()
    assert.deepEqual(bed.events, [
      { event: 'tlsrpt-results-lost', sessions: 1, because: 'no-room' },
      { event: 'tlsrpt-store-failed', detail: 'gone' },
      { event: 'tlsrpt-results-lost', sessions: 2, because: 'stopped' },
    ])
  })

  test('a defect in counting is told and thrown at nobody', async (t) => {
    const bed = bedFor(t)
    const sts: SessionResult = { policyType: 'sts', outcome: { kind: 'success' } }
    bed.counter.count(seen(sts))
    assert.equal(bed.events[0]?.event, 'tlsrpt-counting-defect')
  })
})
