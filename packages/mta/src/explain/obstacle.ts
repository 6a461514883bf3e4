/** A cause that delivery knows, as an explanation tells it: judged by delivery's own table. Pure. */
import type { Obstacle } from '@hermetic/policy'
import { type LaneId, laneOf } from '../delivery/lane.ts'
import type { DeliveryCause } from '../delivery/outcome.ts'
import { ofSmarthost, problemOf } from '../delivery/problem.ts'
import { causeWords } from '../observability/delivery-record.ts'

export function obstacleOf(
  cause: DeliveryCause,
  { at, lane }: { readonly at: number; readonly lane: LaneId },
): Obstacle {
  const problem = problemOf(cause, { at })
  const { status, permanence } = laneOf(lane).kind === 'route' ? ofSmarthost(problem) : problem
  return { cause: cause.kind, detail: causeWords(cause), status, permanence }
}
