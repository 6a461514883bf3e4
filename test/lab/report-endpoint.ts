/**
 * An HTTPS endpoint for TLS reports on loopback: keeps what was posted, octet by octet, and answers as a test says.
 * Endpoints that misbehave below HTTP are `PolicyHost`s.
 */
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SecureContextOptions } from 'node:tls'

export interface PostedReport {
  readonly method: string
  readonly target: string
  /** By lower-case name. */
  readonly fields: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export interface EndpointAnswer {
  readonly status: number
  readonly fields?: Readonly<Record<string, string>>
  readonly body?: string
}

export class ReportEndpoint implements AsyncDisposable {
  readonly posted: PostedReport[] = []
  /** May be changed at any time; undefined: never answers. */
  answer: (posted: PostedReport) => EndpointAnswer | undefined = () => ({ status: 200 })
  readonly address: string
  readonly port: number
  readonly #server: Server

  static async start(tls: SecureContextOptions, address = '127.0.0.1'): Promise<ReportEndpoint> {
    const server = createServer({ ...tls })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, address, resolve)
    })
    return new ReportEndpoint(server)
  }

  /** Use `start`. */
  private constructor(server: Server) {
    const { address, port } = server.address() as AddressInfo
    this.address = address
    this.port = port
    this.#server = server
    server.on('request', (request, response) => {
      const chunks: Buffer[] = []
      request.on('error', () => undefined)
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { method = '', url: target = '', headers: fields } = request
        const posted = { method, target, fields, body: Buffer.concat(chunks) }
        this.posted.push(posted)
        const answer = this.answer(posted)
        if (answer !== undefined) response.writeHead(answer.status, answer.fields).end(answer.body)
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}
