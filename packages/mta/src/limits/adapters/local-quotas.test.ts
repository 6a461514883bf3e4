import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quotasContract } from '../quotas.contract.ts'
import { createLocalQuotas } from './local-quotas.ts'

quotasContract(async () => ({ quotas: createLocalQuotas(), [Symbol.asyncDispose]: async () => {} }))

test('the table is bounded: who has rested goes first, then who was seen longest ago', async () => {
  let now = 0
  const quotas = createLocalQuotas({ monotonic: () => now, keysMax: 2 })
  const rate = { transactions: 1, perMs: 60_000, burst: 1 }
  const take = async (key: string): Promise<string> => (await quotas.take([{ key, rate, amount: 1 }])).kind
  await take('rested')
  now = 70_000
  for (const key of ['a', 'b']) await take(key)
  assert.equal(await take('a'), 'exhausted')
  await take('c')
  assert.equal(await take('a'), 'granted', 'the oldest was forgotten')
})
