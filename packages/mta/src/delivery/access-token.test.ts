import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../config/secret.ts'
import { CachedToken, type CachedTokenOptions } from './access-token.ts'

type Answer = Awaited<ReturnType<CachedTokenOptions['ask']>>

function world(...answers: readonly Answer[]) {
  const state = { now: 0, asked: 0 }
  const tokens = new CachedToken({
    monotonic: () => state.now,
    ask: async () => {
      state.asked += 1
      const answer = answers[Math.min(state.asked, answers.length) - 1]
      assert.ok(answer !== undefined)
      return answer
    },
  })
  return { state, tokens }
}

function issued(token: string, lifetimeMs = 3_600_000): Answer {
  return { kind: 'issued', token: new Secret(token), lifetimeMs }
}

test('all who need it at the same time have one token, asked for once', async () => {
  const { state, tokens } = world(issued('a'))
  const answers = await Promise.all([tokens.token(), tokens.token(), tokens.token()])
  assert.equal(state.asked, 1)
  assert.ok(answers.every((answer) => answer.kind === 'token' && answer.token.reveal() === 'a' && answer.isNew))
})

test('it is kept until a minute before its end, or half of a short life', async () => {
  for (const [lifetimeMs, good, over] of [
    [3_600_000, 3_539_999, 3_540_000],
    [10_000, 4_999, 5_000],
  ] as const) {
    const { state, tokens } = world(issued('a', lifetimeMs), issued('b'))
    await tokens.token()
    state.now = good
    const kept = await tokens.token()
    assert.deepEqual([kept.kind === 'token' && !kept.isNew, state.asked], [true, 1])
    state.now = over
    await tokens.token()
    assert.equal(state.asked, 2)
  }
})

test('one that a smarthost refused is not shown again; a later one is kept', async () => {
  const { state, tokens } = world(issued('a'), issued('b'))
  const first = await tokens.token()
  assert.ok(first.kind === 'token')
  tokens.refused(first.token)
  const second = await tokens.token()
  tokens.refused(first.token)
  await tokens.token()
  assert.deepEqual([second.kind === 'token' && second.token.reveal(), state.asked], ['b', 2])
})

test('a failure is kept for some seconds', async () => {
  const { state, tokens } = world({ kind: 'no-token', detail: 'out' }, issued('a'))
  assert.equal((await tokens.token()).kind, 'no-token')
  state.now = 14_999
  assert.equal((await tokens.token()).kind, 'no-token')
  state.now = 15_000
  assert.equal((await tokens.token()).kind, 'token')
  assert.equal(state.asked, 2)
})
