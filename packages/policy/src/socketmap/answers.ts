/**
 * Answers requests, each destination looked up once for all that ask at the same time, and replies remembered for as long as
 * the facts behind them count: five minutes at most. Trouble is never remembered.
 *
 * Knows no sockets. Whoever asks waits for a limited time; a lookup that takes longer goes on, and what it fetched is there
 * for the next one.
 */
import { err, ok, type Result } from '../result.ts'
import {
  type Destination,
  type DestinationFacts,
  type DestinationOptions,
  destinationFacts,
  judgedDestination,
} from './destination.ts'
import type { SocketmapAnswerKind, SocketmapEvent } from './events.ts'
import { netstring } from './netstring.ts'
import { type NextHopKey, parseNextHop, parseQuery } from './query.ts'
import { replyText, type SocketmapReply, socketmapReply } from './reply.ts'
import { type SocketmapZone, zonesByName } from './zone.ts'

export interface AnswerOptions extends DestinationOptions {
  /** Beside those that are built in. */
  readonly zones: readonly SocketmapZone[]
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  readonly emit: (event: SocketmapEvent) => void
  /** Less only in tests. */
  readonly answerMsMax?: number
}

/** As it goes over the wire. */
export interface Answer {
  readonly kind: SocketmapAnswerKind
  readonly wire: Buffer
}

export interface SocketmapAnswers {
  readonly zones: number
  /** At once from what is remembered. */
  answer(request: Buffer): Answer | Promise<Answer>
}

/** Well below the 100 s after which Postfix gives up a request (socketmap_table(5)); a policy fetch takes up to 60 s. */
const ANSWER_MS_MAX = 75_000
/** Requests are about 300 octets and replies 1,000: 20 MB at the most usual sizes. */
const REMEMBERED_MAX = 10_000
/** Of this many octets; a longer one is decided each time. */
const REMEMBERED_OCTETS_MAX = 16 * 1024
/** As many destinations as 100 Postfix processes, its default, look up ten times over. */
const LOOKUPS_AT_ONCE_MAX = 1_000
/** What is told of a key that nobody could parse. */
const KEY_TOLD_MAX = 300

interface Remembered extends Answer {
  /** Monotonic. */
  readonly until: number
}

interface Question {
  readonly zone: SocketmapZone
  readonly key: string
  readonly destination: NextHopKey
}

interface Asked {
  /** The whole request. */
  readonly text: string
  readonly zone: string
  readonly key: string
  readonly since: number
  readonly validForMs?: number
}

interface Decided {
  readonly reply: SocketmapReply
  readonly validForMs: number
}

export function createSocketmapAnswers(options: AnswerOptions): SocketmapAnswers {
  return new Answers(options)
}

class Answers implements SocketmapAnswers {
  readonly #options: AnswerOptions
  readonly #zones: ReadonlyMap<string, SocketmapZone>
  /** By the request; the oldest is forgotten first. */
  readonly #remembered = new Map<string, Remembered>()
  readonly #lookups = new Map<string, Promise<DestinationFacts>>()

  constructor(options: AnswerOptions) {
    this.#options = options
    this.#zones = zonesByName(options.zones)
  }

  get zones(): number {
    return this.#zones.size
  }

  answer(request: Buffer): Answer | Promise<Answer> {
    const text = request.toString('latin1')
    const known = this.#remembered.get(text)
    if (known !== undefined) {
      if (this.#options.monotonic() < known.until) return known
      this.#remembered.delete(text)
    }
    const since = this.#options.monotonic()
    const question = this.#understood(request)
    if (!question.ok) return this.#told(question.error, { text, since, zone: '', key: text })
    const { zone, key, destination } = question.value
    const asked = { text, since, zone: zone.name, key }
    if (destination.kind === 'nothing') {
      return this.#told({ kind: 'not-found', because: destination.because }, asked)
    }
    return this.#inTime(destination, zone).then(({ reply, validForMs }) => this.#told(reply, { ...asked, validForMs }))
  }

  #understood(request: Buffer): Result<Question, SocketmapReply> {
    const query = parseQuery(request)
    if (!query.ok) return err({ kind: 'permanent', because: 'malformed-request' })
    const zone = this.#zones.get(query.value.zone)
    if (zone === undefined) return err({ kind: 'permanent', because: 'unknown-name' })
    const { key } = query.value
    const destination = parseNextHop(key)
    if (!destination.ok) return err({ kind: 'permanent', because: 'malformed-next-hop' })
    return ok({ zone, key, destination: destination.value })
  }

  #told(reply: SocketmapReply, { text, zone, key, since, validForMs = 0 }: Asked): Answer {
    const answered = answerOf(reply)
    const now = this.#options.monotonic()
    if (validForMs > 0) this.#remember(text, { ...answered, until: now + validForMs })
    this.#options.emit({
      event: 'socketmap-decided',
      ...{ zone, key: key.slice(0, KEY_TOLD_MAX), validForMs },
      ...{ answer: answered.kind, because: reply.because, reply: replyText(reply) },
      durationMs: Math.round(now - since),
    })
    return answered
  }

  async #inTime(destination: Destination, zone: SocketmapZone): Promise<Decided> {
    let timer: NodeJS.Timeout | undefined
    const tooSlow = new Promise<Decided>((resolve) => {
      timer = setTimeout(() => resolve(temporary('too-slow')), this.#options.answerMsMax ?? ANSWER_MS_MAX)
    })
    try {
      return await Promise.race([this.#decided(destination, zone), tooSlow])
    } catch (error) {
      this.#options.emit({ event: 'socketmap-defect', key: destination.domain, detail: String(error) })
      return temporary('defect')
    } finally {
      clearTimeout(timer)
    }
  }

  async #decided(destination: Destination, zone: SocketmapZone): Promise<Decided> {
    const facts = await this.#facts(destination)
    if (!facts.ok) return temporary(facts.error)
    const judged = judgedDestination(facts.value, zone, this.#options)
    const reply = socketmapReply(judged, zone)
    const isTrouble = reply.kind === 'temporary' || reply.kind === 'permanent'
    return { reply, validForMs: isTrouble ? 0 : Math.max(0, judged.validUntil - this.#options.now()) }
  }

  async #facts(destination: Destination): Promise<Result<DestinationFacts, 'busy'>> {
    const key = `${destination.kind} ${destination.domain} ${destination.port}`
    const running = this.#lookups.get(key)
    if (running !== undefined) return ok(await running)
    if (this.#lookups.size >= LOOKUPS_AT_ONCE_MAX) return err('busy')
    const lookup = destinationFacts(destination, this.#options).finally(() => this.#lookups.delete(key))
    this.#lookups.set(key, lookup)
    return ok(await lookup)
  }

  #remember(text: string, entry: Remembered): void {
    if (text.length + entry.wire.length > REMEMBERED_OCTETS_MAX) return
    this.#remembered.delete(text)
    if (this.#remembered.size >= REMEMBERED_MAX) {
      for (const oldest of this.#remembered.keys()) {
        this.#remembered.delete(oldest)
        break
      }
    }
    this.#remembered.set(text, entry)
  }
}

export function answerOf(reply: SocketmapReply): Answer {
  return { kind: reply.kind === 'ok' ? reply.level : reply.kind, wire: netstring(replyText(reply)) }
}

function temporary(because: 'busy' | 'too-slow' | 'defect'): Decided {
  return { reply: { kind: 'temporary', because }, validForMs: 0 }
}
