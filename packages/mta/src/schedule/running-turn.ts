/**
 * A turn that runs, as the schedulers see it: does it move something, and how long may it keep its slot without a word
 * from a host while other lanes wait for one? A lane that nobody knows gets a moment; one that was silent before gets
 * longer each time, and in the end all that SMTP allows (RFC 5321 §4.5.3.2): it is slow to be given up, and in nobody's
 * way. Takes time as an argument.
 */

/** A turn that has moved nothing for this long counts as without progress. */
const PROGRESS_WINDOW_MS = 30_000
/** For a greeting of a host that nobody knows; connection and greeting of a host that is well take a part of it. */
const PATIENCE_MS = 1_000
/** After one silence 6 s, which greet-delays take, then 36 s and 216 s. */
const PATIENCE_GROWTH = 6
/** Then nothing but the timeouts ends a turn. */
const SILENCES_COUNTED = 4

export interface RunningTurnOptions {
  readonly now: number
  /** Turns of this lane, since it last moved, in which no host said a word. */
  readonly silences: number
  /** The lane has moved something lately. */
  readonly knownToMove: boolean
  /** It was given its slot for mail of the top class. */
  readonly urgent: boolean
}

export class RunningTurn {
  readonly silences: number
  readonly urgent: boolean
  readonly #beganAt: number
  readonly #yielding = new AbortController()
  #knownToMove: boolean
  #heardAt: number | undefined
  #progressedAt: number | undefined

  constructor({ now, silences, knownToMove, urgent }: RunningTurnOptions) {
    this.silences = silences
    this.urgent = urgent
    this.#beganAt = now
    this.#knownToMove = knownToMove
  }

  /** Aborted when it is to end for others. */
  get yielding(): AbortSignal {
    return this.#yielding.signal
  }

  get progressedAt(): number | undefined {
    return this.#progressedAt
  }

  /** True when that is news. */
  progressed(now: number): boolean {
    const news = !this.moves(now)
    this.#progressedAt = now
    this.#knownToMove = true
    return news
  }

  heard(now: number): void {
    this.#heardAt = now
  }

  /** Of a lane that was found to move: from the store, after the turn began. */
  knownToMove(): void {
    this.#knownToMove = true
  }

  /** Moves something, or may still be expected to. */
  moves(now: number): boolean {
    return this.#knownToMove && now - (this.#progressedAt ?? this.#beganAt) < PROGRESS_WINDOW_MS
  }

  /** From when on it is to yield to lanes that wait. */
  get patienceEndsAt(): number {
    const last = this.#progressedAt ?? this.#heardAt ?? (this.#knownToMove ? this.#beganAt : undefined)
    if (last !== undefined) return Math.max(last, this.#heardAt ?? last) + PROGRESS_WINDOW_MS
    if (this.silences >= SILENCES_COUNTED) return Number.POSITIVE_INFINITY
    return this.#beganAt + PATIENCE_MS * PATIENCE_GROWTH ** this.silences
  }

  askToYield(): void {
    this.#yielding.abort()
  }

  /** Its time was over without a word, whether it had to yield or not. */
  wasSilent(now: number): boolean {
    if (this.yielding.aborted) return !this.moves(now)
    return !this.#knownToMove && this.#heardAt === undefined && now >= this.patienceEndsAt
  }
}

/** Asks as many turns to yield as lanes wait, those first whose time has been over for longest. */
export function relieve(
  turns: Iterable<RunningTurn>,
  { waiting, now }: { readonly waiting: number; readonly now: number },
): void {
  const all = [...turns]
  const asked = all.filter(({ yielding }) => yielding.aborted).length
  const over = all.filter((turn) => !turn.yielding.aborted && turn.patienceEndsAt <= now)
  over.sort((a, b) => a.patienceEndsAt - b.patienceEndsAt)
  for (const turn of over.slice(0, Math.max(0, waiting - asked))) turn.askToYield()
}

/** When the next turn is to be asked, should lanes still wait then; undefined when none ever is. */
export function nextPatienceEnd(turns: Iterable<RunningTurn>): number | undefined {
  let next = Number.POSITIVE_INFINITY
  for (const { yielding, patienceEndsAt } of turns) if (!yielding.aborted) next = Math.min(next, patienceEndsAt)
  return next === Number.POSITIVE_INFINITY ? undefined : next
}

/** Not without end, and soon enough for turns that begin meanwhile. */
export function reliefDelayMs(untilNextMs: number): number {
  return Math.min(Math.max(50, untilNextMs), 250)
}

/** Of all slots: architecture §3. Each lets at least one turn through. */
export interface SlotShares {
  /** Turns of lanes without progress. */
  readonly unproven: number
  /** Of these, turns of lanes that were silent before. */
  readonly silent: number
  /** Turns of lanes that have no mail of the top class. */
  readonly ordinary: number
}

export function slotShares(slots: number): SlotShares {
  return {
    unproven: Math.max(1, Math.floor(slots / 2)),
    silent: Math.max(1, Math.floor(slots / 4)),
    ordinary: slots - Math.floor(slots / 10),
  }
}
