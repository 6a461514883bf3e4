/**
 * The load generator of the bench: a separate process that submits one trial's messages as fast as it gets
 * replies, and says how long each took. Driven over IPC by main.ts; the same code for both systems under test.
 *
 * Submit latency: MAIL to the reply to the final dot; in one-per-connection scenarios from the connect on.
 */
import { LoadSession, type Submission } from './load-session.ts'
import { type LoadOrder, type LoadReport, monotonicMs } from './messages.ts'
import { SERIAL_FIELD } from './serial.ts'
import { percentile } from './statistics.ts'
import { SENDER_DOMAIN } from './system.ts'

const LINE = 'The quick brown fox jumps over the lazy dog and the relay carries it all.\r\n'

class Trial {
  readonly #order: LoadOrder
  readonly #body: Buffer
  readonly #latencies: number[] = []
  #next = 0
  #accepted = 0
  #refused = 0
  #firstProblem: string | undefined

  constructor(order: LoadOrder) {
    this.#order = order
    this.#body = bodyOf(order.scenario.contentBytes - headOf(order, 0).length)
  }

  async run(): Promise<LoadReport> {
    const startedAt = monotonicMs()
    const clients = Math.min(this.#order.scenario.clients, this.#order.messages)
    const client = this.#order.scenario.submission === 'persistent' ? this.#persistent : this.#onePerConnection
    await Promise.all(Array.from({ length: clients }, () => client.call(this)))
    return {
      kind: 'load-report',
      accepted: this.#accepted,
      refused: this.#refused,
      ...(this.#firstProblem === undefined ? {} : { firstProblem: this.#firstProblem }),
      startedAt,
      endedAt: monotonicMs(),
      latencyP50Ms: percentile(this.#latencies, 0.5),
      latencyP99Ms: percentile(this.#latencies, 0.99),
    }
  }

  async #persistent(): Promise<void> {
    let session: LoadSession | undefined
    for (let number = this.#take(); number !== undefined; number = this.#take()) {
      try {
        session ??= await this.#open()
        const startedAt = monotonicMs()
        await session.submit(this.#submission(number))
        this.#count(startedAt)
      } catch (error) {
        this.#refuse(error)
        session?.destroy()
        session = undefined
      }
    }
    await session?.quit()
  }

  async #onePerConnection(): Promise<void> {
    for (let number = this.#take(); number !== undefined; number = this.#take()) {
      const startedAt = monotonicMs()
      let session: LoadSession | undefined
      try {
        session = await this.#open()
        await session.submit(this.#submission(number))
        this.#count(startedAt)
        await session.quit()
      } catch (error) {
        this.#refuse(error)
        session?.destroy()
      }
    }
  }

  #open(): Promise<LoadSession> {
    const { target, pipelining, scenario, credential } = this.#order
    return LoadSession.open({ ...target, pipelining, ...(scenario.secured ? { credential } : {}) })
  }

  #take(): number | undefined {
    if (this.#next >= this.#order.messages) return undefined
    this.#next += 1
    return this.#next
  }

  #submission(number: number): Submission {
    return {
      reversePath: `sender@${SENDER_DOMAIN}`,
      forwardPaths: [`r${number}@${this.#order.recipientDomain}`],
      head: headOf(this.#order, number),
      body: this.#body,
    }
  }

  #count(startedAt: number): void {
    this.#latencies.push(monotonicMs() - startedAt)
    this.#accepted += 1
  }

  #refuse(error: unknown): void {
    this.#refused += 1
    this.#firstProblem ??= String(error)
  }
}

function headOf(order: LoadOrder, number: number): string {
  const serial = `${order.trial}-${number}`
  return [
    `From: Bench <sender@${SENDER_DOMAIN}>`,
    `To: r${number}@${order.recipientDomain}`,
    'Subject: bench',
    'Date: Mon, 02 Nov 2026 10:00:00 +0000',
    `Message-ID: <${serial}@${SENDER_DOMAIN}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    `${SERIAL_FIELD}: ${serial}`,
    '',
    '',
  ].join('\r\n')
}

function bodyOf(bytes: number): Buffer {
  const lines = LINE.repeat(Math.max(1, Math.floor(bytes / LINE.length)))
  return Buffer.from(`${lines}.\r\n`, 'latin1')
}

process.on('message', (order: LoadOrder) => {
  void new Trial(order).run().then((report) => process.send?.(report))
})
process.on('disconnect', () => process.exit(0))
