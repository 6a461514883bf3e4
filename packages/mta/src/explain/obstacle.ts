/** A cause that delivery knows, as an explanation tells it: judged by delivery's own table. Pure. */
import type { Obstacle } from '@hermetic/policy'
import type { DeliveryCause } from '../delivery/outcome.ts'
import { problemOf } from '../delivery/problem.ts'
import { causeWords } from '../observability/delivery-record.ts'

export function obstacleOf(cause: DeliveryCause, at: number): Obstacle {
  const { status, permanence } = problemOf(cause, { at })
  return { cause: cause.kind, detail: causeWords(cause), status, permanence }
}
