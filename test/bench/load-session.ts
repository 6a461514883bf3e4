/**
 * A raw SMTP client for load: prebuilt content, one reply reader, no conformance beyond what the two systems
 * under test need. Used by load.ts only; the relay's own client is not involved.
 */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface LoadSessionOptions {
  readonly host: string
  readonly port: number
  readonly pipelining: boolean
  /** Present: STARTTLS, then AUTH PLAIN. */
  readonly credential?: { readonly username: string; readonly secret: string }
}

export interface Submission {
  readonly reversePath: string
  readonly forwardPaths: readonly string[]
  readonly head: string
  /** Shared by all messages: dot-free lines and the final dot. */
  readonly body: Buffer
}

export class ReplyRefused extends Error {
  override readonly name = 'ReplyRefused'
}

export class LoadSession {
  #socket: Socket
  readonly #options: LoadSessionOptions
  #unread = ''
  readonly #replies: string[] = []
  #waiting: { resolve(reply: string): void; reject(error: Error): void } | undefined
  #failure: Error | undefined

  private constructor(socket: Socket, options: LoadSessionOptions) {
    this.#socket = socket
    this.#options = options
    this.#listen(socket)
  }

  static async open(options: LoadSessionOptions): Promise<LoadSession> {
    const socket = connect({ host: options.host, port: options.port, noDelay: true })
    const session = new LoadSession(socket, options)
    await session.#expect('2')
    await session.#command('EHLO load.bench.test', '2')
    if (options.credential !== undefined) await session.#secure(options.credential)
    return session
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0
  }

  /** Resolves with the reply to the final dot; rejects when any reply is not the expected one. */
  async submit(submission: Submission): Promise<string> {
    const rcpts = submission.forwardPaths.map((path) => `RCPT TO:<${path}>`)
    const group = [`MAIL FROM:<${submission.reversePath}>`, ...rcpts]
    if (this.#options.pipelining) {
      this.#socket.write(`${[...group, 'DATA'].join('\r\n')}\r\n`, 'latin1')
      for (const _ of group) await this.#expect('2')
      await this.#expect('3')
    } else {
      for (const line of group) await this.#command(line, '2')
      await this.#command('DATA', '3')
    }
    this.#socket.cork()
    this.#socket.write(submission.head, 'latin1')
    this.#socket.write(submission.body)
    this.#socket.uncork()
    return await this.#expect('2')
  }

  async quit(): Promise<void> {
    await this.#command('QUIT', '2')
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async #secure(credential: { readonly username: string; readonly secret: string }): Promise<void> {
    await this.#command('STARTTLS', '2')
    const plain = this.#socket
    plain.removeAllListeners('data')
    // The certificate is made for the bench; both systems use the same kind, and nothing is learnt by checking it.
    this.#socket = connectTls({ socket: plain, rejectUnauthorized: false })
    this.#listen(this.#socket)
    await this.#command('EHLO load.bench.test', '2')
    const plainAuth = Buffer.from(`\0${credential.username}\0${credential.secret}`).toString('base64')
    await this.#command(`AUTH PLAIN ${plainAuth}`, '2')
  }

  async #command(line: string, expected: string): Promise<string> {
    this.#socket.write(`${line}\r\n`, 'latin1')
    return await this.#expect(expected)
  }

  async #expect(firstDigit: string): Promise<string> {
    const reply = await this.#next()
    if (reply.startsWith(firstDigit)) return reply
    throw new ReplyRefused(reply)
  }

  #next(): Promise<string> {
    const ready = this.#replies.shift()
    if (ready !== undefined) return Promise.resolve(ready)
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('connection closed')))
  }

  #take(text: string): void {
    this.#unread += text
    for (let end = this.#unread.indexOf('\n'); end >= 0; end = this.#unread.indexOf('\n')) {
      const line = this.#unread.slice(0, end).trimEnd()
      this.#unread = this.#unread.slice(end + 1)
      // RFC 5321 §4.2.1: a hyphen after the code means that more lines follow.
      if (line[3] !== '-') this.#deliver(line)
    }
  }

  #deliver(reply: string): void {
    const waiting = this.#waiting
    if (waiting === undefined) {
      this.#replies.push(reply)
      return
    }
    this.#waiting = undefined
    waiting.resolve(reply)
  }

  #fail(error: Error): void {
    this.#failure ??= error
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.reject(error)
  }
}
