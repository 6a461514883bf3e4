/**
 * The fault port of the spool, for the anomaly suite only: at a named step the store fails, the process dies, or
 * the step succeeds and its answer is lost. Kept in shared memory, so that one arming reaches the store's thread.
 * Production passes none; no setting leads here.
 */
const POINTS = [
  'before-write',
  'before-commit',
  /** The commit is durable, nobody was told. */
  'after-commit',
  'file-write',
  'file-fsync',
  'file-rename',
  'directory-fsync',
  'file-unlink',
  'journal-write',
  /** In the store's thread, outside any transaction: the thread itself ends. */
  'thread',
] as const

export type FaultPoint = (typeof POINTS)[number]

export type FaultAct =
  /** `SQLITE_FULL` and `ENOSPC`. */
  | 'full'
  /** `SQLITE_IOERR` and `EIO`. */
  | 'fail'
  | 'kill'
  | 'lose-answer'
  /** Waits until it is disarmed, as a disk does that hangs. Only in the store's thread: it blocks. */
  | 'hang'

const ACTS = ['none', 'full', 'fail', 'kill', 'lose-answer', 'hang'] as const
/** A test that forgets to disarm fails instead of hanging too. */
const HANG_MS_MAX = 30_000
const SLOTS_PER_POINT = 3

export interface FaultPlan {
  readonly act: FaultAct
  /** How many passes of the point go well first. */
  readonly skip?: number
  readonly times?: number
}

/** What an armed fault throws: looks like the vendor's error, by code. */
export class InjectedFault extends Error {
  override readonly name = 'InjectedFault'
  readonly code: string
  readonly errcode: number

  constructor(act: 'full' | 'fail', point: FaultPoint) {
    super(`injected at ${point}`)
    this.code = act === 'full' ? 'ENOSPC' : 'EIO'
    this.errcode = act === 'full' ? 13 : 10 // SQLITE_FULL, SQLITE_IOERR
  }
}

export class SpoolFaults {
  readonly memory: SharedArrayBuffer
  readonly #slots: Int32Array

  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(POINTS.length * SLOTS_PER_POINT * 4)
    this.#slots = new Int32Array(this.memory)
  }

  arm(point: FaultPoint, plan: FaultPlan): void {
    const at = this.#slotOf(point)
    Atomics.store(this.#slots, at + 1, plan.skip ?? 0)
    Atomics.store(this.#slots, at + 2, plan.times ?? 1)
    Atomics.store(this.#slots, at, ACTS.indexOf(plan.act))
  }

  disarm(point: FaultPoint): void {
    Atomics.store(this.#slots, this.#slotOf(point), 0)
    Atomics.notify(this.#slots, this.#slotOf(point))
  }

  /** How often the armed fault is still to happen. */
  left(point: FaultPoint): number {
    return Atomics.load(this.#slots, this.#slotOf(point) + 2)
  }

  /** Passes the point: throws or dies when a fault is due; answers true when the answer is to be lost. */
  pass(point: FaultPoint): boolean {
    const at = this.#slotOf(point)
    const act = ACTS[Atomics.load(this.#slots, at)] ?? 'none'
    if (act === 'none') return false
    if (Atomics.load(this.#slots, at + 1) > 0) {
      Atomics.sub(this.#slots, at + 1, 1)
      return false
    }
    if (Atomics.load(this.#slots, at + 2) <= 0) return false
    Atomics.sub(this.#slots, at + 2, 1)
    if (act === 'lose-answer') return true
    if (act === 'hang') {
      Atomics.wait(this.#slots, at, ACTS.indexOf(act), HANG_MS_MAX)
      return false
    }
    if (act === 'kill') process.kill(process.pid, 'SIGKILL')
    throw new InjectedFault(act === 'full' ? 'full' : 'fail', point)
  }

  /** The same where a thread must not block: a store that hangs is waited for. */
  async passInTurn(point: FaultPoint): Promise<boolean> {
    const at = this.#slotOf(point)
    const hang = ACTS.indexOf('hang')
    const isDue = Atomics.load(this.#slots, at + 1) === 0 && Atomics.load(this.#slots, at + 2) > 0
    if (Atomics.load(this.#slots, at) !== hang || !isDue) return this.pass(point)
    Atomics.sub(this.#slots, at + 2, 1)
    await Atomics.waitAsync(this.#slots, at, hang, HANG_MS_MAX).value
    return false
  }

  #slotOf(point: FaultPoint): number {
    return POINTS.indexOf(point) * SLOTS_PER_POINT
  }
}

/** Test-only openings of an adapter. None of them exists in the configuration. */
export interface SpoolHooks {
  readonly faults?: SpoolFaults
  /** Weakens durability, so that a test can prove that it would notice. */
  readonly weaken?: { readonly synchronous?: 'NORMAL' | 'OFF'; readonly skipDirectoryFsync?: boolean }
  /** What the disk is said to have left. */
  readonly diskFreeBytes?: () => number
  /** How often a failing store is tried; production: once a second. */
  readonly probeIntervalMs?: number
  /** How long an accept may take; production: a minute. */
  readonly acceptMs?: number
  /** `performance.now()` in production. */
  readonly monotonicNow?: () => number
}
