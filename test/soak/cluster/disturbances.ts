/**
 * What was done to the nodes and to Redis during a cluster soak, and when: the only excuses that a duplicate has.
 * Times are milliseconds of one clock. Pure.
 */
interface Span {
  readonly from: number
  until: number
}

export class Disturbances {
  readonly #deaths = new Map<string, number[]>()
  readonly #pauses = new Map<string, Span[]>()
  readonly #outages: Span[] = []

  died(node: string, at: number): void {
    this.#deaths.set(node, [...(this.#deaths.get(node) ?? []), at])
  }

  paused(node: string, at: number): void {
    this.#pauses.set(node, [...(this.#pauses.get(node) ?? []), { from: at, until: Number.POSITIVE_INFINITY }])
  }

  resumed(node: string, at: number): void {
    const pause = this.#pauses.get(node)?.at(-1)
    if (pause !== undefined) pause.until = at
  }

  storeGone(at: number): void {
    this.#outages.push({ from: at, until: Number.POSITIVE_INFINITY })
  }

  storeBack(at: number): void {
    const outage = this.#outages.at(-1)
    if (outage !== undefined) outage.until = at
  }

  diedBetween(node: string, from: number, until: number): boolean {
    return (this.#deaths.get(node) ?? []).some((at) => at >= from && at <= until)
  }

  /** The first thing that may have kept the node from settling between the two moments. */
  keptFromSettling(
    node: string,
    { from, until }: Readonly<Span>,
  ): { readonly kind: Excuse; readonly at: number } | undefined {
    const death = this.#deaths.get(node)?.find((at) => at >= from - SLACK_MS && at <= until)
    if (death !== undefined) return { kind: 'killed', at: death }
    const pause = this.#pauses.get(node)?.find((one) => touches(one, { from, until }))
    if (pause !== undefined) return { kind: 'paused', at: pause.from }
    const outage = this.#outages.find((one) => touches(one, { from, until }))
    return outage === undefined ? undefined : { kind: 'store-gone', at: outage.from }
  }

  /** The node had just come back from a pause of at least this long, with transactions begun before it. */
  backFrom(
    node: string,
    { at, pauseMs, withinMs }: { readonly at: number; readonly pauseMs: number; readonly withinMs: number },
  ): boolean {
    return (this.#pauses.get(node) ?? []).some(
      ({ from, until }) => until - from >= pauseMs && at >= until - SLACK_MS && at <= until + withinMs,
    )
  }

  /** For how long the node is, or was until just now, stopped since then: 0 when it was not. */
  stoppedSince(node: string, since: number, now: number): number {
    const stops = (this.#pauses.get(node) ?? []).filter(({ from }) => from >= since)
    return Math.max(0, ...stops.map(({ from, until }) => Math.min(until, now) - from))
  }
}

export type Excuse = 'killed' | 'paused' | 'store-gone'

/** The peer's clock reads before what it counts is told, and a signal takes a moment. */
const SLACK_MS = 250

function touches(one: Readonly<Span>, { from, until }: Readonly<Span>): boolean {
  return one.from <= until && one.until >= from - SLACK_MS
}
