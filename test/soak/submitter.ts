/**
 * The application of a soak: a few sessions that submit the planned messages while the relay dies and comes back.
 * Each try is a submission of its own with fresh addresses, so that a lost 250 cannot look like a duplicate.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LoadSession } from '../bench/load-session.ts'
import type { Ledger } from './ledger.ts'
import { addressOf, type PlannedMessage, SENDER } from './message-plan.ts'

export interface SubmitterOptions {
  /** Of listeners; a session takes the next one after each failure. */
  readonly ports: readonly number[]
  readonly messages: readonly PlannedMessage[]
  readonly sessions: number
  readonly ledger: Pick<Ledger, 'promise'>
  /** A server that is silent for so long is left; undefined: none ever is. */
  readonly patienceMs?: number
}

const PAUSE_MS = 25
const LINE = 'All the mail that was answered with 250 arrives or comes back to its sender.\r\n'
const LINES = Buffer.from(LINE.repeat(6_000))
const QUEUED = /queued as (\S+)/
const FINAL_DOT = Buffer.from('.\r\n')

export class Submitter {
  readonly #options: SubmitterOptions
  readonly #queue: PlannedMessage[]
  readonly #tries = new Map<number, number>()
  #allowed = 0
  #accepted = 0
  #cutOff = 0
  #stopped = false

  constructor(options: SubmitterOptions) {
    this.#options = options
    this.#queue = [...options.messages]
  }

  /** How many messages may be accepted by now: spreads them over the kills. */
  allow(total: number): void {
    this.#allowed = total
  }

  get accepted(): number {
    return this.#accepted
  }

  /** Submissions that a kill or a refusal ended. */
  get cutOff(): number {
    return this.#cutOff
  }

  /** Resolves when every message was accepted. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.sessions }, (_, index) => this.#session(index)))
  }

  stop(): void {
    this.#stopped = true
  }

  async #session(index: number): Promise<void> {
    const { ports } = this.#options
    let turn = index
    let session: LoadSession | undefined
    while (!this.#stopped && this.#accepted < this.#options.messages.length) {
      const message = this.#accepted < this.#allowed ? this.#queue.shift() : undefined
      if (message === undefined) {
        await sleep(PAUSE_MS)
        continue
      }
      try {
        session ??= await LoadSession.open({
          host: '127.0.0.1',
          port: ports[turn % ports.length] ?? 0,
          pipelining: true,
        })
        await this.#withPatience(this.#submit(session, message))
      } catch {
        // Not there, killed, or refused for now: the same message is tried again as a new submission.
        this.#queue.push(message)
        if (session !== undefined) this.#cutOff += 1
        session?.destroy()
        session = undefined
        turn += 1
        await sleep(PAUSE_MS)
      }
    }
    session?.destroy()
  }

  async #withPatience(submitted: Promise<void>): Promise<void> {
    const { patienceMs } = this.#options
    if (patienceMs === undefined) return submitted
    const over = new AbortController()
    const silence = sleep(patienceMs, undefined, { signal: over.signal }).then(() => {
      throw new Error('the server is silent')
    })
    // Whoever loses the race is heard by nobody else.
    silence.catch(() => undefined)
    submitted.catch(() => undefined)
    try {
      await Promise.race([submitted, silence])
    } finally {
      over.abort()
    }
  }

  async #submit(session: LoadSession, message: PlannedMessage): Promise<void> {
    const attempt = (this.#tries.get(message.number) ?? 0) + 1
    this.#tries.set(message.number, attempt)
    const serial = `${message.number}-${attempt}`
    const forwardPaths = message.recipients.map((recipient, index) => addressOf(recipient, { serial, index }))
    const head = [
      `From: <${SENDER}>`,
      `To: <${forwardPaths[0] ?? ''}>`,
      `Subject: soak ${serial}`,
      'Date: Mon, 02 Nov 2026 10:00:00 +0000',
      `Message-ID: <${serial}@origin.soak.test>`,
      '',
      '',
    ].join('\r\n')
    const whole = Math.max(1, Math.floor((message.contentBytes - head.length) / LINE.length)) * LINE.length
    const body = Buffer.concat([LINES.subarray(0, whole), FINAL_DOT])
    const reply = await session.submit({ reversePath: SENDER, forwardPaths, head, body })
    const [, id = ''] = QUEUED.exec(reply) ?? []
    this.#accepted += 1
    this.#options.ledger.promise(forwardPaths, id)
  }
}
