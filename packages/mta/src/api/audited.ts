/** An order with its two lines in the audit, and what the log tells of it. */
import type { ApiAudit, AuditBegin } from './audit.ts'
import type { ApiEvent } from './events.ts'
import { ApiProblem, PROBLEMS } from './problem.ts'

export interface AuditedWorld {
  readonly audit: Pick<ApiAudit, 'begin' | 'end' | 'path'>
  readonly order: Omit<AuditBegin, 'at'>
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: (event: ApiEvent) => void
  readonly problemOf: (error: unknown) => ApiProblem
}

const DONE = 200

/** Nothing is done when the first line cannot be written. */
export async function audited(act: () => Promise<unknown>, world: AuditedWorld): Promise<unknown> {
  const { audit, order, now } = world
  try {
    await audit.begin({ ...order, at: new Date(now()).toISOString() })
  } catch (error) {
    tellFailure(error, world)
    throw new ApiProblem('unavailable', 'the audit cannot be written, so nothing was done')
  }
  try {
    const answer = await act()
    await end(world, { status: DONE, messages: messagesIn(answer) })
    return answer
  } catch (error) {
    const problem = world.problemOf(error)
    await end(world, { status: PROBLEMS[problem.problem].status, detail: problem.detail })
    throw problem
  }
}

interface Outcome {
  readonly status: number
  readonly messages?: number | undefined
  readonly detail?: string | undefined
}

/** What is done is done, and is told also when its line is missing. */
async function end(world: AuditedWorld, { status, messages, detail }: Outcome): Promise<void> {
  const { audit, order, now, emit } = world
  const { id, token, client, operation } = order
  emit({ event: 'api-ordered', operation, token, client, status, messages })
  try {
    await audit.end({ id, at: new Date(now()).toISOString(), status, messages, detail })
  } catch (error) {
    tellFailure(error, world)
  }
}

/** Of bulk orders: changed, or found. */
function messagesIn(answer: unknown): number | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  const { changed, results, messages } = Object(answer)
  if (changed === true) return Number(Object(results).done ?? 0)
  return typeof messages === 'number' ? 0 : undefined
}

function tellFailure(error: unknown, { audit, emit }: AuditedWorld): void {
  emit({ event: 'api-audit-failed', path: audit.path, detail: String(error) })
}
