/**
 * A raw SMTP client for tests: it sends exactly the octets it is given, cut as it is told, and reads replies.
 * It knows no rules, so that rules can be broken with it.
 */
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'

export interface RawReply {
  readonly code: number
  /** Whole lines, code included. */
  readonly lines: readonly string[]
  readonly text: string
}

export interface DialogueOptions {
  readonly port: number
  readonly host?: string
  readonly tls?: {
    readonly ca?: string
    readonly minVersion?: 'TLSv1' | 'TLSv1.1'
    readonly maxVersion?: 'TLSv1.1' | 'TLSv1.2'
    readonly ciphers?: string
  }
  /** In clear, before everything else: what a proxy says. */
  readonly first?: string | Buffer
}

export class SmtpDialogue {
  #socket: Socket
  #text = ''
  #ended = false
  #waiting: (() => void) | undefined
  /** Every reply seen, in order. */
  readonly replies: RawReply[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen()
  }

  static async open({ port, host = '127.0.0.1', tls, first }: DialogueOptions): Promise<SmtpDialogue> {
    const under = connectTcp({ port, host })
    if (first !== undefined) under.write(first)
    const socket =
      tls === undefined
        ? under
        : connectTls({ socket: under, servername: 'localhost', rejectUnauthorized: tls.ca !== undefined, ...tls })
    await once(socket, tls === undefined ? 'connect' : 'secureConnect')
    socket.setNoDelay(true)
    return new SmtpDialogue(socket)
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0
  }

  get tlsSocket(): TLSSocket {
    return this.#socket as TLSSocket
  }

  send(octets: string | Buffer): void {
    this.#socket.write(typeof octets === 'string' ? Buffer.from(octets) : octets)
  }

  /** In pieces of `size` octets, each its own write, with a turn of the event loop between them. */
  async sendCut(octets: Buffer, size: number): Promise<void> {
    for (let at = 0; at < octets.length; at += size) {
      this.#socket.write(octets.subarray(at, at + size))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** The next reply; undefined when the server closed instead. */
  async reply(): Promise<RawReply | undefined> {
    for (;;) {
      const reply = this.#takeReply()
      if (reply !== undefined || this.#ended) return reply
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
  }

  async command(line: string): Promise<RawReply> {
    this.send(`${line}\r\n`)
    const reply = await this.reply()
    if (reply === undefined) throw new Error(`closed instead of a reply to ${line}`)
    return reply
  }

  async startTls(ca?: string): Promise<void> {
    const reply = await this.command('STARTTLS')
    if (reply.code !== 220) throw new Error(reply.text)
    this.#socket.removeAllListeners()
    const socket = connectTls({
      socket: this.#socket,
      servername: 'localhost',
      rejectUnauthorized: ca !== undefined,
      ...(ca === undefined ? {} : { ca }),
    })
    await once(socket, 'secureConnect')
    this.#socket = socket
    this.#listen()
  }

  /** All replies until the server closes. */
  async rest(): Promise<readonly RawReply[]> {
    const rest: RawReply[] = []
    for (;;) {
      const reply = await this.reply()
      if (reply === undefined) return rest
      rest.push(reply)
    }
  }

  async quit(): Promise<RawReply> {
    const reply = await this.command('QUIT')
    await this.rest()
    return reply
  }

  /** The connection, for who wants to go on without this client. */
  detach(): Socket {
    this.#socket.removeAllListeners()
    return this.#socket
  }

  pause(): void {
    this.#socket.pause()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #listen(): void {
    const wake = (): void => {
      this.#waiting?.()
      this.#waiting = undefined
    }
    this.#socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
      wake()
    })
    this.#socket.on('close', () => {
      this.#ended = true
      wake()
    })
    this.#socket.on('error', () => undefined)
  }

  #takeReply(): RawReply | undefined {
    const lines: string[] = []
    let at = 0
    for (;;) {
      const end = this.#text.indexOf('\r\n', at)
      if (end === -1) return undefined
      const line = this.#text.slice(at, end)
      lines.push(line)
      at = end + 2
      if (line[3] !== '-') break
    }
    this.#text = this.#text.slice(at)
    const reply = { code: Number(lines[0]?.slice(0, 3)), lines, text: lines.join('\n') }
    this.replies.push(reply)
    return reply
  }
}
