import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { newQueueId } from '../queue-id.ts'
import { lane } from '../spool.fixture.ts'
import { formatToken, Leases, type Position, parseToken } from './sqlite-leases.ts'

const LANE = lane()
const MESSAGE = newQueueId()

/** A lane as the store sees it: what is queued, in order; the lease table must never hide a free delivery. */
class Queue {
  readonly leases = new Leases()
  readonly queued: Position[] = []
  mono = 0
  #rows = 0
  #serial = 0

  add(dueAt: number): void {
    this.#rows += 1
    this.queued.push({ ofClass: 1, dueAt, row: this.#rows })
    this.queued.sort(inOrder)
    this.leases.lower(LANE, dueAt)
  }

  claim(limit: number): void {
    this.leases.lapse(this.mono)
    let at = this.leases.upTo(LANE, 1)
    let granted = 0
    for (const one of this.queued.filter((candidate) => inOrder(candidate, at) > 0)) {
      at = one
      if (this.leases.isHeld(one.row)) continue
      this.#serial += 1
      const token = formatToken(MESSAGE, one.row, `e.${this.#serial}`)
      this.leases.grant({ token, message: MESSAGE, lane: LANE, at: one, untilMono: this.mono + 10 })
      granted += 1
      if (granted === limit) break
    }
    this.leases.advance(LANE, at)
  }

  end(pick: number, keep: boolean): void {
    const held = this.queued.filter(({ row }) => this.leases.isHeld(row))
    const one = held[pick % Math.max(held.length, 1)]
    if (one === undefined) return
    this.leases.drop(one.row)
    if (!keep) this.queued.splice(this.queued.indexOf(one), 1)
  }

  hidden(): readonly Position[] {
    this.leases.lapse(this.mono)
    const upTo = this.leases.upTo(LANE, 1)
    return this.queued.filter((one) => inOrder(one, upTo) <= 0 && !this.leases.isHeld(one.row))
  }
}

function inOrder(a: Position, b: Position): number {
  return a.dueAt - b.dueAt || a.row - b.row
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
  assert.deepEqual(parseToken(formatToken(id, 3, 'abc.1z')), { message: id, row: 3 })
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
