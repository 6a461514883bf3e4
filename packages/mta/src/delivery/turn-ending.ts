/** How a running turn learns that it has to end, and what becomes of its connections when it does not. */
import type { TurnState } from './turn-state.ts'

/**
 * Architecture, decision 11: what has not begun is given back at once, so that another node has it; when the grace is
 * over, what is still behind its final dot becomes ambiguous.
 */
export function destroyAfterGrace(state: TurnState): () => void {
  const { context, using, world } = state
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    state.handOver()
    timer = setTimeout(() => {
      for (const { connection } of using) connection.destroy()
    }, world.stopGraceMs)
  }
  context.signal.addEventListener('abort', onAbort)
  return () => {
    clearTimeout(timer)
    context.signal.removeEventListener('abort', onAbort)
  }
}
