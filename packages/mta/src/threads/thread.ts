/**
 * One thread, as its owner sees it: the worker, the room in which both talk, and what it has. It ends once, by order or
 * by a defect; whoever waits for an answer of it learns that at once.
 */
import { MessageChannel, Worker } from 'node:worker_threads'
import type { LaneId } from '../delivery/lane.ts'
import type { LoginNews } from '../delivery/login-breaker.ts'
import type { WaitNews } from '../delivery/waiting-lanes.ts'
import type { TurnContext, TurnEnd } from '../schedule/lane-scheduler.ts'
import type { Claim } from '../spool/spool.ts'
import { Books } from './books.ts'
import { EventReceiver } from './event-crossing.ts'
import { type OwnedPorts, ownerAnswers } from './owner-answers.ts'
import type { OwnerNotes, SaidByOwner, SaidByThread, ThreadBeat, ThreadStart } from './protocol.ts'
import { Room, type RoomOptions } from './room.ts'

export interface ThreadOptions {
  readonly start: ThreadStart
  readonly ports: OwnedPorts
  /** Of the program that the thread runs. */
  readonly file: URL
  readonly done: (claims: readonly Claim[]) => void
  readonly waits: (news: WaitNews) => void
  readonly logins: (news: LoginNews) => void
  /** For the other threads. */
  readonly forOthers: <N extends 'auth-failed' | 'host-news'>(name: N, note: OwnerNotes[N]) => void
  /** The store took no mail: everybody should know it now. */
  readonly troubled: () => void
  readonly contentTrouble: (code: string) => void
  /** Once; `left`: what it was delivering. */
  readonly ended: (end: { readonly detail: string; readonly left: readonly Claim[] }) => void
}

/** Tests only. */
export interface KillableThread {
  readonly index: number
  kill(): void
}

const ENDED = 'the thread ended'

export class Thread {
  readonly index: number
  /** Rejects when the thread ends before it is ready. */
  readonly ready: Promise<void>
  readonly #options: ThreadOptions
  readonly #worker: Worker
  readonly #room: Room<SaidByOwner, SaidByThread>
  readonly #books = new Books()
  readonly #events = new EventReceiver()
  readonly #exited: Promise<void>
  #beat: ThreadBeat | undefined
  #lastTurn = 0
  #detail = ENDED
  #gone = false

  constructor(options: ThreadOptions) {
    this.#options = options
    const { start, file } = options
    this.index = start.index
    const { port1, port2 } = new MessageChannel()
    this.#worker = new Worker(file, { workerData: { ...start, port: port2 }, transferList: [port2] })
    let becameReady: () => void = () => undefined
    let failed: (error: Error) => void = () => undefined
    this.ready = new Promise((resolve, reject) => {
      becameReady = resolve
      failed = reject
    })
    this.ready.catch(() => undefined)
    this.#room = new Room({
      port: port1,
      answers: ownerAnswers({
        ports: options.ports,
        books: this.#books,
        done: options.done,
        troubled: options.troubled,
        isGone: () => this.#gone,
        callWaiter: (waiter) => this.#room.tell('permit-free', { waiter }),
      }),
      hears: this.#hears(becameReady),
      onDefect: (detail) => this.#defect(detail),
    })
    this.#worker.on('error', (error) => {
      this.#detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    })
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        failed(new Error(this.#detail))
        void this.#end().then(resolve)
      })
    })
  }

  get beat(): ThreadBeat | undefined {
    return this.#beat
  }

  /** Messages that are claimed and not settled. */
  get messages(): number {
    return this.#books.messages
  }

  /** Rejects when the thread ends before the turn does. */
  async turn(lane: LaneId, context: TurnContext): Promise<TurnEnd> {
    this.#lastTurn += 1
    const turn = this.#lastTurn
    const abort = (): void => this.#room.tell('abort', { turn })
    const yields = (): void => this.#room.tell('yield', { turn })
    this.#books.began(turn, { lane, context })
    context.signal.addEventListener('abort', abort)
    context.yielding.addEventListener('abort', yields)
    try {
      const ended = this.#room.ask('turn', { turn, lane, slot: context.slot })
      if (context.signal.aborted) abort()
      return await ended
    } finally {
      context.signal.removeEventListener('abort', abort)
      context.yielding.removeEventListener('abort', yields)
      this.#books.over(turn)
    }
  }

  ask: Room<SaidByOwner, SaidByThread>['ask'] = (name, ask) => this.#room.ask(name, ask)

  tell: Room<SaidByOwner, SaidByThread>['tell'] = (name, note) => this.#room.tell(name, note)

  /** Sends at once what was told. */
  flush(): void {
    this.#room.flush()
  }

  /** Tests only: ends it in the midst of whatever it does. */
  kill(): void {
    void this.#worker.terminate()
  }

  /** What the owner says of its own accord. */
  beatNow(): void {
    this.#room.tell('beat', {
      health: this.#options.ports.spool.health(),
      lostPermits: this.#books.lostPermits(),
      waiting: this.#books.waitedFor(),
    })
  }

  /** Ends in good manner, or after `graceMs` at once. */
  async close(graceMs: number): Promise<void> {
    this.#room.tell('end', null)
    this.#room.flush()
    const timer = setTimeout(() => void this.#worker.terminate(), graceMs)
    await this.#exited
    clearTimeout(timer)
  }

  async #end(): Promise<void> {
    this.#gone = true
    this.#room.end(this.#detail)
    this.#options.ended({ detail: this.#detail, left: await this.#books.close() })
  }

  #hears(ready: () => void): RoomOptions<SaidByThread>['hears'] {
    const { ports, forOthers, contentTrouble } = this.#options
    const { scheduler, reports } = ports.delivery
    return {
      ready,
      event: (event) => ports.emit(this.#events.arrived(event)),
      wake: ({ lane, dueAt }) => scheduler.wake(lane, dueAt),
      'release-permit': ({ permit, feedback }) => this.#books.returned(permit)?.release(feedback),
      'permit-answered': ({ permit }) => this.#books.permit(permit)?.answered(),
      wait: (news) => this.#options.waits(news),
      login: (news) => this.#options.logins(news),
      heard: ({ turn }) => this.#books.turn(turn)?.heard(),
      progressed: ({ turn }) => this.#books.turn(turn)?.progressed(),
      'wake-another': ({ turn }) => this.#books.turn(turn)?.wakeAnother(),
      session: (seen) => reports?.session(seen),
      'failed-fetch': (failure) => reports?.failedFetch(failure),
      'auth-failed': (failure) => forOthers('auth-failed', failure),
      'host-news': (news) => forOthers('host-news', news),
      'content-trouble': ({ code }) => contentTrouble(code),
      beat: (beat) => {
        this.#beat = beat
      },
    }
  }

  #defect(detail: string): void {
    this.#options.ports.emit({ event: 'thread-defect', thread: this.index, detail })
  }
}
