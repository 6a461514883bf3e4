/**
 * The owner of `threads = N`: has what there is one of, gives each turn to a thread, and stands for the listeners that
 * all of them have open. A relay of one thread has nothing of this.
 */
import { createServer } from 'node:net'
import { err, type Listener, ok, type Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { type Delivery, type DeliveryOptions, LEASE_MS, loginBreaker } from '../delivery/delivery.ts'
import type { LoginBreaker } from '../delivery/login-breaker.ts'
import { deliverInChild } from '../delivery/suspect-retry.ts'
import { WaitingLanes } from '../delivery/waiting-lanes.ts'
import type { Quotas } from '../limits/quotas.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import type { Claim } from '../spool/spool.ts'
import type { CredentialRecord } from '../submission/credential-file.ts'
import { selfSignedCertificate } from '../submission/self-signed.ts'
import { LoneMail } from '../threads/lone-mail.ts'
import type { OwnedPorts } from '../threads/owner-answers.ts'
import type { BoundListener, ListenRefusal } from '../threads/protocol.ts'
import { Thread } from '../threads/thread.ts'
import { ThreadDeaths } from '../threads/thread-deaths.ts'
import { ThreadPool } from '../threads/thread-pool.ts'
import type { ThreadReading } from '../threads/thread-reading.ts'
import type { Engine } from './engine.ts'
import type { HistorySide } from './history-side.ts'
import { type OpenListener, tryCertificates } from './listeners.ts'
import type { RelayOptions } from './relay-options.ts'
import type { StartProblem } from './start-problem.ts'
import type { SubmissionSide } from './submission-side.ts'
import type { Telling } from './telling.ts'
import { travellingConfig } from './travelling-config.ts'

export interface ThreadSideParts {
  readonly spool: HistorySide['spool']
  readonly engine: Pick<Engine, 'staging'>
  readonly quotas: Quotas
  readonly credentials?: readonly CredentialRecord[] | undefined
  readonly onThread?: RelayOptions['onThread']
  /** In a row, of a thread or of the relay: then a message is delivered alone. */
  readonly aloneAfterDeaths: number
  readonly telling: Pick<Telling, 'emit' | 'follow'>
}

const PROGRAM = new URL('./thread-worker.ts', import.meta.url)
/** A quarter of the second in which waiting lanes are to be served. */
const BEAT_MS = 250

export class ThreadSide {
  readonly #parts: ThreadSideParts
  readonly #pool: ThreadPool
  readonly #deaths: ThreadDeaths
  /** As it is after the last reload. */
  #config: Config
  #delivery: DeliveryOptions | undefined
  #lone: LoneMail | undefined
  #waiting: WaitingLanes | undefined
  #logins: LoginBreaker | undefined
  #beats: NodeJS.Timeout | undefined
  #bound: readonly BoundListener[] | undefined
  /** Never dialled. */
  #own: readonly Listener[] = []
  #draining = false
  #health = ''
  /** The configuration with which each thread was started. */
  readonly #startedWith = new WeakMap<Thread, Config>()

  constructor(config: Config, parts: ThreadSideParts) {
    this.#config = config
    this.#parts = parts
    this.#deaths = new ThreadDeaths(parts.aloneAfterDeaths)
    this.#pool = new ThreadPool({
      threads: config.threads,
      start: (index, ended) => this.#start(index, ended),
      join: (thread) => this.#join(thread),
      left: (claims) => void this.#left(claims),
      emit: parts.telling.emit,
    })
    parts.telling.follow(({ event }) => {
      if (event.startsWith('spool-')) setImmediate(() => this.#healthChanged())
    })
  }

  /** Turns run in threads from now on, once the scheduler gives them. */
  readonly openDelivery = async (options: DeliveryOptions): Promise<Delivery> => {
    this.#delivery = options
    const {
      spool,
      telling: { emit },
    } = this.#parts
    this.#lone = new LoneMail({
      ...{ spool, leaseMs: options.leaseMs ?? LEASE_MS, monotonic: options.monotonic },
      deliver: (claim, signal) => deliverInChild(claim, { spool, delivery: options, signal }),
      tried: (claim, end) => {
        emit({ event: 'suspect-tried', id: claim.id, lane: claim.lane, end: end.kind })
        if (end.kind === 'ended') this.#deaths.survived([claim])
      },
      onTrouble: (error) => emit({ event: 'delivery-store-failed', step: 'claim', detail: String(error) }),
    })
    // Of all threads; who waits is called where it waits.
    const waiting = new WaitingLanes({ permits: options.permits, monotonic: options.monotonic, wake: () => undefined })
    this.#waiting = waiting
    const logins = loginBreaker(options)
    this.#logins = logins
    await this.#pool.start()
    this.#beats = setInterval(() => this.#beatAll(), BEAT_MS)
    return {
      turn: (lane, context) => logins.guard(lane, () => this.#pool.turn(lane, context)),
      suspendedLogins: () => logins.suspended(),
      reopenRoutes: () => logins.reopenAll(),
      inFlight: () => this.#pool.up.reduce((sum, { messages }) => sum + messages, this.#lone?.messages ?? 0),
      forgetDeadHosts: () => this.#tellAll('forget-dead-hosts'),
      heardOfHost: () => undefined,
      waiting,
      close: async () => {
        await this.#lone?.close()
        await Promise.allSettled(this.#pool.up.map((thread) => thread.ask('close-delivery', null)))
      },
    }
  }

  /** Listeners in all threads, on the same ports. */
  async openSubmission(): Promise<Result<SubmissionSide, StartProblem>> {
    const config = this.#config
    const tried = await this.#tryCertificates(config)
    if (!tried.ok) return tried
    const free = await portsAreFree(config)
    if (!free.ok) return free
    for (const thread of this.#pool.up) {
      const refusal = await this.#listen(thread)
      if (refusal !== undefined) return err(listenerProblem(refusal))
    }
    this.#own = (this.#bound ?? []).map(({ address, port }) => ({ address, port }))
    for (const thread of this.#pool.up) thread.tell('listeners', this.#own)
    return ok({
      listeners: (this.#bound ?? []).map((bound, at) => this.#listener(bound, at)),
      certificates: { troubles: () => this.#pool.up[0]?.beat?.certificates ?? [] },
      stop: () => undefined,
      prepare: (next) => this.#prepare(next),
    })
  }

  reading(): ThreadReading {
    const threads = this.#pool.up.map(({ index, beat }) => {
      const { lagP99Ms = 0, lagMaxMs = 0, utilization = 0 } = beat ?? {}
      return { thread: index, lagP99Ms, lagMaxMs, utilization }
    })
    return { wanted: this.#pool.wanted, threads }
  }

  /** After deliveries and sessions have ended. */
  async close(): Promise<void> {
    clearInterval(this.#beats)
    await this.#pool.close()
  }

  /** Threads read it for every connection: a change is told at once. */
  #healthChanged(): void {
    const { intake, claims } = this.#parts.spool.health()
    const health = `${intake} ${claims}`
    if (health === this.#health) return
    this.#health = health
    this.#beatAll()
  }

  #beatAll(): void {
    for (const thread of this.#pool.up) thread.beatNow()
  }

  #start(index: number, ended: (end: { readonly detail: string; readonly left: readonly Claim[] }) => void): Thread {
    const { engine, credentials = [], spool } = this.#parts
    const ports = this.#ports()
    const { ca = [], sts, dane, suppressed, reports } = ports.delivery
    const thread: Thread = new Thread({
      start: {
        ...{ index, credentials, ca, place: engine.staging.place, health: spool.health() },
        config: travellingConfig(this.#config),
        ...{ sts: sts !== undefined, dane: dane !== undefined },
        ...{ suppression: suppressed !== undefined, reports: reports !== undefined },
      },
      ...{ ports, file: PROGRAM, ended },
      done: (claims) => this.#deaths.survived(claims),
      forOthers: (name, note) => {
        for (const other of this.#pool.up) if (other !== thread) other.tell(name, note)
      },
      waits: (news) => this.#waiting?.heard(news),
      logins: ({ lane, said }) => {
        if (said === undefined) this.#logins?.accepted(lane)
        else this.#logins?.refused(lane, said)
      },
      troubled: () => this.#beatAll(),
      contentTrouble: (code) => engine.staging.onTrouble(Object.assign(new Error(code), { code })),
    })
    this.#startedWith.set(thread, this.#config)
    this.#parts.onThread?.(thread)
    return thread
  }

  #ports(): OwnedPorts & { readonly delivery: DeliveryOptions } {
    const {
      spool,
      quotas,
      telling: { emit },
    } = this.#parts
    if (this.#delivery === undefined) throw new Error('threads are started for deliveries')
    return { spool, quotas, emit, delivery: this.#delivery }
  }

  /** A thread that comes later does what the others do. */
  async #join(thread: Thread): Promise<void> {
    thread.beatNow()
    thread.tell('listeners', this.#own)
    if (this.#bound === undefined) return
    const refusal = await this.#listen(thread)
    if (refusal !== undefined) throw new Error(refusal.detail)
    if (this.#startedWith.get(thread) === this.#config) return
    await thread.ask('prepare', { config: travellingConfig(this.#config) })
    thread.tell('take-over', null)
  }

  async #listen(thread: Thread): Promise<ListenRefusal | undefined> {
    const ports = this.#bound?.map(({ port }) => port)
    const answer = await thread.ask('listen', { ports, draining: this.#draining })
    if (answer.kind === 'refused') return answer.refusal
    this.#bound ??= answer.listeners
    return undefined
  }

  async #left(claims: readonly Claim[]): Promise<void> {
    const { again, alone } = this.#deaths.died(claims)
    this.#lone?.add(alone)
    if (again.length === 0) return
    const {
      spool,
      telling: { emit },
    } = this.#parts
    try {
      await spool.release(again.map(({ token }) => token))
      for (const lane of new Set(again.map((claim) => claim.lane))) this.#delivery?.scheduler.wake(lane)
    } catch (error) {
      // Their leases end by themselves.
      emit({ event: 'delivery-store-failed', step: 'release', detail: String(error) })
    }
  }

  async #prepare(next: Config): Promise<Result<() => void, string>> {
    const tried = await this.#tryCertificates(next)
    if (!tried.ok) return err(`${tried.error.path} cannot be used: ${String(tried.error.error)}`)
    const threads = this.#pool.up
    const config = travellingConfig(next)
    const refused = (await Promise.all(threads.map((thread) => thread.ask('prepare', { config })))).find(
      (one) => one !== undefined,
    )
    if (refused !== undefined) return err(refused)
    return ok(() => {
      this.#config = next
      for (const thread of threads) {
        thread.tell('take-over', null)
        thread.flush()
      }
    })
  }

  #tryCertificates(config: Config): ReturnType<typeof tryCertificates> {
    const { data_dir: directory, hostname } = config
    return tryCertificates(config, () => selfSignedCertificate({ directory, hostname: formatDomain(hostname) }))
  }

  #tellAll(name: 'drain' | 'resume' | 'forget-dead-hosts'): void {
    for (const thread of this.#pool.up) thread.tell(name, null)
  }

  /** One listener of all threads. The orders are for all of them together, whichever is asked. */
  #listener({ name, address, port }: BoundListener, at: number): OpenListener {
    const config = this.#config.listener[at]
    if (config === undefined) throw new Error(`there is no listener ${at}`)
    return {
      ...{ name, config },
      listener: {
        ...{ address, port },
        sessions: () => this.#pool.up.reduce((sum, { beat }) => sum + (beat?.sessions[at] ?? 0), 0),
        sweep: () => undefined,
        reloadCertificate: () => undefined,
        use: () => undefined,
        drain: () => {
          this.#draining = true
          if (at === 0) this.#tellAll('drain')
        },
        resume: () => {
          this.#draining = false
          if (at === 0) this.#tellAll('resume')
        },
        close: async (graceMs) => {
          if (at !== 0) return
          await Promise.allSettled(this.#pool.up.map((thread) => thread.ask('close-listeners', { graceMs })))
        },
      },
    }
  }
}

/** With `reusePort` a second relay could listen where one does already, and take a share of its sessions. */
async function portsAreFree({ listener }: Config): Promise<Result<void, StartProblem>> {
  for (const { kind, address, port } of listener) {
    if (port === 0) continue
    const probe = createServer()
    try {
      await new Promise<void>((resolve, reject) => {
        probe.once('error', reject)
        probe.listen({ host: address, port }, resolve)
      })
    } catch (error) {
      return err({ kind: 'listener', name: `${kind}:${port}`, address, port, error })
    } finally {
      await new Promise((resolve) => probe.close(resolve))
    }
  }
  return ok(undefined)
}

function listenerProblem({ name, address, port, code, detail }: ListenRefusal): StartProblem {
  return { kind: 'listener', name, address, port, error: Object.assign(new Error(detail), { code }) }
}
