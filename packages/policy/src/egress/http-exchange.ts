/**
 * One HTTP/1.1 request and its response over a TLS connection that is already proven (RFC 9112), after
 * which the connection serves nobody: the caller hangs up.
 *
 * node:http parses; nothing of it decides where to connect, follows redirects, keeps cookies or caches. A body whose
 * end only the close of the connection marks is refused: Node cannot tell a TLS closure alert from a cut (RFC 9112
 * §9.8), and half a document must never pass for a whole one.
 */
import http, { type IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { err, ok, type Result } from '../result.ts'

export interface ExchangeOptions<E> {
  readonly socket: TLSSocket
  /** As in the Host field: with the port unless it is 443. */
  readonly authority: string
  readonly path: string
  /** Sent by POST; absent: GET. */
  readonly content?: HttpsContent | undefined
  readonly bodyBytesMax: number
  /** Looks at status and fields before the body is read; what it returns ends the exchange. */
  readonly judgeHead: (head: ResponseHead) => E | undefined
  readonly signal: AbortSignal
  /** The head has come and the body is awaited. */
  readonly onBody: () => void
}

export interface HttpsContent {
  /** Content-Type, as it is sent. */
  readonly type: string
  readonly bytes: Uint8Array
  /** Authorization, as it is sent; never shown. */
  readonly authorization?: string
}

export interface ResponseHead {
  readonly status: number
  /** By lower-case name; a field that came twice has two values. */
  readonly fields: Readonly<Record<string, readonly string[] | undefined>>
}

export type ExchangeFailure =
  | { readonly kind: 'truncated'; readonly code: string }
  | { readonly kind: 'malformed'; readonly code: string }
  | { readonly kind: 'content-encoding' }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'aborted' }

/** Enough for any sensible server's fields; those of a page behind a content network measure 1 to 3 KiB. */
const HEAD_BYTES_MAX = 16 * 1024
const USER_AGENT = 'Hermetic'

export function exchange<E>(options: ExchangeOptions<E>): Promise<Result<Uint8Array, ExchangeFailure | E>> {
  const { socket, signal, content } = options
  return new Promise((resolve) => {
    const request = http.request({
      createConnection: () => socket,
      method: content === undefined ? 'GET' : 'POST',
      path: options.path,
      setHost: false,
      headers: {
        Host: options.authority,
        'User-Agent': USER_AGENT,
        'Accept-Encoding': 'identity',
        Connection: 'close',
        ...(content !== undefined && { 'Content-Type': content.type, 'Content-Length': content.bytes.length }),
        ...(content?.authorization !== undefined && { Authorization: content.authorization }),
      },
      maxHeaderSize: HEAD_BYTES_MAX,
      insecureHTTPParser: false,
    })
    const settle = (result: Result<Uint8Array, ExchangeFailure | E>) => {
      signal.removeEventListener('abort', onAbort)
      request.destroy()
      resolve(result)
    }
    const onAbort = () => settle(err({ kind: 'aborted' }))
    const onClose = () => settle(err({ kind: 'truncated', code: 'CLOSED' }))
    signal.addEventListener('abort', onAbort)
    // After the end, late errors of request and response come here too and change nothing.
    request.on('error', (error) => settle(err(failureOf(error))))
    request.on('close', onClose)
    request.on('upgrade', () => settle(err({ kind: 'malformed', code: 'UPGRADE' })))
    request.on('response', (response) => {
      request.off('close', onClose)
      readResponse(response, options, settle)
    })
    request.end(content?.bytes)
    if (signal.aborted) onAbort()
  })
}

function readResponse<E>(
  response: IncomingMessage,
  options: ExchangeOptions<E>,
  settle: (result: Result<Uint8Array, ExchangeFailure | E>) => void,
): void {
  response.on('error', (error) => settle(err(failureOf(error))))
  const head = { status: response.statusCode ?? 0, fields: response.headersDistinct }
  const refused = options.judgeHead(head) ?? unacceptable(response, options.bodyBytesMax)
  if (refused !== undefined) {
    settle(err(refused))
    return
  }
  options.onBody()
  const chunks: Buffer[] = []
  let length = 0
  response.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length > options.bodyBytesMax) settle(err({ kind: 'too-large' }))
    else chunks.push(chunk)
  })
  response.on('close', () => settle(err({ kind: 'truncated', code: 'CLOSED' })))
  response.on('end', () =>
    settle(response.complete ? ok(Buffer.concat(chunks)) : err({ kind: 'truncated', code: 'INCOMPLETE' })),
  )
}

/** What no room that asks could want, whatever it asked for. */
function unacceptable(response: IncomingMessage, bodyBytesMax: number): ExchangeFailure | undefined {
  const { headersDistinct: fields, httpVersion } = response
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return { kind: 'malformed', code: 'VERSION' }
  const codings = fields['content-encoding'] ?? []
  if (codings.some((coding) => coding.trim().toLowerCase() !== 'identity')) return { kind: 'content-encoding' }
  const [transferCoding, ...more] = fields['transfer-encoding'] ?? []
  const length = fields['content-length']?.[0]
  if (transferCoding === undefined && length === undefined) return { kind: 'malformed', code: 'NO_LENGTH' }
  if (transferCoding !== undefined && (more.length > 0 || transferCoding.toLowerCase() !== 'chunked')) {
    return { kind: 'malformed', code: 'TRANSFER_CODING' }
  }
  return Number(length ?? 0) > bodyBytesMax ? { kind: 'too-large' } : undefined
}

/** llhttp's codes begin with HPE_; everything else is a loss of the connection. */
function failureOf(error: NodeJS.ErrnoException): ExchangeFailure {
  const code = error.code ?? 'UNKNOWN'
  if (code === 'HPE_INVALID_EOF_STATE' || !code.startsWith('HPE_')) return { kind: 'truncated', code }
  return { kind: 'malformed', code }
}
