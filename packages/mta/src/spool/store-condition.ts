/**
 * Whether the spool may take mail in and give mail out: how full it is and whether its last commit worked. Read for
 * every connection, so it keeps its answer; the arithmetic is `capacity.ts`.
 */
import { type Capacity, capacity, type SpaceFacts } from './capacity.ts'
import type { SpoolEvent } from './events.ts'
import type { SpoolHealth } from './spool.ts'

export class StoreCondition {
  readonly #emit: (event: SpoolEvent) => void
  readonly #mono: () => number
  #space: SpaceFacts
  #capacity: Capacity
  #told: Pick<Capacity, 'intake' | 'claims'> = { intake: 'open', claims: 'open' }
  #failing: { readonly detail: string; readonly since: number } | undefined

  constructor(maxBytes: number, mono: () => number, emit: (event: SpoolEvent) => void) {
    this.#emit = emit
    this.#mono = mono
    this.#space = { usedBytes: 0, pendingBytes: 0, reusableBytes: 0, maxBytes, diskFreeBytes: undefined }
    this.#capacity = capacity(this.#space)
  }

  get isFailing(): boolean {
    return this.#failing !== undefined
  }

  get diskFreeBytes(): number | undefined {
    return this.#space.diskFreeBytes
  }

  failed(detail: string): void {
    const since = this.#failing?.since
    this.#failing = { detail, since: since ?? this.#mono() }
    if (since !== undefined) return
    this.#emit({ event: 'spool-failing', detail })
  }

  recovered(): void {
    if (this.#failing === undefined) return
    this.#emit({ event: 'spool-recovered', afterMs: this.#mono() - this.#failing.since })
    this.#failing = undefined
  }

  /** What the store and the disk say. */
  space(facts: Partial<Omit<SpaceFacts, 'pendingBytes'>>): void {
    this.#space = { ...this.#space, ...facts }
    this.#capacity = capacity(this.#space)
    // Told without what is under way, or every message near the limit would be news.
    const { intake, claims, limitBytes, usedBytes } = capacity({ ...this.#space, pendingBytes: 0 })
    if (intake === this.#told.intake && claims === this.#told.claims) return
    this.#told = { intake, claims }
    this.#emit({ event: 'spool-room-changed', intake, claims, limitBytes, usedBytes })
  }

  pending(bytes: number): void {
    this.#space = { ...this.#space, pendingBytes: this.#space.pendingBytes + bytes }
    this.#capacity = capacity(this.#space)
  }

  health(): SpoolHealth {
    const { usedBytes, limitBytes, intake, claims } = this.#capacity
    const sizes = { usedBytes, maxBytes: limitBytes }
    if (this.#failing !== undefined) {
      return { intake: 'failing', claims: 'stopped', detail: this.#failing.detail, ...sizes }
    }
    const detail = intake === 'open' ? 'open' : `${usedBytes} of ${limitBytes} bytes used${this.#smallDisk()}`
    return { intake, claims, detail, ...sizes }
  }

  /** Whoever wrote a larger limit looks there for the cause. */
  #smallDisk(): string {
    const { maxBytes, diskFreeBytes } = this.#space
    if (diskFreeBytes === undefined || this.#capacity.limitBytes >= maxBytes) return ''
    return `; the disk has ${diskFreeBytes} bytes free`
  }
}
