/**
 * A scriptable mail exchanger on loopback. Without a script it is a plain, strict and quick RFC 5321 server that
 * accepts everything; a script overrides what it answers to a verb, by connection, transaction or recipient, and
 * may delay, drip, drop, reset or inject bytes. It keeps every byte of every connection and every message.
 *
 *   await using mx = await ScriptedMx.start({ tls: { key, cert }, script: { RCPT: ({ recipient }) =>
 *     recipient === 'full@example.net' ? '452 4.2.2 full' : undefined } })
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { MxSession, type MxSessionOptions } from './scripted-mx-session.ts'

/** `CONNECT` is the greeting, `CONTENT` the first bytes after 354, `DOT` the end of the content. */
export type MxVerb =
  | 'CONNECT'
  | 'EHLO'
  | 'HELO'
  | 'STARTTLS'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'CONTENT'
  | 'DOT'
  | 'RSET'
  | 'NOOP'
  | 'QUIT'
  | 'OTHER'

/** What the server is about to answer. */
export interface MxStep {
  readonly verb: MxVerb
  /** The command line without its CRLF; empty for CONNECT, CONTENT and DOT. */
  readonly line: string
  /** 1 for the first connection to this server. */
  readonly connection: number
  /** Transactions begun on this connection, this one included once MAIL is answered; 1 for the first. */
  readonly transaction: number
  readonly inTls: boolean
  /** RCPT only: the address without angle brackets. */
  readonly recipient?: string
  /** RCPT only: how many this transaction has accepted so far. */
  readonly acceptedRecipients: number
  /** DOT only: what arrived. */
  readonly message?: ReceivedMessage
}

export interface MxAction {
  /** The whole reply, one entry per line without CRLF; absent with `raw`, `endless` or `silent`. */
  readonly reply?: string | readonly string[]
  /** These bytes in place of a reply, nothing added. */
  readonly raw?: string | Buffer
  /** This text again and again until the peer goes away. */
  readonly endless?: string
  /** No reply at all. */
  readonly silent?: boolean
  readonly delayMs?: number
  /** The reply leaves in pieces of this many bytes. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number }
  /** After the reply: FIN; RST; FIN of our side only; stop reading for good. */
  readonly after?: 'close' | 'reset' | 'half-close' | 'stop-reading'
  /** STARTTLS answered with 220 only: what comes after the ClientHello; a handshake by default. */
  readonly handshake?: 'garbage' | 'close' | 'reset' | 'stall'
}

/** A string is a reply; undefined is the ordinary answer. */
export type MxAnswer = string | readonly string[] | MxAction | undefined
export type MxScript = Partial<Record<MxVerb, MxAnswer | ((step: MxStep) => MxAnswer | Promise<MxAnswer>)>>

export interface ScriptedMxOptions {
  /** 127.0.0.1 by default. */
  readonly address?: string
  /** Ephemeral by default. */
  readonly port?: number
  readonly hostname?: string
  /** EHLO keywords; STARTTLS is added in clear when `tls` is given. */
  readonly capabilities?: readonly string[]
  /** EHLO keywords inside TLS, when they differ. */
  readonly capabilitiesInTls?: readonly string[]
  /** Key, certificate and anything else that `node:tls` knows; without it STARTTLS is not offered. */
  readonly tls?: SecureContextOptions
  readonly script?: MxScript
  /** Reads the next command only when the reply to the last one has left, as a blocking server does. */
  readonly blocking?: boolean
}

export interface ReceivedMessage {
  readonly connection: number
  readonly inTls: boolean
  /** The whole MAIL command line. */
  readonly mail: string
  /** The address of MAIL, empty for the null reverse-path. */
  readonly reversePath: string
  /** Accepted recipients: address and the whole RCPT command line. */
  readonly recipients: readonly { readonly address: string; readonly line: string }[]
  /** Without dot-stuffing and without the end-of-content dot. */
  readonly content: Buffer
  /** Exactly as it came, with the final dot. */
  readonly wire: Buffer
  /** `performance.now()` when the dot was there. */
  readonly at: number
}

/** One read or write, as the SMTP layer saw it: decrypted once TLS is up, the ClientHello before as it came. */
export interface MxSegment {
  readonly direction: 'in' | 'out'
  readonly inTls: boolean
  readonly bytes: Buffer
  /** `performance.now()`. */
  readonly at: number
}

export interface MxConnection {
  readonly number: number
  /** Command lines in order, without CRLF; content is not among them. */
  readonly commands: readonly string[]
  readonly segments: readonly MxSegment[]
  readonly inTls: boolean
  /** The server name of the ClientHello, when it had one. */
  readonly servername: string | undefined
  /** How it ended, once it has: FIN of the peer, an error (its code), or our own doing. */
  readonly ended: Promise<string>
}

export const DEFAULT_CAPABILITIES = [
  'PIPELINING',
  'SIZE 104857600',
  '8BITMIME',
  'SMTPUTF8',
  'ENHANCEDSTATUSCODES',
  'DSN',
]

export class ScriptedMx implements AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly connections: MxConnection[] = []
  readonly messages: ReceivedMessage[] = []
  /** May be changed at any time; applies to the next step. */
  script: MxScript
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #sessions: MxSession[] = []
  readonly #steps = new Map<MxVerb, number>()
  #watchers: (() => void)[] = []
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  static async start(options: ScriptedMxOptions = {}): Promise<ScriptedMx> {
    const server = createServer({ noDelay: true, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.port ?? 0, options.address ?? '127.0.0.1', resolve)
    })
    return new ScriptedMx(server, options)
  }

  /** Use `start`. */
  private constructor(server: Server, options: ScriptedMxOptions) {
    const { address, port } = server.address() as AddressInfo
    this.address = address
    this.port = port
    this.script = options.script ?? {}
    this.#server = server
    const capabilities = options.capabilities ?? DEFAULT_CAPABILITIES
    const sessionOptions: Omit<MxSessionOptions, 'number'> = {
      hostname: options.hostname ?? 'mx.lab.test',
      capabilities: options.tls === undefined ? capabilities : [...capabilities, 'STARTTLS'],
      capabilitiesInTls: options.capabilitiesInTls ?? capabilities,
      secureContext: options.tls === undefined ? undefined : createSecureContext(options.tls),
      blocking: options.blocking ?? false,
      answer: (step) => {
        const answer = this.script[step.verb]
        this.#noteStep(step.verb)
        return typeof answer === 'function' ? answer(step) : answer
      },
      received: (message) => this.#received(message),
    }
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      const session = new MxSession(socket, { ...sessionOptions, number: this.connections.length + 1 })
      this.#sessions.push(session)
      this.connections.push(session)
    })
  }

  /** Resolves when this many messages have been accepted. */
  async received(count: number): Promise<void> {
    if (this.messages.length >= count) return
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }))
  }

  /** Resolves when a step with this verb has been reached, on any connection. */
  async seen(verb: MxVerb, count = 1): Promise<void> {
    while ((this.#steps.get(verb) ?? 0) < count) await new Promise<void>((resolve) => this.#watchers.push(resolve))
  }

  /** Says something unasked on every connection, one line. */
  say(line: string): void {
    for (const session of this.#sessions) session.say(line)
  }

  /** The one connection that there was. */
  get connection(): MxConnection {
    const [only] = this.connections
    if (only === undefined || this.connections.length > 1) throw new Error(`${this.connections.length} connections`)
    return only
  }

  /** Closes everything at once. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #noteStep(verb: MxVerb): void {
    this.#steps.set(verb, (this.#steps.get(verb) ?? 0) + 1)
    const watchers = this.#watchers
    this.#watchers = []
    for (const resolve of watchers) resolve()
  }

  #received(message: ReceivedMessage): void {
    this.messages.push(message)
    for (const waiter of this.#waiting) if (this.messages.length >= waiter.count) waiter.resolve()
  }
}
