/**
 * This node among the others: takes its id, beats, hears what operators want of it, and tells what it sees of clocks
 * and of nodes that fall silent. What draining means for lanes and listeners is handed in.
 */
import { assertNever, err, ok, type Result } from '@hermetic/policy'
import { type ClockSkew, clockSkew, isOutOfStep, SKEW_MS_MAX } from './clock-skew.ts'
import type { DrainCause, NodeEvent } from './events.ts'
import { judgeHolder } from './id-holder.ts'
import type { NodeId, NodeRecord, NodeState } from './node-record.ts'
import { type Heard, type NodeRegistry, NodesUnavailable, type Ordered } from './node-registry.ts'
import type { WorkCounts } from './node-work.ts'
import { silenceNews } from './silence.ts'
import { BEAT_MS, type ListedNode, type NodeWish } from './standing.ts'

export interface NodeServiceOptions {
  readonly registry: NodeRegistry
  readonly identity: Pick<
    NodeRecord,
    'id' | 'incarnation' | 'hostname' | 'pid' | 'pidSpace' | 'version' | 'startedAt' | 'roles'
  >
  readonly isAlive: (pid: number) => boolean
  readonly work: () => NodeWorkload
  /** UTC milliseconds. */
  readonly now: () => number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  readonly emit: (event: NodeEvent) => void
  readonly beatMs?: number
}

export interface NodeWorkload extends WorkCounts {
  readonly listeners: readonly string[]
  readonly inFlight: number
}

/** What takes part in a drain. Both may be called while the other is under way. */
export interface Drainable {
  /** No new work; resolves when nothing is under way. */
  begin(): Promise<void>
  end(): Promise<void>
}

export interface NodesReport {
  /** Who was asked; absent: the store was read by no node. */
  readonly here?: NodeId | undefined
  readonly nodes: readonly ListedNode[]
}

/** For gauges. */
export interface NodeReading {
  readonly draining: boolean
  /** Undefined: not known at the moment. */
  readonly nodes: readonly ListedNode[] | undefined
  /** Since the last beat that was heard; undefined: none yet. */
  readonly beatAgeMs: number | undefined
  readonly skewMs: number | undefined
}

/** Between two looks at the other nodes, in beats. */
const BEATS_PER_WATCH = 2
/** While somebody else has our id: looks per beat. */
const LOOKS_PER_BEAT = 2

export class NodeService {
  readonly #options: NodeServiceOptions
  readonly #beatMs: number
  #state: NodeState = 'starting'
  #because: DrainCause = 'operator'
  #drainable: Drainable | undefined
  #timer: NodeJS.Timeout | undefined
  #beating: Promise<void> | undefined
  #beats = 0
  #heardAt: number | undefined
  #skew: ClockSkew | undefined
  #outOfStep = false
  #away = false
  /** An order of our own operator that the registry has not heard. */
  #owed: NodeWish | undefined
  #nodes: readonly ListedNode[] | undefined

  constructor(options: NodeServiceOptions) {
    this.#options = options
    this.#beatMs = options.beatMs ?? BEAT_MS
  }

  get id(): NodeId {
    return this.#options.identity.id
  }

  get state(): NodeState {
    return this.#state
  }

  /** Why it drains, when another process took its id. */
  get replaced(): boolean {
    return this.#state === 'draining' && this.#because === 'replaced'
  }

  /**
   * Before anything in the data_dir is touched: another process that has it as well is the error. Without the store
   * nobody can be asked; then the store's own trouble is told by those who need it, and the id is taken with a beat.
   */
  async join(): Promise<Result<void, ListedNode>> {
    const holder = await this.#takeId().catch((error: unknown) => this.#unavailable(error))
    if (holder !== undefined) return err(holder)
    this.#timer = setInterval(() => void this.#beat(), this.#beatMs)
    this.#timer.unref()
    return ok(undefined)
  }

  /** Everything runs; from now on orders are carried out. */
  async ready(drainable: Drainable): Promise<void> {
    this.#drainable = drainable
    this.#state = 'running'
    await this.#beatNow()
  }

  /** Told to the others before the last work is handed over. */
  async stopping(): Promise<void> {
    this.#state = 'stopping'
    await this.#beatNow()
  }

  /** The last thing: the others forget this node. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#beating
    const { registry, identity } = this.#options
    await registry.leave(identity).catch((error: unknown) => this.#unavailable(error))
    registry.close()
  }

  /** With news of this node itself. */
  async report(): Promise<NodesReport> {
    await this.#beatNow()
    return { here: this.id, nodes: await this.#options.registry.list() }
  }

  /** To this node it is carried out at once, also while the store is away. */
  async order(id: NodeId, wish: NodeWish): Promise<Ordered> {
    if (id !== this.id) return this.#options.registry.order(id, wish)
    this.#owed = wish
    this.#obey(wish)
    await this.#beatNow()
    return 'ordered'
  }

  reading(): NodeReading {
    const beatAgeMs = this.#heardAt === undefined ? undefined : this.#options.monotonic() - this.#heardAt
    const nodes = this.#away ? undefined : this.#nodes
    return { nodes, draining: this.#state === 'draining', beatAgeMs, skewMs: this.#skew?.skewMs }
  }

  /** Answers who has it, when that one lives. */
  async #takeId(): Promise<ListedNode | undefined> {
    const { registry, identity, isAlive, emit } = this.#options
    const name = { nodeId: identity.id, hostname: identity.hostname, pid: identity.pid }
    let before: ListedNode | undefined
    let dead: string | undefined
    for (;;) {
      const joined = await registry.join(this.#record(), dead === undefined ? {} : { dead })
      if (joined.kind === 'joined') {
        this.#heardAt = this.#options.monotonic()
        emit({ event: 'node-joined', ...name, ...(joined.before === undefined ? {} : { before: joined.before.pid }) })
        return undefined
      }
      const verdict = judgeHolder({ holder: joined.by, before, own: identity, isAlive })
      if (verdict === 'alive') return joined.by
      dead = verdict === 'dead' ? joined.by.incarnation : undefined
      before = joined.by
      if (verdict === 'wait') await pause(this.#beatMs / LOOKS_PER_BEAT)
    }
  }

  #record(): NodeRecord {
    const { identity, work } = this.#options
    const skewMs = this.#skew?.skewMs
    return { ...identity, state: this.#state, ...work(), ...(skewMs === undefined ? {} : { skewMs }) }
  }

  async #beatNow(): Promise<void> {
    await this.#beating
    await this.#beat()
  }

  #beat(): Promise<void> {
    this.#beating ??= this.#beatOnce().finally(() => {
      this.#beating = undefined
    })
    return this.#beating
  }

  async #beatOnce(): Promise<void> {
    try {
      await this.#payOwed()
      const told = this.#state
      await this.#tellAndHear()
      // Who ordered it looks for it.
      if (this.#state !== told) await this.#tellAndHear()
      if (this.#beats % BEATS_PER_WATCH === 0) await this.#watch()
      this.#beats += 1
    } catch (error) {
      this.#unavailable(error)
    }
  }

  async #tellAndHear(): Promise<void> {
    const { registry, now, monotonic } = this.#options
    const askedAt = now()
    const heard = await registry.beat(this.#record())
    const answeredAt = now()
    this.#heardAt = monotonic()
    this.#available()
    if (heard.kind === 'heard' && heard.storeTime !== undefined) {
      this.#judgeClock(clockSkew({ askedAt, answeredAt, storeTime: heard.storeTime }))
    }
    this.#hear(heard)
  }

  async #payOwed(): Promise<void> {
    const wish = this.#owed
    if (wish === undefined) return
    await this.#options.registry.order(this.id, wish)
    if (this.#owed === wish) this.#owed = undefined
  }

  #hear(heard: Heard): void {
    switch (heard.kind) {
      case 'heard':
        // What our own operator said meanwhile is newer.
        if (heard.wish !== undefined && this.#owed === undefined) this.#obey(heard.wish)
        return
      case 'replaced':
        this.#replacedBy(heard.by)
        return
      default:
        assertNever(heard)
    }
  }

  #obey(wish: NodeWish): void {
    if (wish === 'drain' && this.#state === 'running') this.#drain('operator')
    else if (wish === 'run' && this.#state === 'draining' && this.#because === 'operator') this.#resume()
  }

  /** Both have the same journals: this one, which was away for so long that it counted as dead, does no more. */
  #replacedBy({ hostname, pid }: NodeRecord): void {
    if (this.replaced || this.#state === 'stopping') return
    this.#options.emit({ event: 'node-replaced', nodeId: this.id, hostname, pid })
    if (this.#state === 'draining') this.#because = 'replaced'
    else this.#drain('replaced')
  }

  #drain(because: DrainCause): void {
    const { emit, monotonic } = this.#options
    const drainable = this.#drainable
    if (drainable === undefined) return
    this.#state = 'draining'
    this.#because = because
    const since = monotonic()
    emit({ event: 'node-draining', nodeId: this.id, because })
    void drainable.begin().then(() => {
      if (this.#state !== 'draining') return
      emit({ event: 'node-drained', nodeId: this.id, durationMs: Math.round(monotonic() - since) })
      return this.#beatNow()
    })
  }

  #resume(): void {
    this.#state = 'running'
    this.#options.emit({ event: 'node-resumed', nodeId: this.id })
    void this.#drainable?.end()
  }

  #judgeClock(skew: ClockSkew): void {
    this.#skew = skew
    const isOut = isOutOfStep(skew)
    if (isOut === this.#outOfStep) return
    this.#outOfStep = isOut
    const { skewMs } = skew
    const said = { nodeId: this.id, skewMs }
    if (isOut) this.#options.emit({ event: 'clock-out-of-step', limitMs: SKEW_MS_MAX, ...said })
    else this.#options.emit({ event: 'clock-in-step', ...said })
  }

  async #watch(): Promise<void> {
    const nodes = await this.#options.registry.list()
    for (const news of silenceNews(this.#nodes ?? nodes, nodes)) this.#options.emit(news)
    this.#nodes = nodes
  }

  #unavailable(error: unknown): undefined {
    if (!(error instanceof NodesUnavailable)) throw error
    if (this.#away) return undefined
    this.#away = true
    this.#options.emit({ event: 'nodes-unavailable', nodeId: this.id, detail: error.message })
    return undefined
  }

  #available(): void {
    if (!this.#away) return
    this.#away = false
    this.#options.emit({ event: 'nodes-available', nodeId: this.id })
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
