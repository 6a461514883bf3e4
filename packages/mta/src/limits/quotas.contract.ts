/** The full meaning of the `Quotas` promises: every adapter's test is one call to this. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { QuotaAnswer, QuotaAsk, Quotas } from './quotas.ts'

export interface OpenQuotas extends AsyncDisposable {
  readonly quotas: Quotas
}

/** Ten at once, and then one in a minute: no test waits for the next. */
const SLOW = { transactions: 10, perMs: 600_000, burst: 10 }

function ask(key: string, amount: number, rate = SLOW): QuotaAsk {
  return { key, rate, amount }
}

function isExhausted(answer: QuotaAnswer): asserts answer is Extract<QuotaAnswer, { kind: 'exhausted' }> {
  assert.equal(answer.kind, 'exhausted')
}

export function quotasContract(open: () => Promise<OpenQuotas>): void {
  describe('quotas', () => {
    test('as much at once as the burst says, and then one interval after the other', async () => {
      await using world = await open()
      const { quotas } = world
      assert.deepEqual(await quotas.take([ask('a', 10)]), { kind: 'granted' })
      const answer = await quotas.take([ask('a', 1)])
      isExhausted(answer)
      assert.equal(answer.index, 0)
      assert.ok(answer.retryAfterMs > 50_000 && answer.retryAfterMs <= 60_000, `${answer.retryAfterMs}`)
    })

    test('what is refused takes nothing, however often it is asked for', async () => {
      await using world = await open()
      const { quotas } = world
      await quotas.take([ask('a', 8)])
      for (let n = 0; n < 20; n += 1) isExhausted(await quotas.take([ask('a', 3)]))
      assert.deepEqual(await quotas.take([ask('a', 2)]), { kind: 'granted' })
    })

    test('several are taken together or not at all, and the one that waits longest is named', async () => {
      await using world = await open()
      const { quotas } = world
      await quotas.take([ask('b', 9), ask('c', 8)])
      const answer = await quotas.take([ask('a', 1), ask('b', 3), ask('c', 3)])
      isExhausted(answer)
      assert.equal(answer.index, 1)
      assert.ok(answer.retryAfterMs > 60_000 && answer.retryAfterMs <= 120_000, `${answer.retryAfterMs}`)
      assert.deepEqual(await quotas.take([ask('a', 10), ask('b', 1), ask('c', 2)]), { kind: 'granted' })
    })

    test('each key has its own', async () => {
      await using world = await open()
      await world.quotas.take([ask('a', 10)])
      assert.deepEqual(await world.quotas.take([ask('A', 10)]), { kind: 'granted' })
      assert.deepEqual(await world.quotas.take([ask('login ü/\u0000 {x}', 10)]), { kind: 'granted' })
    })

    test('it comes back with time', async () => {
      await using world = await open()
      const fast = { transactions: 2, perMs: 40, burst: 2 }
      await world.quotas.take([ask('a', 2, fast)])
      const refused = await world.quotas.take([ask('a', 2, fast)])
      const waitMs = refused.kind === 'exhausted' ? refused.retryAfterMs : 0
      await new Promise((resolve) => setTimeout(resolve, waitMs + 1))
      assert.deepEqual(await world.quotas.take([ask('a', 2, fast)]), { kind: 'granted' })
    })

    test('many at once get no more than there is', async () => {
      await using world = await open()
      const answers = await Promise.all(Array.from({ length: 50 }, () => world.quotas.take([ask('a', 1)])))
      assert.equal(answers.filter(({ kind }) => kind === 'granted').length, 10)
    })

    test('nothing to take is granted', async () => {
      await using world = await open()
      assert.deepEqual(await world.quotas.take([]), { kind: 'granted' })
    })
  })
}
