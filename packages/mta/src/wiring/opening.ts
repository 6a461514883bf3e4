/**
 * What was opened so far, to be closed the other way round: when the relay stops, and when its start ends in a problem or
 * in a defect. Something that stays open would keep a process alive that serves nobody.
 */
import type { Result } from '@hermetic/policy'

export class Opening {
  readonly #closes: (() => Promise<void>)[] = []

  closesWith(close: () => Promise<void> | void): void {
    this.#closes.push(async () => close())
  }

  async close(beforeLast: () => void = () => undefined): Promise<void> {
    while (this.#closes.length > 1) await this.#closes.pop()?.()
    beforeLast()
    await this.#closes.pop()?.()
  }

  /** All of it, although some of it fails: the first cause is what counts. */
  async abandon(): Promise<void> {
    for (let close = this.#closes.pop(); close !== undefined; close = this.#closes.pop()) {
      await close().catch(() => undefined)
    }
  }
}

/** Nothing that `open` has opened outlives its failure. */
export async function wholeOrNothing<T, E>(open: (opening: Opening) => Promise<Result<T, E>>): Promise<Result<T, E>> {
  const opening = new Opening()
  let opened: Result<T, E> | undefined
  try {
    opened = await open(opening)
    return opened
  } finally {
    if (opened?.ok !== true) await opening.abandon()
  }
}
