/**
 * Who of this process stands in which site's line: callbacks by their name in Redis, and one timer per site for
 * leases and calls that end without anybody telling. Knows no Redis.
 */
import type { LaneId } from '../../delivery/lane.ts'
import type { SiteId } from '../permits.ts'

export interface PermitLinesOptions {
  readonly node: string
  /** A lease or a call of this site may have ended. */
  readonly lookAgain: (site: SiteId) => Promise<void>
}

interface Line {
  /** Callback → its name in Redis, `<node>/<number> <lane>`. */
  readonly waiters: Map<() => void, string>
  timer: NodeJS.Timeout | undefined
}

interface Place {
  readonly site: SiteId
  readonly onFree: () => void
  /** Its question is on the way. */
  asking: boolean
  /** Called meanwhile: the call may come before the answer that it has to wait. */
  early: boolean
}

export class PermitLines {
  readonly #options: PermitLinesOptions
  readonly #lines = new Map<SiteId, Line>()
  readonly #places = new Map<string, Place>()
  #names = 0

  constructor(options: PermitLinesOptions) {
    this.#options = options
  }

  /** The same name for the same callback, as long as it waits. Followed by `refused` or `leave`. */
  ask(site: SiteId, onFree: () => void, lane?: LaneId): string {
    const line = this.#lines.get(site) ?? { waiters: new Map(), timer: undefined }
    this.#lines.set(site, line)
    const known = line.waiters.get(onFree)
    const name = known ?? this.#nextName(lane)
    line.waiters.set(onFree, name)
    const place = this.#places.get(name) ?? { site, onFree, asking: true, early: false }
    place.asking = true
    this.#places.set(name, place)
    return name
  }

  /** It waits from now on. A call that overtook this is passed on once the asker has heard that it waits. */
  refused(waiter: string): void {
    const place = this.#places.get(waiter)
    if (place === undefined) return
    place.asking = false
    if (place.early) setImmediate(() => this.called(waiter))
    place.early = false
  }

  #nextName(lane: LaneId | undefined): string {
    this.#names += 1
    return `${this.#options.node}/${this.#names} ${lane ?? ''}`
  }

  leave(site: SiteId, onFree: () => void): void {
    const line = this.#lines.get(site)
    const name = line?.waiters.get(onFree)
    if (line === undefined || name === undefined) return
    line.waiters.delete(onFree)
    this.#places.delete(name)
    if (line.waiters.size > 0) return
    clearTimeout(line.timer)
    this.#lines.delete(site)
  }

  called(waiter: string): void {
    const place = this.#places.get(waiter)
    if (place === undefined) return
    if (place.asking) {
      place.early = true
      return
    }
    this.leave(place.site, place.onFree)
    place.onFree()
  }

  callAll(): void {
    for (const waiter of [...this.#places.keys()]) this.called(waiter)
  }

  /** Negative: nobody waits. Only processes that wait themselves look. */
  lookAgainIn(site: SiteId, ms: number): void {
    const line = this.#lines.get(site)
    if (line === undefined || !(ms >= 0)) return
    clearTimeout(line.timer)
    line.timer = setTimeout(() => void this.#options.lookAgain(site), ms)
    line.timer.unref()
  }

  /** The names that leave, by site. */
  close(): readonly (readonly [site: SiteId, waiters: readonly string[]])[] {
    const left = [...this.#lines].map(([site, { waiters }]) => [site, [...waiters.values()]] as const)
    for (const { timer } of this.#lines.values()) clearTimeout(timer)
    this.#lines.clear()
    this.#places.clear()
    return left
  }
}
