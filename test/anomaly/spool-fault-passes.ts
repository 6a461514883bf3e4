/**
 * Every step of a spool fails once, and succeeds once with its answer lost, at each of its first passes under a
 * small load. No process dies here, so there is no window at all: nothing may be lost and nothing sent twice.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { FaultAct, FaultPoint, SpoolFaults } from '../../packages/mta/src/spool/faults.ts'
import type { Spool } from '../../packages/mta/src/spool/spool.ts'
import { SpoolLedger } from './spool-ledger.ts'
import { deliverLoad, submitLoad } from './spool-load.ts'

const MESSAGES = 16
/** Two clients wait for each of their answers, so a load has at least so many commits. */
export const COMMITS = 8
/** One message in eight has a file, so a load has only a few. */
const FILES = 3

const FAULTS: readonly { point: FaultPoint; act: FaultAct; passes: number; also?: readonly FaultPoint[] }[] = [
  { point: 'before-write', act: 'fail', passes: COMMITS },
  { point: 'before-commit', act: 'fail', passes: COMMITS },
  { point: 'before-commit', act: 'full', passes: COMMITS },
  { point: 'after-commit', act: 'lose-answer', passes: COMMITS },
  // An outcome that cannot be committed and then cannot be journalled either.
  { point: 'before-commit', act: 'fail', passes: COMMITS, also: ['journal-write'] },
  { point: 'file-write', act: 'full', passes: FILES },
  { point: 'file-fsync', act: 'fail', passes: FILES },
  { point: 'file-rename', act: 'fail', passes: FILES },
  { point: 'directory-fsync', act: 'fail', passes: FILES },
  { point: 'file-unlink', act: 'fail', passes: FILES },
]

export async function proveEveryFault(t: TestContext, spool: Spool, faults: SpoolFaults): Promise<void> {
  let fired = 0
  for (const { point, act, passes, also = [] } of FAULTS) {
    for (let skip = 0; skip < passes; skip += 1) {
      faults.arm(point, { act, skip })
      for (const other of also) faults.arm(other, { act: 'fail' })
      await proveLoad(spool, `${point} ${act} at pass ${skip}`)
      const happened = faults.left(point) === 0
      if (passes === COMMITS) assert.ok(happened, `${point} ${act} was reached ${skip + 1} times`)
      fired += happened ? 1 : 0
      for (const one of [point, ...also]) faults.disarm(one)
    }
  }
  t.diagnostic(`${fired} faults`)
}

export async function proveLoad(spool: Spool, what: string): Promise<void> {
  const ledger = new SpoolLedger()
  const tell = ledger.tell.bind(ledger)
  let submitted = false
  const delivering = deliverLoad(spool, tell, { done: () => submitted, workers: 2 })
  await submitLoad(spool, tell, { count: MESSAGES, clients: 2 })
  submitted = true
  await delivering
  assert.deepEqual(ledger.verdict(), { problems: [], duplicates: 0 }, what)
  assert.equal(ledger.accepted.length, MESSAGES, what)
}
