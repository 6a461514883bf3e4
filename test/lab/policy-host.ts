/**
 * A policy host on loopback: a real TLS server that speaks HTTP/1.1 octet by octet, so that a test can also make it
 * misbehave: drip, cut, lie about lengths, stay silent. It writes down connections, server names and requests.
 *
 *   await using host = await PolicyHost.start({ address: '127.0.0.20', tls: { key, cert }, answer: { body: policy } })
 *   host.answer = { status: 301, fields: { Location: 'https://elsewhere.test/' } }
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContextOptions, TLSSocket } from 'node:tls'

export interface PolicyHostOptions {
  /** 127.0.0.1 by default. */
  readonly address?: string
  /** Ephemeral by default. */
  readonly port?: number
  /** Key, certificate, versions, and anything else that `node:tls` knows. */
  readonly tls: SecureContextOptions
  readonly answer?: PolicyAnswer | ((request: PolicyRequest) => PolicyAnswer)
}

export interface PolicyAnswer {
  /** 200 by default. */
  readonly status?: number
  /** Undefined removes a default field: Content-Type, Content-Length. */
  readonly fields?: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body?: string | Uint8Array
  /** Octets in place of everything above. */
  readonly raw?: string | Uint8Array
  /** The head at once, then so many octets every so many milliseconds. */
  readonly drip?: { readonly octets: number; readonly everyMs: number }
  /** What becomes of the connection afterwards; `reset` and `end` also cut what `octets` leaves out. */
  readonly afterwards?: 'end' | 'reset' | 'keep'
  /** Sends only the first octets of it all. */
  readonly octets?: number
  /** Reads the request and never answers. */
  readonly silent?: boolean
}

export interface PolicyRequest {
  readonly method: string
  readonly target: string
  /** By lower-case name, in the order of the request. */
  readonly fields: ReadonlyMap<string, string>
  readonly serverName: string | undefined
}

/** Before a request can be read. */
export type PolicyHostFault = 'close-at-accept' | 'reset-at-hello' | 'silent-at-accept' | 'not-tls'

export class PolicyHost implements AsyncDisposable {
  readonly address: string
  readonly port: number
  /** TCP connections accepted; a host that was never contacted has none. */
  connections = 0
  /** Of those, now. */
  open = 0
  /** The names in the ClientHellos, one for each that had one. */
  readonly serverNames: string[] = []
  readonly requests: PolicyRequest[] = []
  /** May be changed at any time; applies to the next request or connection. */
  answer: PolicyAnswer | ((request: PolicyRequest) => PolicyAnswer)
  tls: SecureContextOptions
  /** For all connections, or by their number, which counts from 1. */
  fault: PolicyHostFault | ((connection: number) => PolicyHostFault | undefined) | undefined
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(options: PolicyHostOptions): Promise<PolicyHost> {
    const server = createServer({ noDelay: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.port ?? 0, options.address ?? '127.0.0.1', resolve)
    })
    return new PolicyHost(server, options)
  }

  /** Use `start`. */
  private constructor(server: Server, options: PolicyHostOptions) {
    const { address, port } = server.address() as AddressInfo
    this.address = address
    this.port = port
    this.tls = options.tls
    this.answer = options.answer ?? {}
    this.#server = server
    server.on('connection', (socket: Socket) => this.#accept(socket))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #accept(socket: Socket): void {
    this.connections += 1
    this.open += 1
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.open -= 1
    })
    const fault = typeof this.fault === 'function' ? this.fault(this.connections) : this.fault
    if (fault === undefined) this.#secure(socket)
    else misbehave(socket, fault)
  }

  #secure(socket: Socket): void {
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: createSecureContext(this.tls),
      SNICallback: (name, answer) => {
        this.serverNames.push(name)
        answer(null)
      },
    })
    secure.on('error', () => undefined)
    // A connection that is lost inside the handshake would otherwise stay open underneath.
    secure.once('close', () => socket.destroy())
    let received = ''
    secure.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      const request = readRequest(received.slice(0, end), secure.servername || undefined)
      received = received.slice(end + 4)
      this.requests.push(request)
      send(secure, typeof this.answer === 'function' ? this.answer(request) : this.answer)
    })
  }
}

function misbehave(socket: Socket, fault: PolicyHostFault): void {
  socket.resume()
  if (fault === 'close-at-accept') socket.end()
  if (fault === 'reset-at-hello') socket.once('data', () => socket.resetAndDestroy())
  if (fault === 'not-tls') socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
}

function readRequest(head: string, serverName: string | undefined): PolicyRequest {
  const [requestLine = '', ...lines] = head.split('\r\n')
  const [method = '', target = ''] = requestLine.split(' ')
  const fields = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
    }),
  )
  return { method, target, fields, serverName }
}

function send(socket: TLSSocket, answer: PolicyAnswer): void {
  if (answer.silent === true) return
  const octets = responseOctets(answer).subarray(0, answer.octets)
  const finish = () => {
    if (answer.afterwards === 'reset') socket.destroy()
    else if (answer.afterwards !== 'keep') socket.end()
  }
  if (answer.drip === undefined) {
    if (octets.length === 0) finish()
    else socket.write(octets, finish)
    return
  }
  drip(socket, octets, { ...answer.drip, finish })
}

function drip(
  socket: TLSSocket,
  octets: Buffer,
  { octets: size, everyMs, finish }: { octets: number; everyMs: number; finish: () => void },
): void {
  let at = Math.max(octets.indexOf('\r\n\r\n') + 4, size)
  socket.write(octets.subarray(0, at))
  const timer = setInterval(() => {
    socket.write(octets.subarray(at, at + size))
    at += size
    if (at < octets.length) return
    clearInterval(timer)
    finish()
  }, everyMs)
  socket.once('close', () => clearInterval(timer))
}

function responseOctets({ status = 200, fields = {}, body = '', raw }: PolicyAnswer): Buffer {
  if (raw !== undefined) return octetsOf(raw)
  const content = octetsOf(body)
  const all = { 'Content-Type': 'text/plain', 'Content-Length': String(content.length), ...fields }
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => `${name}: ${one}\r\n`),
  )
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} Lab\r\n${lines.join('')}\r\n`), content])
}

function octetsOf(value: string | Uint8Array): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value)
}
