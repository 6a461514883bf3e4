/**
 * Events on their way to the owner. What listens to them knows problems and hosts by identity: one that many events
 * share must be one thing again on the other side, although each event travels by itself. Bounded: what is not heard of
 * for long is a new thing when it comes again, and only tells less of itself.
 */
import type { DeliveryProblem, RemoteHost } from '../delivery/outcome.ts'
import type { LogEvent } from '../observability/log-events.ts'

export interface TravellingEvent {
  readonly event: LogEvent
  /** The names of its problems and of their hosts, in their order; absent: nobody knows them by identity. */
  readonly problems?: readonly number[]
  readonly hosts?: readonly (number | undefined)[]
}

/** Some megabytes; problems of hosts come by the hundred, not by the message. */
const KNOWN_MAX = 5_000

/** In the thread that tells. */
export class EventSender {
  readonly #names = new WeakMap<object, number>()
  #last = 0

  travelling(event: LogEvent): TravellingEvent {
    const problems = problemsOf(event)
    if (problems !== undefined) {
      const hosts = problems.map(({ remote }) => (remote === undefined ? undefined : this.#name(remote)))
      return { event, problems: problems.map((problem) => this.#name(problem)), hosts }
    }
    return event.event === 'channel-judged' ? { event, hosts: [this.#name(event.remote)] } : { event }
  }

  #name(thing: object): number {
    const known = this.#names.get(thing)
    if (known !== undefined) return known
    this.#last += 1
    this.#names.set(thing, this.#last)
    return this.#last
  }
}

/** With the owner, one for each thread. */
export class EventReceiver {
  readonly #problems = new Known<DeliveryProblem>()
  readonly #hosts = new Known<RemoteHost>()

  arrived({ event, problems, hosts = [] }: TravellingEvent): LogEvent {
    if (event.event === 'channel-judged') return { ...event, remote: this.#hosts.same(hosts[0], event.remote) }
    if (problems === undefined) return event
    const same = (problemsOf(event) ?? []).map((problem, at) => this.#problem(problem, problems[at], hosts[at]))
    switch (event.event) {
      case 'session-failed':
      case 'host-passed-by':
      case 'candidate-skipped':
        return { ...event, problem: same[0] ?? event.problem }
      case 'message-settled':
        return { ...event, settled: { ...event.settled, met: same } }
      default:
        return event
    }
  }

  #problem(arrived: DeliveryProblem, name: number | undefined, host: number | undefined): DeliveryProblem {
    const { remote } = arrived
    return this.#problems.same(
      name,
      remote === undefined ? arrived : { ...arrived, remote: this.#hosts.same(host, remote) },
    )
  }
}

class Known<T> {
  readonly #things = new Map<number, T>()

  /** The one that came first under this name. */
  same(name: number | undefined, arrived: T): T {
    if (name === undefined) return arrived
    const known = this.#things.get(name) ?? arrived
    this.#things.delete(name)
    this.#things.set(name, known)
    if (this.#things.size > KNOWN_MAX) this.#forgetOldest()
    return known
  }

  #forgetOldest(): void {
    for (const oldest of this.#things.keys()) {
      this.#things.delete(oldest)
      return
    }
  }
}

function problemsOf(event: LogEvent): readonly DeliveryProblem[] | undefined {
  switch (event.event) {
    case 'session-failed':
    case 'host-passed-by':
    case 'candidate-skipped':
      return [event.problem]
    case 'message-settled':
      return event.settled.met
    default:
      return undefined
  }
}
