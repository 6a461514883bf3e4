/**
 * How a running turn learns that it has to end, because this node stops or because others wait for its slot, and what
 * becomes of what it has begun.
 */
import type { TurnContext } from '../schedule/lane-scheduler.ts'
import type { TurnState } from './turn-state.ts'

export interface TurnEnding {
  /** Aborted in either case: nothing begins any more. */
  readonly signal: AbortSignal
  forget(): void
}

export function endingOf({ signal, yielding }: Pick<TurnContext, 'signal' | 'yielding'>): TurnEnding {
  const ending = new AbortController()
  const end = (): void => ending.abort()
  const reasons = [signal, yielding]
  for (const reason of reasons) reason.addEventListener('abort', end, { once: true })
  if (reasons.some(({ aborted }) => aborted)) end()
  return {
    signal: ending.signal,
    forget: () => {
      for (const reason of reasons) reason.removeEventListener('abort', end)
    },
  }
}

/** Undefined when the turn has to end first; whoever asked the same goes on waiting. */
export async function unlessEnded<T>(asked: Promise<T> | T, signal: AbortSignal): Promise<T | undefined> {
  if (!(asked instanceof Promise)) return asked
  if (signal.aborted) return undefined
  let end = (): void => undefined
  const ended = new Promise<undefined>((resolve) => {
    end = () => resolve(undefined)
    signal.addEventListener('abort', end)
  })
  try {
    return await Promise.race([asked, ended])
  } finally {
    signal.removeEventListener('abort', end)
  }
}

/**
 * Architecture, decision 11: what has not begun is given back at once, so that another node has it. When this node stops
 * and the grace is over, what is still behind its final dot becomes ambiguous; for the sake of other lanes nothing does.
 */
export function handOverAtEnd(state: TurnState, stopping: AbortSignal): () => void {
  const { context, using, world } = state
  let timer: NodeJS.Timeout | undefined
  const handOver = (): void => state.handOver()
  const onStop = (): void => {
    timer = setTimeout(() => {
      for (const { connection } of using) connection.destroy()
    }, world.stopGraceMs)
  }
  context.signal.addEventListener('abort', handOver)
  stopping.addEventListener('abort', onStop)
  return () => {
    clearTimeout(timer)
    context.signal.removeEventListener('abort', handOver)
    stopping.removeEventListener('abort', onStop)
  }
}
