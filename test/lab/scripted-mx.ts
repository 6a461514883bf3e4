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
import type { MxConnection, MxScript, MxVerb, ReceivedMessage } from './mx-script.ts'
import type { MxCredentials } from './scripted-mx-auth.ts'
import { MxSession, type MxSessionOptions } from './scripted-mx-session.ts'

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
  /** Asks the client for a certificate, and goes on without one. */
  readonly asksForCertificate?: boolean
  /** TLS from the first octet (RFC 8314 §3.3); STARTTLS is not offered then. */
  readonly implicitTls?: boolean
  /** Offers AUTH inside TLS, and takes no mail without it. */
  readonly credentials?: MxCredentials
  readonly script?: MxScript
  /** Reads the next command only when the reply to the last one has left, as a blocking server does. */
  readonly blocking?: boolean
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
      implicitTls: options.implicitTls ?? false,
      asksForCertificate: options.asksForCertificate ?? false,
      credentials: options.credentials,
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
