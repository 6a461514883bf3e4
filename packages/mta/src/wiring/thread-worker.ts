/**
 * The program of one thread: its own listeners, sessions and deliveries, wired as in a relay of one thread, with the
 * owner behind every port of which there is one. An entry point, started by `thread-side.ts` only.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { type MessagePort, workerData } from 'node:worker_threads'
import { invariant, type Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { createDelivery, type Delivery, type DeliveryOptions } from '../delivery/delivery.ts'
import type { LogEvent } from '../observability/log-events.ts'
import type { BeginSignature } from '../signing/dkim.ts'
import { ContentStore } from '../spool/content-store.ts'
import { errorCode } from '../spool/durable-file.ts'
import { AskedPermits } from '../threads/asked-permits.ts'
import { type AskedSpool, askedSpool } from '../threads/asked-spool.ts'
import { EventSender } from '../threads/event-crossing.ts'
import type { ListenAnswer, OwnerCalls, SaidByOwner, SaidByThread, ThreadStart } from '../threads/protocol.ts'
import { Room, type RoomOptions } from '../threads/room.ts'
import { ToldAuthFailures } from '../threads/told-auth-failures.ts'
import { TurnsHere } from '../threads/turns-here.ts'
import { noticeOptions, retryOptions } from './delivery-settings.ts'
import { deliveryOptions, reloadable } from './delivery-side.ts'
import { type Destinations, destinationOptions } from './destination-options.ts'
import { openDkimKeys } from './dkim-keys.ts'
import { openLocalPolicies } from './local-policies.ts'
import type { Reloadable } from './reload.ts'
import type { StartProblem } from './start-problem.ts'
import { openSubmissionSide, type SubmissionSide } from './submission-side.ts'
import { arrivedConfig } from './travelling-config.ts'

const start = workerData as ThreadStart & { readonly port: MessagePort }
const BEAT_MS = 1_000
const LAG_RESOLUTION_MS = 10
const NS_PER_MS = 1e6
/** Of what all threads would tell alike, the first one tells. */
const TOLD_ONCE: ReadonlySet<LogEvent['event']> = new Set([
  'listening',
  'certificate-shown',
  'certificate-ending',
  'credentials-loaded',
  'credentials-unreadable',
])

const monotonic = (): number => performance.now()
const silent = (): void => undefined

class ThreadProgram {
  readonly #config: Config = arrivedConfig(start.config)
  readonly #events = new EventSender()
  readonly #room: Room<SaidByThread, SaidByOwner>
  readonly #spool: AskedSpool
  readonly #permits: AskedPermits
  readonly #turns: TurnsHere
  readonly #authFailures: ToldAuthFailures
  readonly #destinations: Destinations
  readonly #delivery: Delivery
  readonly #beginSignature: BeginSignature | undefined
  readonly #reloadables: Reloadable[]
  readonly #stopLocal: () => void
  #submission: SubmissionSide | undefined
  #takeOver: readonly (() => void)[] = []
  #health = start.health

  constructor() {
    const config = this.#config
    this.#room = new Room({
      port: start.port,
      answers: this.#answers(),
      hears: this.#hears(),
      onDefect: (detail) => this.#emit({ event: 'thread-defect', thread: start.index, detail }),
    })
    const contents = new ContentStore(start.place, {}, (error) =>
      this.#room.tell('content-trouble', { code: errorCode(error) }),
    )
    this.#spool = askedSpool({ room: this.#room, contents, health: () => this.#health, monotonic })
    this.#permits = new AskedPermits({ room: this.#room, monotonic })
    this.#turns = new TurnsHere(this.#room, monotonic)
    this.#authFailures = new ToldAuthFailures((address, username) =>
      this.#room.tell('auth-failed', { address, username }),
    )
    // Watched and told by the owner; here they only count.
    const local = opened(openLocalPolicies(config, { emit: silent, now: Date.now }))
    local.start()
    this.#stopLocal = () => local.stop()
    const keys = opened(openDkimKeys(config, silent))
    this.#beginSignature = keys.beginSignature
    this.#destinations = destinationOptions(config, {
      resolver: {
        mx: (name) => this.#room.ask('mx', { name }),
        address: (name, family) => this.#room.ask('address', { name, family }),
      },
      sts: start.sts ? this.#sts() : undefined,
      dane: start.dane ? { factsFor: (question) => this.#room.ask('dane', { question }) } : undefined,
      ...{ ca: start.ca, local: local.settings, emit: (event) => this.#emit(event) },
    })
    const retry = retryOptions(config)
    this.#delivery = createDelivery(this.#deliveryOptions(retry))
    this.#reloadables = [keys, reloadable({ local, destinations: this.#destinations, delivery: this.#delivery, retry })]
  }

  run(): void {
    const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
    lag.enable()
    let before = performance.eventLoopUtilization()
    setInterval(() => {
      const now = performance.eventLoopUtilization()
      this.#room.tell('beat', {
        sessions: this.#submission?.listeners.map(({ listener }) => listener.sessions()) ?? [],
        certificates: this.#submission?.certificates.troubles() ?? [],
        // What the timer itself waits for is not lag.
        lagP99Ms: Math.max(0, lag.percentile(99) / NS_PER_MS - LAG_RESOLUTION_MS),
        lagMaxMs: Math.max(0, lag.max / NS_PER_MS - LAG_RESOLUTION_MS),
        utilization: performance.eventLoopUtilization(now, before).utilization,
      })
      before = now
      lag.reset()
    }, BEAT_MS).unref()
    this.#room.tell('ready', null)
  }

  #deliveryOptions(retry: ReturnType<typeof retryOptions>): DeliveryOptions {
    const config = this.#config
    return deliveryOptions(config, {
      ...this.#destinations.options,
      tellOfHost: (news) => this.#room.tell('host-news', news),
      tellOfWait: (news) => this.#room.tell('wait', news),
      tellOfLogin: (news) => this.#room.tell('login', news),
      ...{ spool: this.#spool, permits: this.#permits, retry, ...noticeOptions(config, this.#beginSignature) },
      scheduler: { wake: (lane, dueAt) => this.#room.tell('wake', { lane, dueAt }) },
      suppressed: start.suppression ? (addresses) => this.#room.ask('suppressed', { addresses }) : undefined,
      reports: start.reports
        ? {
            session: (seen) => this.#room.tell('session', seen),
            failedFetch: (failure) => this.#room.tell('failed-fetch', failure),
          }
        : undefined,
    })
  }

  #sts(): NonNullable<DeliveryOptions['sts']> {
    return {
      policyFor: (domain, { afresh = false } = {}) => this.#room.ask('sts-policy', { domain, afresh }),
      refetch: (domain) => this.#room.ask('sts-refetch', { domain }),
    }
  }

  #emit(event: LogEvent): void {
    if (start.index === 0 || !TOLD_ONCE.has(event.event)) this.#room.tell('event', this.#events.travelling(event))
  }

  #answers(): RoomOptions<SaidByOwner>['answers'] {
    return {
      turn: (given) => this.#turns.run(given, this.#delivery.turn),
      listen: (order) => this.#listen(order),
      prepare: async ({ config }) => {
        const prepared = await Promise.all(this.#reloadables.map((part) => part.prepare(arrivedConfig(config))))
        this.#takeOver = prepared.flatMap((one) => (one.ok ? [one.value] : []))
        return prepared.find((one) => !one.ok)?.error
      },
      'close-listeners': async ({ graceMs }) => {
        const listeners = this.#submission?.listeners ?? []
        await Promise.all(listeners.map(({ listener }) => listener.close(graceMs)))
        this.#submission?.stop()
        return undefined
      },
      'close-delivery': async () => {
        this.#stopLocal()
        await this.#delivery.close()
        return undefined
      },
    }
  }

  #hears(): RoomOptions<SaidByOwner>['hears'] {
    return {
      abort: ({ turn }) => this.#turns.abort(turn),
      yield: ({ turn }) => this.#turns.askToYield(turn),
      beat: ({ health, lostPermits, waiting }) => {
        this.#health = health
        this.#permits.heard(lostPermits)
        this.#turns.waitedFor(waiting)
      },
      'permit-free': ({ waiter }) => this.#permits.called(waiter),
      listeners: (own) => this.#destinations.setListeners(own),
      drain: () => {
        for (const { listener } of this.#submission?.listeners ?? []) listener.drain()
      },
      resume: () => {
        for (const { listener } of this.#submission?.listeners ?? []) listener.resume()
      },
      'take-over': () => {
        for (const one of this.#takeOver) one()
        this.#takeOver = []
      },
      'forget-dead-hosts': () => this.#delivery.forgetDeadHosts(),
      'host-news': (news) => this.#delivery.heardOfHost(news),
      'auth-failed': ({ address, username }) => this.#authFailures.heard(address, username, monotonic()),
      end: () => {
        this.#room.flush()
        // What was said is out; nothing that is left holds anything durable.
        process.exit(0)
      },
    }
  }

  async #listen({ ports, draining }: OwnerCalls['listen']['ask']): Promise<ListenAnswer> {
    const side = await openSubmissionSide(this.#config, {
      spool: this.#spool,
      // The owner wakes the lanes of what it has accepted.
      scheduler: { wake: silent },
      resolver: { mx: (name) => this.#room.ask('mx', { name }) },
      quotas: { take: (asks) => this.#room.ask('quota', { asks }) },
      credentials: start.credentials,
      beginSignature: this.#beginSignature,
      suppression: start.suppression ? { find: (addresses) => this.#room.ask('suppressed', { addresses }) } : undefined,
      authFailures: this.#authFailures,
      shared: { ports },
      emit: (event) => this.#emit(event),
    })
    if (!side.ok) return refusal(side.error)
    this.#submission = side.value
    this.#reloadables.push(side.value)
    const listeners = side.value.listeners.map(({ name, listener: { address, port } }) => ({ name, address, port }))
    if (draining) for (const { listener: one } of side.value.listeners) one.drain()
    return { kind: 'listening', listeners }
  }
}

function refusal(problem: StartProblem): ListenAnswer {
  if (problem.kind !== 'listener') throw new Error(`listeners cannot be opened: ${JSON.stringify(problem)}`)
  const { name, address, port, error } = problem
  return { kind: 'refused', refusal: { name, address, port, code: errorCode(error), detail: String(error) } }
}

function opened<T>(result: Result<T, unknown>): T {
  invariant(result.ok, `the owner has opened the same before: ${result.ok ? '' : JSON.stringify(result.error)}`)
  return result.value
}

new ThreadProgram().run()
