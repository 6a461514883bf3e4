import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicyCacheOpenError } from '@hermetic/policy'
import { describeStartProblem } from './start-problem-text.ts'

const path = '/var/lib/hermetic/policy.db'
const text = (error: PolicyCacheOpenError) => describeStartProblem({ kind: 'policy-cache', error })

for (const error of [
  { kind: 'foreign-file', path },
  { kind: 'not-a-file', path },
  { kind: 'store-failed', path, detail: 'the file is damaged' },
] as const satisfies readonly PolicyCacheOpenError[]) {
  test(`policy.db, ${error.kind}: who is told to move it away is told what goes with it`, () => {
    assert.match(
      text(error),
      /move (the file|it) away\. Without its policies, mail meets every domain for the first time/i,
    )
  })
}

test('a directory in the place of policy.db is not to be made one', () => {
  assert.match(text({ kind: 'not-a-file', path }), /policy\.db is not a file/)
  assert.doesNotMatch(text({ kind: 'not-a-file', path }), /must be a directory/)
})
