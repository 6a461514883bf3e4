/**
 * The mail exchanger of a soak: takes mail over STARTTLS, refuses a share of recipients and contents for now,
 * hangs up now and then before the final dot, knows no `unknown.…` recipients, and reads the notifications that
 * come back to the sender (RFC 3464). Writes arrivals into the ledger.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { type SinkAnswer, type SinkMessage, type SinkScript, SinkSession } from '../bench/sink-session.ts'
import type { IssuedCertificate } from '../lab/ca.ts'
import { wallClock } from './ledger.ts'
import { SENDER } from './message-plan.ts'
import type { SeededRandom } from './random.ts'

export interface ReceivingMxOptions {
  readonly certificate: IssuedCertificate
  readonly ledger: Arrivals
  readonly random: SeededRandom
  /** 0 when absent. */
  readonly replyDelayMs?: number
  readonly transacting?: SinkScript['transacting']
}

/** Where it writes what came. */
export interface Arrivals {
  arrive(addresses: readonly string[], at: number, clientName: string): void
  bounce(addresses: readonly string[], at: number, clientName: string): void
}

export interface MxCounts {
  readonly transactions: number
  readonly refusedRecipients: number
  readonly refusedContents: number
  readonly dropped: number
  readonly inClear: number
}

/** Enough of a notification to see its delivery-status part, which comes before the returned content. */
const HEAD_BYTES = 64 * 1024
const SHARES = { recipientLater: 0.08, contentLater: 0.05, dropAtRcpt: 0.01, dropAtData: 0.01 }

export class ReceivingMx {
  readonly #options: ReceivingMxOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #counts = { transactions: 0, refusedRecipients: 0, refusedContents: 0, dropped: 0, inClear: 0 }
  /** Off at the end of a soak: what is left must come through. */
  #hostile = true

  private constructor(options: ReceivingMxOptions) {
    this.#options = options
    const secureContext = createSecureContext({ cert: options.certificate.chain, key: options.certificate.key })
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      new SinkSession(socket, {
        hostname: 'mx.soak.test',
        secureContext,
        replyDelayMs: options.replyDelayMs ?? 0,
        headBytes: HEAD_BYTES,
        script: this.#script(),
      })
    })
  }

  static async start(options: ReceivingMxOptions, port: number): Promise<ReceivingMx> {
    const mx = new ReceivingMx(options)
    await new Promise<void>((resolve, reject) => {
      mx.#server.once('error', reject)
      mx.#server.listen(port, '127.0.0.1', resolve)
    })
    return mx
  }

  get counts(): MxCounts {
    return this.#counts
  }

  calmDown(): void {
    this.#hostile = false
  }

  stop(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #script(): SinkScript {
    const { transacting } = this.#options
    return {
      ...(transacting === undefined ? {} : { transacting }),
      rcpt: (forwardPath) => this.#answerRcpt(forwardPath),
      dropsAtData: () => this.#drops(SHARES.dropAtData),
      finalDot: (message) => this.#answerContent(message),
    }
  }

  #answerRcpt(forwardPath: string): SinkAnswer {
    if (forwardPath.startsWith('unknown.')) return { kind: 'reply', line: '550 5.1.1 no such mailbox' }
    if (this.#drops(SHARES.dropAtRcpt)) return { kind: 'drop' }
    if (this.#hostile && this.#options.random.chance(SHARES.recipientLater)) {
      this.#counts.refusedRecipients += 1
      return { kind: 'reply', line: '451 4.2.1 mailbox busy' }
    }
    return { kind: 'reply', line: '250 2.1.5 ok' }
  }

  #answerContent(message: SinkMessage): SinkAnswer {
    if (this.#hostile && this.#options.random.chance(SHARES.contentLater)) {
      this.#counts.refusedContents += 1
      return { kind: 'reply', line: '452 4.3.1 no room' }
    }
    this.#counts.transactions += 1
    if (message.tlsProtocol === null) this.#counts.inClear += 1
    const at = wallClock()
    const { ledger } = this.#options
    if (message.forwardPaths.includes(SENDER)) ledger.bounce(failedRecipients(message.head), at, message.clientName)
    else ledger.arrive(message.forwardPaths, at, message.clientName)
    return { kind: 'reply', line: '250 2.0.0 taken' }
  }

  #drops(share: number): boolean {
    if (!this.#hostile || !this.#options.random.chance(share)) return false
    this.#counts.dropped += 1
    return true
  }
}

/** RFC 3464 §2.3.2: whom a notification is about. */
export function failedRecipients(head: Buffer): readonly string[] {
  return [...head.toString('latin1').matchAll(/^Final-Recipient: *rfc822; *(\S+)/gim)].map(
    ([, address = '']) => address,
  )
}
