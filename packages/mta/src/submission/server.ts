/**
 * Submission and relay listeners on smtp-server: the one file that knows it. The library gives the listening socket,
 * the TLS handshakes and the life of a connection; lines, content, commands, replies and limits are ours
 * (`wire-reader.ts`, `session.ts`), for its own accept bare LF, drop recipients that differ in case, and bound little.
 *
 * Overridden members that are not its public API are guarded by `server.canary.test.ts`.
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { invariant } from '@hermetic/policy'
import { SMTPServer } from 'smtp-server'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import type { SessionRefusal } from './events.ts'
import { unmapped } from './networks.ts'
import { readProxied } from './proxied-socket.ts'
import { type Reply, replies, wireForm } from './replies.ts'
import { Session } from './session.ts'
import type { SessionChannel, SessionRules, TlsFacts } from './session-rules.ts'
import { drained, tlsFacts } from './socket-facts.ts'

export interface CertificatePem {
  readonly cert: string
  readonly key: string
}

export interface ServerOptions {
  readonly rules: SessionRules
  readonly certificate: CertificatePem | undefined
  /** How often the time limits of the sessions are looked at. */
  readonly sweepMs: number
}

/** RFC 8996 §4–5 and RFC 9325 §3.1.1: TLS 1.2 and 1.3 only. */
const TLS_MIN_VERSION = 'TLSv1.2'

/** Cuts nothing itself: the octets go to the session as they come. */
class WireParser extends SMTPStream {
  readonly #take: (chunk: Buffer, queued: boolean) => Promise<void> | undefined

  constructor(take: (chunk: Buffer, queued: boolean) => Promise<void> | undefined) {
    super()
    this.#take = take
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, next: (error?: Error | null) => void): void {
    // Closed by the library: at a close, and at STARTTLS for everything that came in clear.
    const pending = this.isClosed ? undefined : this.#take(chunk, this.writableLength > chunk.length)
    if (pending === undefined) next()
    else pending.then(() => next(), next)
  }
}

class SubmissionConnection extends SMTPConnection {
  readonly #rules: SessionRules
  readonly #address: string
  readonly #session: Session
  readonly #whenGone: (connection: SubmissionConnection) => void
  /** The TLS socket while its handshake runs: until then the library knows only the one below. */
  #handshake: Socket | undefined
  #tls: TlsFacts | undefined
  #greeted = false
  #gone = false
  #corked = false

  constructor(server: SubmissionServer, socket: Socket, options: ConnectionOptions) {
    super(server, socket, options.library)
    this.#rules = options.rules
    this.#whenGone = options.whenGone
    this.#address = unmapped(this.remoteAddress)
    this.#tls = tlsFacts(socket)
    this.#session = new Session(options.rules, this.#channel(), this.#address)
  }

  /** In place of the library's fixed 100 ms, reverse lookup and greeting. */
  override init(): void {
    this._setListeners(() => {
      this._ready = true
      if (this.#rules.kind === 'submission') return this.#greet()
      setTimeout(() => this.#greet(), this.#rules.limits.earlyTalkerDelayMs).unref()
    })
  }

  // Called by the library's constructor, before the fields of this class exist: nothing is read until octets come.
  override _createParser(): SMTPStream {
    return new WireParser((chunk, queued) => this.#take(chunk, queued))
  }

  // Idle time is one of several time limits, and all are looked at in `sweep`.
  override _armTimeout(socket?: Socket): void {
    if (socket !== undefined) this.#handshake = socket
  }

  override _onError(error: Error & { code?: string | undefined }): void {
    if (this._upgrading) {
      const { emit, listener } = this.#rules
      emit({ event: 'tls-handshake-failed', listener, address: this.#address, code: error.code ?? error.name })
    }
    this.#session.close('socket-error')
    this.destroy()
  }

  override _onClose(): void {
    super._onClose()
    if (this.#gone) return
    this.#gone = true
    this.#session.closed()
    this.#whenGone(this)
  }

  get address(): string {
    return this.#address
  }

  shutDown(): void {
    this.#session.shutDown()
    if (this._upgrading) this.destroy()
  }

  destroy(): void {
    // A handshake is ended from above: tearing the socket away below it is undefined in Node.
    if (this._upgrading) this.#handshake?.destroy()
    else this._socket.destroy()
  }

  sweep(now: number): void {
    if (this.#session.sweep(now) === 'slow-handshake') this.destroy()
  }

  #channel(): SessionChannel {
    return {
      send: (reply) => this.#write(reply),
      end: () => this.close(),
      startTls: () => this.#startTls(),
      tls: () => this.#tls,
      drained: () => drained(this._socket),
    }
  }

  #greet(): void {
    if (this.#gone || this._closing) return
    this.#greeted = true
    this.#session.greet()
  }

  #take(chunk: Buffer, queued: boolean): Promise<void> | undefined {
    if (this.#greeted) return this.#session.take(chunk, queued)
    const { emit, listener } = this.#rules
    emit({ event: 'session-refused', listener, address: this.#address, reason: 'early-talker' })
    this.#session.close('unauthorised-pipelining', replies.earlyTalker)
    return undefined
  }

  #write(reply: Reply): void {
    const socket = this._socket
    if (this._upgrading || socket.destroyed || socket.readyState !== 'open') return
    // Replies of one turn of the event loop leave in one segment (RFC 2920 §3.2).
    if (!this.#corked) {
      this.#corked = true
      socket.cork()
      process.nextTick(() => {
        this.#corked = false
        socket.uncork()
      })
    }
    socket.write(wireForm(reply))
  }

  #startTls(): void {
    // The reply must be out before the handshake takes the socket.
    this._socket.uncork()
    this.upgrade(
      () => undefined,
      () => {
        this.#handshake = undefined
        this.#tls = tlsFacts(this._socket)
        this.#session.secured()
      },
    )
  }
}

interface ConnectionOptions {
  readonly library: SMTPConnectionOptions | null
  readonly rules: SessionRules
  readonly whenGone: (connection: SubmissionConnection) => void
}

/** Counts and bounds sessions, from the accepted socket on, and looks at their time limits. */
export class SubmissionServer extends SMTPServer {
  #rules: SessionRules
  readonly #sessions = new Set<SubmissionConnection>()
  readonly #perAddress = new Map<string, number>()
  #open = 0
  /** Sockets whose PROXY header or TLS handshake is still to come, and since when. */
  readonly #handshakes = new Map<Socket, number>()
  readonly #sweeper: NodeJS.Timeout
  #draining = false

  constructor({ rules, certificate, sweepMs }: ServerOptions) {
    // Without one the library falls back to a key that is published with it.
    invariant(rules.tls === 'none' || certificate !== undefined, 'a TLS listener has a certificate')
    super({
      name: rules.hostname,
      secure: rules.tls === 'implicit',
      disabledCommands: rules.tls === 'starttls' ? [] : ['STARTTLS'],
      minVersion: TLS_MIN_VERSION,
      logger: false,
      // Bounds only the handshake of implicit TLS and the wait for the client's FIN, see `_armTimeout`.
      socketTimeout: rules.limits.tlsHandshakeMs,
      ...certificate,
    })
    this.#rules = rules
    this.on('error', (error) => this.#tell(error))
    this.#sweeper = setInterval(() => this.sweep(), sweepMs)
    this.#sweeper.unref()
  }

  /** For the sessions that begin from now on. */
  useRules(rules: SessionRules): void {
    this.#rules = rules
  }

  override connect(socket: Socket, library?: SMTPConnectionOptions | null): void {
    const behindProxy = library?.remoteAddress
    const refusal = behindProxy === undefined ? undefined : this.#refusal(unmapped(behindProxy))
    if (refusal !== undefined) {
      this.#refuse(socket, { refusal, address: unmapped(behindProxy ?? ''), handshake: false })
      return
    }
    const connection = new SubmissionConnection(this, socket, {
      library: library ?? null,
      rules: this.#rules,
      whenGone: (gone) => {
        this.#sessions.delete(gone)
        this.#count(gone.address, -1)
      },
    })
    this.#sessions.add(connection)
    this.#count(connection.address, 1)
    this.connections.add(connection)
    connection.init()
  }

  // The first thing that the library does with an accepted socket; `false` means that we took care of it.
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    const address = unmapped(socket.remoteAddress ?? '')
    const proxied = this.#rules.isProxy(address)
    // Many clients stand behind a proxy: each is counted when it is known.
    const refusal = proxied ? this.#fullRefusal() : this.#refusal(address)
    if (refusal !== undefined) {
      this.#refuse(socket, { refusal, address, handshake })
      return false
    }
    const release = super._acceptSocket(socket, handshake)
    if (release === false || !(handshake || proxied)) return release
    this.#count(address, 1)
    this.#handshakes.set(socket, this.#rules.now())
    return () => {
      this.#handshakes.delete(socket)
      this.#count(address, -1)
      release()
    }
  }

  override _expectsProxyHeader(socket: Socket): boolean {
    return this.#rules.isProxy(unmapped(socket.remoteAddress ?? ''))
  }

  // In place of the library's, which knows only version 1.
  override _handleProxy(socket: Socket, callback: Parameters<SMTPServer['_handleProxy']>[1]): void {
    const proxy = unmapped(socket.remoteAddress ?? '')
    if (!this._expectsProxyHeader(socket)) {
      setImmediate(() => callback(null, { id: connectionId() }))
      return
    }
    readProxied(socket, (proxied) => {
      if (proxied.kind === 'client') {
        const { address } = proxied
        callback(null, { id: connectionId(), ...(address === undefined ? {} : { remoteAddress: address }) })
        return
      }
      const { emit, listener } = this.#rules
      emit({ event: 'session-refused', listener, address: proxy, reason: 'bad-proxy-header' })
      socket.destroy()
      callback(new Error('no PROXY header'))
    })
  }

  get sessions(): number {
    return this.#open
  }

  sweep(): void {
    const now = this.#rules.now()
    for (const connection of this.#sessions) connection.sweep(now)
    for (const [socket, since] of this.#handshakes) {
      if (now - since > this.#rules.limits.tlsHandshakeMs) this._pendingSockets.get(socket)?.destroy()
    }
  }

  /** As `shutDown`, but the port stays open, to say so to who comes. */
  drain(): void {
    this.#draining = true
    this.#endSessions()
  }

  resume(): void {
    this.#draining = false
  }

  /** No new sessions; those that hold a message get `graceMs`, the others end now. */
  async shutDown(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => resolve())
    })
    this.#endSessions()
    const deadline = setTimeout(() => {
      for (const connection of [...this.#sessions]) connection.destroy()
    }, graceMs)
    await closed
    clearTimeout(deadline)
    clearInterval(this.#sweeper)
  }

  #endSessions(): void {
    for (const socket of this._pendingSockets.values()) socket.destroy()
    for (const connection of [...this.#sessions]) connection.shutDown()
  }

  #refusal(address: string): SpokenRefusal | undefined {
    const { sessionsPerAddressMax } = this.#rules.limits
    const many = (this.#perAddress.get(address) ?? 0) >= sessionsPerAddressMax
    return this.#fullRefusal() ?? (many ? 'too-many-sessions-from-address' : undefined)
  }

  #fullRefusal(): SpokenRefusal | undefined {
    if (this.#draining) return 'draining'
    return this.#open >= this.#rules.limits.sessionsMax ? 'too-many-sessions' : undefined
  }

  #refuse(
    socket: Socket,
    about: { readonly refusal: SpokenRefusal; readonly address: string; readonly handshake: boolean },
  ): void {
    const { emit, listener } = this.#rules
    emit({ event: 'session-refused', listener, address: about.address, reason: about.refusal })
    socket.on('error', () => undefined)
    // Before TLS nothing can be said.
    if (about.handshake) {
      socket.destroy()
      return
    }
    socket.end(wireForm(REFUSALS[about.refusal]), () => socket.destroy())
  }

  #count(address: string, change: 1 | -1): void {
    this.#open += change
    const count = (this.#perAddress.get(address) ?? 0) + change
    if (count === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, count)
  }

  /** Failed handshakes of implicit TLS carry `meta`; everything else is the listening socket's own. */
  #tell(error: Error & { readonly code?: unknown; readonly meta?: { readonly remoteAddress?: unknown } }): void {
    const { emit, listener } = this.#rules
    const code = typeof error.code === 'string' ? error.code : error.name
    if (error.meta === undefined) {
      emit({ event: 'listener-failed', listener, code })
      return
    }
    const address = typeof error.meta.remoteAddress === 'string' ? unmapped(error.meta.remoteAddress) : ''
    emit({ event: 'tls-handshake-failed', listener, address, code })
  }
}

/** What the library calls a connection in logs that are off. */
function connectionId(): string {
  return randomBytes(10).toString('hex')
}

/** A proxy that says nothing right is told nothing. */
type SpokenRefusal = Exclude<SessionRefusal, 'bad-proxy-header'>

const REFUSALS: Readonly<Record<SpokenRefusal, Reply>> = {
  'too-many-sessions': replies.tooManySessions,
  'too-many-sessions-from-address': replies.tooManySessionsFromAddress,
  'early-talker': replies.earlyTalker,
  draining: replies.draining,
}
