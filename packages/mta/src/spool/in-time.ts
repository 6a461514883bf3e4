/**
 * An answer, or the end of the wait for it. What was waited for goes on: whoever gives up says what its late success
 * means. One timer per wait, which Node keeps in a list per duration, so that thousands cost next to nothing.
 */

export class NotInTime extends Error {
  override readonly name = 'NotInTime'
}

export function inTime<T>(answer: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new NotInTime(`no answer within ${ms} ms`)), ms)
    // Not `finally`, which makes two promises more: several waits belong to every message.
    answer.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
