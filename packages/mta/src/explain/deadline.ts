/**
 * Waiting until a deadline, and no longer: undefined when it came first. What was waited for goes on by itself, and its
 * late end means nothing.
 */
export function until<T>(deadline: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const over = (): void => resolve(undefined)
    const settle = (end: () => void): void => {
      deadline.removeEventListener('abort', over)
      end()
    }
    if (deadline.aborted) over()
    else deadline.addEventListener('abort', over)
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    )
  })
}
