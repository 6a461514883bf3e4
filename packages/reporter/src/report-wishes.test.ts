import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DomainName } from '@hermetic/policy'
import type { RecordLookup } from './record-lookup.ts'
import { domain } from './report.fixture.ts'
import { type ReportWish, ReportWishes } from './report-wishes.ts'

const A = domain('a.test')
const B = domain('b.test')
const RECORD: RecordLookup = { kind: 'record', record: { targets: [], ignored: [] } }
const NONE: RecordLookup = { kind: 'none', because: 'no-record' }
const FAILURE: RecordLookup = { kind: 'failure', reason: { kind: 'timeout' } }
const HOUR = 3_600_000

class Bed {
  now = 0
  answer: RecordLookup = RECORD
  readonly asked: DomainName[] = []
  readonly answered: (readonly [DomainName, ReportWish])[] = []
  readonly #open: (() => void)[] = []
  readonly wishes: ReportWishes

  constructor({ held = false, rememberedMax }: { readonly held?: boolean; readonly rememberedMax?: number } = {}) {
    this.wishes = new ReportWishes({
      lookUp: async (name) => {
        this.asked.push(name)
        if (held) await new Promise<void>((resolve) => this.#open.push(resolve))
        return this.answer
      },
      onAnswer: (name, wish) => void this.answered.push([name, wish]),
      monotonic: () => this.now,
      ...(rememberedMax === undefined ? {} : { rememberedMax }),
    })
  }

  /** Asks, and waits for the answer. */
  async known(name: DomainName): Promise<ReportWish> {
    this.wishes.of(name)
    await this.settle()
    return this.wishes.of(name)
  }

  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
  }

  async release(): Promise<void> {
    while (this.#open.length > 0) {
      for (const resolve of this.#open.splice(0)) resolve()
      await this.settle()
    }
  }
}

for (const [answer, wish] of [
  [RECORD, 'wanted'],
  [NONE, 'unwanted'],
  [FAILURE, 'wanted'],
] as const) {
  test(`nobody waits: asked in the background, the answer is ${answer.kind} and so ${wish}`, async () => {
    const bed = new Bed()
    bed.answer = answer
    assert.equal(bed.wishes.of(A), 'asking')
    await bed.settle()
    assert.deepEqual(bed.answered, [[A, wish]])
    assert.equal(bed.wishes.of(A), wish)
  })
}

test('a lookup that breaks is one that failed', async () => {
  const answered: ReportWish[] = []
  const wishes = new ReportWishes({
    lookUp: () => Promise.reject(new Error('a defect')),
    onAnswer: (_, wish) => void answered.push(wish),
    monotonic: () => 0,
  })
  assert.equal(wishes.of(A), 'asking')
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([answered, wishes.of(A)], [['wanted'], 'wanted'])
})

test('RPT-13: answers are remembered for an hour, an absence as well, and asked again while the old one still counts', async () => {
  const bed = new Bed()
  bed.answer = NONE
  assert.equal(await bed.known(A), 'unwanted')
  bed.now = HOUR - 1
  assert.equal(await bed.known(A), 'unwanted')
  assert.equal(bed.asked.length, 1)
  bed.answer = RECORD
  bed.now = HOUR
  assert.equal(bed.wishes.of(A), 'unwanted')
  await bed.settle()
  assert.equal(bed.wishes.of(A), 'wanted')
  assert.deepEqual([bed.asked.length, bed.answered.length], [2, 1])
})

test('while DNS cannot say, what was known counts, and it is asked again after five minutes', async () => {
  const bed = new Bed()
  bed.answer = NONE
  await bed.known(A)
  bed.answer = FAILURE
  bed.now = HOUR
  assert.equal(await bed.known(A), 'unwanted')
  bed.now += HOUR / 12 - 1
  assert.equal(await bed.known(A), 'unwanted')
  assert.equal(bed.asked.length, 2)
  bed.now += 1
  bed.answer = RECORD
  assert.equal(await bed.known(A), 'wanted')
})

test('a domain is asked once at a time, sixteen domains together, and beyond ten thousand that wait all are kept', async () => {
  const bed = new Bed({ held: true })
  for (let number = 0; number < 10_016; number += 1) {
    assert.equal(bed.wishes.of(domain(`d${number}.test`)), 'asking')
  }
  assert.equal(bed.wishes.of(domain('d0.test')), 'asking')
  assert.equal(bed.asked.length, 16)
  assert.equal(bed.wishes.of(A), 'wanted')
  bed.wishes.close()
  await bed.release()
  assert.equal(bed.asked.length, 16)
})

test('what is remembered is bounded: the oldest is asked again', async () => {
  const bed = new Bed({ rememberedMax: 1 })
  await bed.known(A)
  await bed.known(B)
  assert.equal(bed.wishes.of(B), 'wanted')
  assert.equal(bed.wishes.of(A), 'asking')
})
