import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { newQueueId, type QueueId } from '../queue-id.ts'
import { lane } from '../spool.fixture.ts'
import { formatToken, Leases, type Position, parseToken } from './sqlite-leases.ts'

const LANE = lane()

/** A lane as the store sees it: what is queued, in order; the lease table must never hide a free delivery. */
class Queue {
  readonly leases = new Leases()
  readonly queued: (Position & { readonly message: QueueId })[] = []
  mono = 0
  #serial = 0

  add(dueAt: number): void {
    this.queued.push({ dueAt, message: newQueueId(), n: 0 })
    this.queued.sort(inOrder)
    this.leases.lower(LANE, dueAt)
  }

  claim(limit: number): void {
    this.leases.lapse(this.mono)
    let at = this.leases.upTo(LANE)
    let granted = 0
    for (const one of this.queued.filter((candidate) => inOrder(candidate, at) > 0)) {
      at = one
      if (this.leases.isHeld(one.message, one.n)) continue
      this.#serial += 1
      const token = formatToken(one.message, one.n, `e.${this.#serial}`)
      this.leases.grant({ token, lane: LANE, at: one, untilMono: this.mono + 10 })
      granted += 1
      if (granted === limit) break
    }
    this.leases.advance(LANE, at)
  }

  end(pick: number, keep: boolean): void {
    const held = this.queued.filter(({ message, n }) => this.leases.isHeld(message, n))
    const one = held[pick % Math.max(held.length, 1)]
    if (one === undefined) return
    this.leases.drop(one.message, one.n)
    if (!keep) this.queued.splice(this.queued.indexOf(one), 1)
  }

  hidden(): readonly Position[] {
    this.leases.lapse(this.mono)
    const upTo = this.leases.upTo(LANE)
    return this.queued.filter((one) => inOrder(one, upTo) <= 0 && !this.leases.isHeld(one.message, one.n))
  }
}

function inOrder(a: Position, b: Position): number {
  if (a.dueAt !== b.dueAt) return a.dueAt - b.dueAt
  if (a.message !== b.message) return a.message < b.message ? -1 : 1
  return a.n - b.n
}

test('whatever comes, is claimed, released, settled or lapses: nothing free stands before the position', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), n: fc.nat({ max: 5 }) }),
    fc.record({ kind: fc.constantFrom('claim', 'release', 'settle', 'wait'), n: fc.nat({ max: 5 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const queue = new Queue()
      for (const { kind, n } of steps) {
        if (kind === 'add') queue.add(n)
        else if (kind === 'claim') queue.claim(n + 1)
        else if (kind === 'wait') queue.mono += n * 3
        else queue.end(n, kind === 'release')
        assert.deepEqual(queue.hidden(), [])
      }
    }),
  )
})

test('a token names its delivery, and nothing else is taken for one', () => {
  const id = newQueueId()
  assert.deepEqual(parseToken(formatToken(id, 3, 'abc.1z')), { message: id, n: 3 })
  fc.assert(fc.property(fc.string(), (text) => parseToken(text as never) === undefined))
})

test('a lane without leases is forgotten', () => {
  const queue = new Queue()
  queue.add(1)
  queue.claim(1)
  assert.equal(queue.leases.holds(LANE), true)
  queue.mono = 100
  assert.deepEqual(queue.hidden(), [])
  assert.equal(queue.leases.holds(LANE), false)
})
