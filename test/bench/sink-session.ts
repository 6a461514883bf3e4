/**
 * One SMTP session of a sink: a receiving MTA reduced to what a load test needs (RFC 5321 §4.1, RFC 3207).
 * It keeps only the head of each content, batches the replies to a pipelined group, and asks a script what to
 * answer. Not a conforming server: it believes what the client says.
 */
import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'

export interface SinkMessage {
  readonly reversePath: string
  readonly forwardPaths: readonly string[]
  /** The first octets of the content, up to `headBytes`, still dot-stuffed. */
  readonly head: Buffer
  readonly contentBytes: number
  readonly tlsProtocol: string | null
  /** As it called itself in EHLO. */
  readonly clientName: string
}

export type SinkAnswer = { readonly kind: 'reply'; readonly line: string } | { readonly kind: 'drop' }

export interface SinkScript {
  rcpt(forwardPath: string): SinkAnswer
  /** Asked when the final dot has arrived; a 2xx answer means the message counts as received. */
  finalDot(message: SinkMessage): SinkAnswer
  /**
   * Asked at DATA: true hangs up in place of 354. Later would be unfair: a client that has written its final dot
   * into a socket cannot know whether it was read.
   */
  dropsAtData(): boolean
  /** A connection has a transaction open, from MAIL until the reply to the final dot has left; or none any more. */
  transacting?(connection: symbol, clientName: string, open: boolean): void
}

export interface SinkOptions {
  readonly hostname: string
  readonly secureContext: SecureContext
  readonly replyDelayMs: number
  readonly headBytes: number
  readonly script: SinkScript
}

const TERMINATOR = Buffer.from('\r\n.\r\n')
const LINE_BYTES_MAX = 4096

export class SinkSession {
  #socket: Socket
  #protocol: string | null = null
  readonly #options: SinkOptions
  #out = ''
  #partialLine = ''
  #reversePath = ''
  #forwardPaths: string[] = []
  #inContent = false
  #head: Buffer[] = []
  #headBytes = 0
  #contentBytes = 0
  /** The last octets of the content so far: a terminator may span chunks. */
  #carry: Buffer = Buffer.alloc(0)
  #ended = false
  #clientName = ''
  readonly #connection = Symbol('connection')
  /** MAIL was said, and no final dot or RSET since. */
  #begun = false
  /** Final dots whose replies have not left. */
  #unanswered = 0
  /** Of those, with replies on their way. */
  #leaving = 0
  #toldOpen = false

  constructor(socket: Socket, options: SinkOptions) {
    this.#socket = socket
    this.#options = options
    socket.setNoDelay(true)
    this.#listen(socket)
    this.#reply(`220 ${options.hostname} ESMTP sink`)
    this.#flush()
  }

  readonly #onChunk = (chunk: Buffer): void => {
    let rest: Buffer | undefined = chunk
    while (rest !== undefined && rest.length > 0 && !this.#ended) {
      rest = this.#inContent ? this.#takeContent(rest) : this.#takeCommand(rest)
    }
    this.#flush()
  }

  #listen(socket: Socket): void {
    socket.on('data', this.#onChunk)
    // A client that goes away, or is killed by the test, is no event for a sink.
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    socket.on('close', () => this.#endAll())
  }

  #takeCommand(chunk: Buffer): Buffer | undefined {
    const lineEnd = chunk.indexOf(0x0a)
    if (lineEnd < 0) {
      this.#partialLine += chunk.toString('latin1')
      if (this.#partialLine.length > LINE_BYTES_MAX) this.#drop()
      return undefined
    }
    const line = (this.#partialLine + chunk.toString('latin1', 0, lineEnd)).trimEnd()
    this.#partialLine = ''
    this.#obey(line)
    return chunk.subarray(lineEnd + 1)
  }

  #obey(line: string): void {
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
        this.#clientName = line.slice('EHLO '.length)
        this.#reply(this.#capabilities())
        break
      case 'HELO':
        this.#reply(`250 ${this.#options.hostname}`)
        break
      case 'STAR':
        this.#startTls()
        break
      case 'MAIL':
        this.#reversePath = pathOf(line)
        this.#forwardPaths = []
        this.#begun = true
        this.#tellOpen()
        this.#reply('250 2.1.0 ok')
        break
      case 'RCPT':
        this.#rcpt(pathOf(line))
        break
      case 'DATA':
        this.#openContent()
        break
      case 'RSET':
        this.#forwardPaths = []
        this.#begun = false
        this.#tellOpen()
        this.#reply('250 2.0.0 ok')
        break
      case 'NOOP':
        this.#reply('250 2.0.0 ok')
        break
      case 'QUIT':
        this.#reply('221 2.0.0 bye')
        this.#flush(() => this.#socket.end())
        break
      default:
        this.#reply('500 5.5.1 unknown command')
    }
  }

  #capabilities(): string {
    const lines = [
      this.#options.hostname,
      'PIPELINING',
      'SIZE 104857600',
      '8BITMIME',
      'SMTPUTF8',
      'ENHANCEDSTATUSCODES',
    ]
    if (this.#protocol === null) lines.push('STARTTLS')
    return lines.map((text, index) => `250${index === lines.length - 1 ? ' ' : '-'}${text}`).join('\r\n')
  }

  #rcpt(forwardPath: string): void {
    const answer = this.#options.script.rcpt(forwardPath)
    if (answer.kind === 'reply' && answer.line.startsWith('2')) this.#forwardPaths.push(forwardPath)
    this.#answer(answer)
  }

  #openContent(): void {
    if (this.#forwardPaths.length === 0) {
      // All were refused: a client gives the transaction up here, and says RSET only before its next one.
      this.#begun = false
      this.#unanswered += 1
      this.#reply('554 5.5.1 no valid recipients')
      return
    }
    if (this.#options.script.dropsAtData()) {
      this.#drop()
      return
    }
    this.#inContent = true
    this.#head = []
    this.#headBytes = 0
    this.#contentBytes = 0
    // The line end of DATA counts as the one before a first dot (RFC 5321 §4.5.2).
    this.#carry = Buffer.from('\r\n')
    this.#reply('354 go ahead')
  }

  #takeContent(chunk: Buffer): Buffer | undefined {
    const contentEnd = terminatorEnd(this.#carry, chunk)
    const taken = contentEnd === undefined ? chunk : chunk.subarray(0, contentEnd)
    this.#contentBytes += taken.length
    this.#keepHead(taken)
    if (contentEnd === undefined) {
      this.#carry = lastOctets(this.#carry, chunk)
      return undefined
    }
    this.#inContent = false
    this.#closeContent()
    return chunk.subarray(contentEnd)
  }

  #keepHead(taken: Buffer): void {
    const room = this.#options.headBytes - this.#headBytes
    if (room <= 0) return
    const kept = taken.subarray(0, room)
    this.#head.push(kept)
    this.#headBytes += kept.length
  }

  #closeContent(): void {
    const answer = this.#options.script.finalDot({
      reversePath: this.#reversePath,
      forwardPaths: this.#forwardPaths,
      head: this.#head.length === 1 && this.#head[0] !== undefined ? this.#head[0] : Buffer.concat(this.#head),
      contentBytes: this.#contentBytes - '.\r\n'.length,
      tlsProtocol: this.#protocol,
      clientName: this.#clientName,
    })
    this.#forwardPaths = []
    this.#begun = false
    this.#unanswered += 1
    this.#answer(answer)
  }

  #tellOpen(): void {
    const open = this.#begun || this.#unanswered > 0
    if (open === this.#toldOpen) return
    this.#toldOpen = open
    this.#options.script.transacting?.(this.#connection, this.#clientName, open)
  }

  #endAll(): void {
    this.#begun = false
    this.#unanswered = 0
    this.#tellOpen()
  }

  #startTls(): void {
    if (this.#protocol !== null) {
      this.#reply('503 5.5.1 TLS is active')
      return
    }
    const plain = this.#socket
    plain.removeListener('data', this.#onChunk)
    plain.pause()
    this.#partialLine = ''
    this.#reply('220 2.0.0 ready')
    this.#flush(() => {
      const secured = new TLSSocket(plain, { isServer: true, secureContext: this.#options.secureContext })
      this.#socket = secured
      secured.on('secure', () => {
        this.#protocol = secured.getProtocol()
      })
      this.#listen(secured)
    })
  }

  #answer(answer: SinkAnswer): void {
    if (answer.kind === 'reply') this.#reply(answer.line)
    else this.#drop()
  }

  #reply(line: string): void {
    this.#out += `${line}\r\n`
  }

  #flush(after?: () => void): void {
    if (this.#out === '') return
    const text = this.#out
    const socket = this.#socket
    const answered = this.#unanswered - this.#leaving
    this.#leaving += answered
    this.#out = ''
    const write = (): void => {
      if (!socket.destroyed) socket.write(text, 'latin1')
      this.#leaving = Math.max(0, this.#leaving - answered)
      this.#unanswered = Math.max(0, this.#unanswered - answered)
      this.#tellOpen()
      after?.()
    }
    // Timers of one length fire in the order they were set, so replies keep their order.
    if (this.#options.replyDelayMs > 0) setTimeout(write, this.#options.replyDelayMs)
    else write()
  }

  /** Replies that were due before still leave: they belong to earlier messages. */
  #drop(): void {
    this.#ended = true
    this.#flush()
    const socket = this.#socket
    const hangUp = (): void => {
      // The client may be elsewhere before we hear that it has closed its side.
      this.#endAll()
      socket.end()
    }
    if (this.#options.replyDelayMs > 0) setTimeout(hangUp, this.#options.replyDelayMs)
    else hangUp()
  }
}

/** The text between the angle brackets of MAIL or RCPT. */
function pathOf(line: string): string {
  return line.slice(line.indexOf('<') + 1, line.lastIndexOf('>'))
}

/** How many octets of `chunk` belong to the content when it ends here. */
function terminatorEnd(carry: Buffer, chunk: Buffer): number | undefined {
  const seam = Buffer.concat([carry, chunk.subarray(0, TERMINATOR.length - 1)])
  const inSeam = seam.indexOf(TERMINATOR)
  if (inSeam >= 0) return inSeam + TERMINATOR.length - carry.length
  const inChunk = chunk.indexOf(TERMINATOR)
  return inChunk < 0 ? undefined : inChunk + TERMINATOR.length
}

function lastOctets(carry: Buffer, chunk: Buffer): Buffer {
  const keep = TERMINATOR.length - 1
  if (chunk.length >= keep) return Buffer.from(chunk.subarray(-keep))
  return Buffer.concat([carry, chunk]).subarray(-keep)
}
