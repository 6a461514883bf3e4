import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplicaConfirmation, Unconfirmed } from './redis-confirmation.ts'
import type { RedisReply } from './redis-records.ts'

/** Answers each question when it is told to. */
function server(): { asked: number; answer(reply: RedisReply | Error): void; confirmation: ReplicaConfirmation } {
  const open: PromiseWithResolvers<RedisReply>[] = []
  const one = {
    asked: 0,
    answer: (reply: RedisReply | Error) => {
      const question = open.shift()
      if (reply instanceof Error) question?.reject(reply)
      else question?.resolve(reply)
    },
    confirmation: new ReplicaConfirmation((words) => {
      assert.deepEqual(words.slice(0, 2), ['1', '1'])
      one.asked += 1
      const question = Promise.withResolvers<RedisReply>()
      open.push(question)
      return question.promise
    }),
  }
  return one
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('who wrote while a question is under way is told by the next one, all of them by the same', async () => {
  const one = server()
  const first = one.confirmation.confirmed()
  await turn()
  const later = [one.confirmation.confirmed(), one.confirmation.confirmed()]
  await turn()
  assert.equal(one.asked, 1, 'an answer that was asked for before does not count')
  one.answer([1, 1])
  await first
  await turn()
  assert.equal(one.asked, 2)
  one.answer([1, 2])
  await Promise.all(later)
})

for (const [what, reply] of [
  ['nobody', [0, 0]],
  ['the master alone', [1, 0]],
  ['a replica alone', [0, 1]],
  ['an answer without counts', 'OK'],
  ['an error', new Error('ERR unknown command')],
] as const) {
  test(`${what}: not confirmed; the next question is asked all the same`, async () => {
    const one = server()
    const refused = assert.rejects(one.confirmation.confirmed(), Unconfirmed)
    await turn()
    one.answer(reply instanceof Error ? reply : (reply as RedisReply))
    await refused
    const next = one.confirmation.confirmed()
    await turn()
    one.answer([1, 1])
    await next
  })
}
