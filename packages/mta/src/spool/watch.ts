/** Things done now and then while a spool is open; a failure waits for the next time. */
export class Watch {
  readonly #timers: NodeJS.Timeout[] = []
  readonly #busy = new Set<() => Promise<void>>()

  every(intervalMs: number, task: () => Promise<void>): void {
    this.#timers.push(setInterval(() => this.once(task), intervalMs).unref())
  }

  once(task: () => Promise<void>): void {
    if (this.#busy.has(task)) return
    this.#busy.add(task)
    void task()
      .catch(() => undefined)
      .finally(() => this.#busy.delete(task))
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }
}
