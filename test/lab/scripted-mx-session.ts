/**
 * One connection to the scripted MX: splits the stream into commands and content, asks the script, answers, and
 * keeps the record. Strict about order (RFC 5321 §4.1.4) and line ends (only CRLF), so that it notices our faults.
 */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type SecureContext, TLSSocket } from 'node:tls'
import type { MxAction, MxAnswer, MxConnection, MxSegment, MxStep, MxVerb, ReceivedMessage } from './mx-script.ts'
import { MxAuth, type MxCredentials } from './scripted-mx-auth.ts'
import { isLast, MxChunks } from './scripted-mx-chunks.ts'
import { actionOf, bytesOf, pathOf, unstuff } from './scripted-mx-wire.ts'

export interface MxSessionOptions {
  readonly number: number
  readonly hostname: string
  readonly capabilities: readonly string[]
  readonly capabilitiesInTls: readonly string[]
  readonly secureContext: SecureContext | undefined
  readonly implicitTls: boolean
  readonly asksForCertificate: boolean
  readonly credentials: MxCredentials | undefined
  readonly blocking: boolean
  readonly answer: (step: MxStep) => MxAnswer | Promise<MxAnswer>
  readonly received: (message: ReceivedMessage) => void
}

const VERBS: ReadonlySet<string> = new Set('EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT'.split(' '))
const END_OF_CONTENT = Buffer.from('\r\n.\r\n')
const CRLF = Buffer.from('\r\n')
/** Octets of one write of an endless reply. */
const ENDLESS_PIECE = 65_536
const EMPTY = Buffer.alloc(0)

export class MxSession implements MxConnection {
  readonly number: number
  readonly clientAddress: string | undefined
  readonly commands: string[] = []
  readonly segments: MxSegment[] = []
  readonly ended: Promise<string>
  resumed: boolean | undefined
  showedCertificate: boolean | undefined
  readonly #options: MxSessionOptions
  readonly #auth: MxAuth
  readonly #chunks = new MxChunks()
  #socket: Socket
  #pending: Buffer = EMPTY
  /** Bytes of `#pending` known to hold no end of content. */
  #searched = 0
  #mode: 'command' | 'content' | 'starttls' | 'ignore' = 'command'
  #contentBegun = false
  #pumping = false
  #transactions = 0
  #mail: string | undefined
  #recipients: { address: string; line: string }[] = []
  readonly #end: (how: string) => void

  constructor(socket: Socket, options: MxSessionOptions) {
    this.number = options.number
    this.clientAddress = socket.remoteAddress
    this.#options = options
    this.#auth = new MxAuth(options.credentials)
    this.#socket = socket
    const { promise, resolve } = Promise.withResolvers<string>()
    this.ended = promise
    this.#end = resolve
    socket.once('close', () => resolve('close'))
    this.#listen(socket)
    void this.#pump(() => (options.implicitTls ? this.#implicitTls() : this.#step('CONNECT', '')))
  }

  get inTls(): boolean {
    return this.#socket instanceof TLSSocket
  }

  get servername(): string | undefined {
    return this.#socket instanceof TLSSocket && typeof this.#socket.servername === 'string'
      ? this.#socket.servername
      : undefined
  }

  get username(): string | undefined {
    return this.#auth.username
  }

  say(line: string): void {
    this.#write(Buffer.from(`${line}\r\n`))
  }

  #listen(socket: Socket): void {
    socket.on('data', (bytes: Buffer) => {
      this.#log('in', bytes)
      if (this.#mode === 'ignore') return
      this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
      void this.#pump()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? 'error'))
    socket.on('end', () => {
      this.#end('fin')
      socket.end()
    })
  }

  #log(direction: 'in' | 'out', bytes: Buffer): void {
    this.segments.push({ direction, inTls: this.inTls, bytes, at: performance.now() })
  }

  /** One step after the other; stays synchronous as long as the script does. */
  async #pump(first?: () => Promise<void> | undefined): Promise<void> {
    if (this.#pumping) return
    this.#pumping = true
    try {
      const begun = first?.()
      if (begun !== undefined) await begun
      // What one turn answers leaves together.
      let socket = this.#socket
      socket.cork()
      if (this.#options.blocking) socket.pause()
      for (;;) {
        const step = this.#next()
        if (step === 'nothing') break
        if (step === undefined) continue
        socket.uncork()
        await step
        socket = this.#socket
        socket.cork()
      }
      socket.uncork()
      if (this.#options.blocking && this.#mode !== 'ignore') socket.resume()
    } finally {
      this.#pumping = false
    }
  }

  /** Takes one command or the content out of what arrived; a promise when the answer takes its time. */
  #next(): 'nothing' | Promise<void> | undefined {
    if (this.#mode === 'content') return this.#nextContent()
    if (this.#mode !== 'command') return 'nothing'
    if (this.#chunks.reading) return this.#nextChunk()
    const end = this.#pending.indexOf(CRLF)
    if (end < 0) return 'nothing'
    const line = this.#pending.toString('utf8', 0, end)
    this.#pending = this.#pending.subarray(end + 2)
    this.commands.push(line)
    if (this.#auth.asked) return this.#step('AUTH', line)
    if (this.#chunks.command(line)) return undefined
    const word = (line.split(/[ :]/, 1)[0] ?? '').toUpperCase()
    return this.#step(VERBS.has(word) ? (word as MxVerb) : 'OTHER', line)
  }

  /** Answered once it is there. */
  #nextChunk(): 'nothing' | Promise<void> | undefined {
    const chunk = this.#chunks.take(this.#pending)
    if (chunk === undefined) return 'nothing'
    this.#pending = this.#pending.subarray(chunk.octets)
    const { content } = this.#chunks
    return this.#step('BDAT', chunk.line, isLast(chunk.line) ? this.#message(content, content) : undefined)
  }

  #nextContent(): 'nothing' | Promise<void> | undefined {
    if (this.#pending.length === 0) return 'nothing'
    if (!this.#contentBegun) {
      this.#contentBegun = true
      return this.#step('CONTENT', '')
    }
    // An empty content is the dot alone (RFC 5321 §4.1.1.4: the CRLF before it is that of DATA).
    const empty = this.#searched === 0 && this.#pending.subarray(0, 3).equals(END_OF_CONTENT.subarray(2))
    const end = empty ? -2 : this.#pending.indexOf(END_OF_CONTENT, Math.max(0, this.#searched - 4))
    if (end === -1) {
      this.#searched = this.#pending.length
      return 'nothing'
    }
    const wire = this.#pending.subarray(0, end + 5)
    this.#pending = this.#pending.subarray(end + 5)
    this.#mode = 'command'
    return this.#step('DOT', '', this.#message(wire, unstuff(wire.subarray(0, -3))))
  }

  #message(wire: Buffer, content: Buffer): ReceivedMessage {
    return {
      connection: this.number,
      inTls: this.inTls,
      mail: this.#mail ?? '',
      reversePath: pathOf(this.#mail ?? ''),
      recipients: this.#recipients,
      ...{ content, wire },
      at: performance.now(),
    }
  }

  #step(verb: MxVerb, line: string, message?: ReceivedMessage): Promise<void> | undefined {
    const answer = this.#options.answer({
      verb,
      line,
      connection: this.number,
      transaction: this.#transactions + (verb === 'MAIL' ? 1 : 0),
      inTls: this.inTls,
      acceptedRecipients: this.#recipients.length,
      ...(verb === 'RCPT' ? { recipient: pathOf(line) } : {}),
      ...(message === undefined ? {} : { message }),
    })
    if (answer instanceof Promise) return answer.then((settled) => this.#perform(verb, line, settled, message))
    return this.#perform(verb, line, answer, message)
  }

  #perform(verb: MxVerb, line: string, answer: MxAnswer, message?: ReceivedMessage): Promise<void> | undefined {
    if (answer === undefined && verb === 'CONTENT') return undefined
    const action = actionOf(answer ?? this.#ordinary(verb, line))
    const after = action.after ?? (verb === 'QUIT' && answer === undefined ? 'close' : undefined)
    const bytes = bytesOf(action)
    this.#advance(verb, line, bytes.toString('latin1', 0, 3), message)
    const plain = action.delayMs === undefined && action.drip === undefined && action.endless === undefined
    if (plain && after === undefined && this.#mode !== 'starttls' && !this.#options.blocking) {
      if (bytes.length > 0) this.#write(bytes)
      return undefined
    }
    return this.#sendSlowly({ ...action, ...(after === undefined ? {} : { after }) }, bytes)
  }

  async #sendSlowly(action: MxAction, bytes: Buffer): Promise<void> {
    if (action.delayMs !== undefined) await sleep(action.delayMs)
    const piece = action.drip?.bytes ?? Math.max(bytes.length, 1)
    for (let at = 0; at < bytes.length && this.#socket.writable; at += piece) {
      if (at > 0) await sleep(action.drip?.everyMs)
      await this.#flushed(bytes.subarray(at, at + piece))
    }
    const { endless } = action
    if (endless !== undefined) {
      // Large pieces: small ones would keep the event loop to themselves.
      const piece = Buffer.from(endless.repeat(Math.ceil(ENDLESS_PIECE / endless.length)))
      while (this.#socket.writable) await this.#flushed(piece)
    }
    if (this.#mode === 'starttls') await this.#startTls(action.handshake)
    if (action.after === undefined) return
    this.#mode = 'ignore'
    if (action.after === 'close') this.#socket.destroySoon()
    else if (action.after === 'half-close') this.#socket.end()
    else if (action.after === 'reset') this.#reset()
    else this.#socket.pause()
  }

  #reset(): void {
    // A TLS socket has no RST of its own.
    if (this.#socket instanceof TLSSocket) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  #write(bytes: Buffer): void {
    if (!this.#socket.writable) return
    this.#log('out', bytes)
    this.#socket.write(bytes)
  }

  async #flushed(bytes: Buffer): Promise<void> {
    if (!this.#socket.writable) return
    this.#log('out', bytes)
    await new Promise<void>((resolve) => {
      this.#socket.once('close', resolve)
      this.#socket.write(bytes, () => {
        this.#socket.off('close', resolve)
        resolve()
      })
    })
  }

  #ordinary(verb: MxVerb, line: string): string | readonly string[] {
    const { capabilities, capabilitiesInTls } = this.#options
    const offered = this.inTls ? [...capabilitiesInTls, ...this.#auth.offered] : capabilities
    switch (verb) {
      case 'CONNECT':
        return `220 ${this.#options.hostname} ESMTP`
      case 'EHLO':
        return [this.#options.hostname, ...offered].map((text, at) => `250${at < offered.length ? '-' : ' '}${text}`)
      case 'HELO':
        return `250 ${this.#options.hostname}`
      case 'STARTTLS':
        return this.#options.secureContext === undefined || this.inTls ? '503 5.5.1 not now' : '220 2.0.0 go ahead'
      case 'MAIL':
        return this.#auth.refusal ?? (this.#mail === undefined ? '250 2.1.0 ok' : '503 5.5.1 nested MAIL')
      case 'AUTH':
        return this.#auth.answer(line)
      case 'RCPT':
        return this.#mail === undefined ? '503 5.5.1 MAIL first' : '250 2.1.5 ok'
      case 'BDAT':
        return this.#chunks.answer(line, { mail: this.#mail !== undefined, recipients: this.#recipients.length })
      case 'DATA':
        if (this.#mail === undefined || this.#chunks.begun) return '503 5.5.1 not now'
        return this.#recipients.length === 0 ? '554 5.5.1 no valid recipients' : '354 go ahead'
      case 'DOT':
        return this.#recipients.length === 0 ? '554 5.5.1 no valid recipients' : '250 2.0.0 accepted'
      case 'QUIT':
        return '221 2.0.0 bye'
      case 'OTHER':
        return '500 5.5.2 unknown command'
      default:
        return '250 2.0.0 ok'
    }
  }

  /** What the answer does to the transaction (RFC 5321 §4.1.4). */
  #advance(verb: MxVerb, line: string, code: string, message?: ReceivedMessage): void {
    const positive = code.startsWith('2')
    switch (verb) {
      case 'MAIL':
        if (!positive) return
        this.#transactions += 1
        this.#mail = line
        this.#recipients = []
        return
      case 'RCPT':
        if (positive) this.#recipients.push({ address: pathOf(line), line })
        return
      case 'DATA':
        if (code !== '354') return
        this.#mode = 'content'
        this.#searched = 0
        this.#contentBegun = false
        return
      case 'BDAT':
        this.#chunks.answered(code)
        if (positive && message !== undefined) {
          this.#options.received(message)
          this.#forget()
        }
        return
      case 'DOT':
        if (positive && message !== undefined && message.recipients.length > 0) this.#options.received(message)
        this.#forget()
        return
      case 'AUTH':
        this.#auth.answered(line, code)
        return
      case 'STARTTLS':
        if (code === '220') this.#mode = 'starttls'
        return
      case 'EHLO':
      case 'HELO':
      case 'RSET':
        if (positive) this.#forget()
        return
      default:
    }
  }

  #forget(): void {
    this.#chunks.forget()
    this.#mail = undefined
    this.#recipients = []
  }

  async #implicitTls(): Promise<void> {
    this.#mode = 'starttls'
    await this.#startTls(undefined)
    await this.#step('CONNECT', '')
  }

  async #startTls(handshake: MxAction['handshake']): Promise<void> {
    const plain = this.#socket
    plain.removeAllListeners('data')
    if (this.#pending.length > 0) plain.unshift(this.#pending)
    this.#pending = EMPTY
    // The ClientHello goes on record before TLS swallows it.
    plain.resume()
    const hello = await new Promise<Buffer | undefined>((resolve) => {
      plain.once('data', resolve)
      plain.once('close', () => resolve(undefined))
    })
    plain.pause()
    if (hello === undefined) return
    if (this.#pending.length === 0) this.#log('in', hello)
    this.#mode = 'ignore'
    if (handshake === 'close') plain.destroySoon()
    else if (handshake === 'reset') plain.resetAndDestroy()
    else if (handshake === 'garbage') plain.write('this is not TLS\r\n')
    if (handshake !== undefined) return
    plain.unshift(hello)
    const { secureContext, asksForCertificate: requestCert } = this.#options
    const asking = { isServer: true, requestCert, rejectUnauthorized: false }
    const secured = new TLSSocket(plain, { ...asking, ...(secureContext === undefined ? {} : { secureContext }) })
    await new Promise<void>((resolve) => {
      secured.once('secure', () => {
        this.resumed = secured.isSessionReused()
        this.showedCertificate = secured.getPeerX509Certificate() !== undefined
        resolve()
      })
      secured.once('close', resolve)
      secured.once('error', (error: NodeJS.ErrnoException) => {
        this.#end(error.code ?? 'tls-error')
        resolve()
      })
    })
    this.#socket = secured
    this.#mode = 'command'
    this.#forget()
    this.#listen(secured)
  }
}
