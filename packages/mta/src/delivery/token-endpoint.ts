/**
 * The token endpoint of an authorization server: an access token for a refresh token (RFC 6749 §6), by the guarded HTTPS
 * client, so that nothing is shown to a host that has not proven its name.
 *
 * What it answers is read strictly and is never shown but for the error codes of RFC 6749 §5.2.
 */
import type { DomainName, GuardedHttps, HttpsFailure, ResponseHead } from '@hermetic/policy'
import { Secret } from '../config/secret.ts'
import type { Concealed, TokenProblem } from '../smtp/auth.ts'
import type { IssuedToken } from './access-token.ts'

export interface TokenEndpoint {
  readonly host: DomainName
  readonly port: number
  /** With its query. */
  readonly path: string
}

export interface TokenGrant {
  readonly endpoint: TokenEndpoint
  readonly clientId: string
  /** Absent: a public client. */
  readonly clientSecret?: Concealed | undefined
  /** Where the client says who it is (RFC 6749 §2.3.1): some servers know one way only. Absent: in the body. */
  readonly clientAuth?: 'body' | 'basic' | undefined
  readonly refreshToken: Concealed
  readonly scope?: string | undefined
}

/** Tokens of large providers have a few kilobytes. */
const ANSWER_BYTES_MAX = 64 * 1024
const TOKEN_MAX = 16 * 1024
/** RFC 6750 §2.1. */
const BEARER_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/
/** RFC 6749 §5.2: characters of an error code. */
const ERROR_CODE = /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}$/
/** RFC 6749 §5.1 recommends `expires_in`; without it somebody else decided, and we ask often. */
const LIFETIME_SECONDS = 300
const LIFETIME_SECONDS_MAX = 86_400
/** A smarthost waits for the login meanwhile. */
const WAIT_MS = 20_000

interface Unexpected {
  readonly kind: 'status'
  readonly status: number
}

export async function askForToken(
  grant: TokenGrant,
  https: Pick<GuardedHttps, 'exchange'>,
): Promise<IssuedToken | TokenProblem> {
  const { host, port, path } = grant.endpoint
  let refused = false
  const answer = await https.exchange<Unexpected>({
    ...{ host, port, path, bodyBytesMax: ANSWER_BYTES_MAX, signal: AbortSignal.timeout(WAIT_MS) },
    content: { type: 'application/x-www-form-urlencoded', bytes: Buffer.from(requestOf(grant)), ...basicOf(grant) },
    judgeHead: ({ status }: ResponseHead) => {
      // RFC 6749 §5.2: 400, and 401 for an unknown client.
      refused = status === 400 || status === 401
      return status === 200 || refused ? undefined : { kind: 'status', status }
    },
  })
  if (!answer.ok) return { kind: 'no-token', detail: `${host}: ${failureText(answer.error)}` }
  const fields = fieldsOf(answer.value.body)
  return refused ? refusalOf(fields, host) : tokenOf(fields, host)
}

function requestOf(grant: TokenGrant): string {
  const { refreshToken, scope } = grant
  return new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: refreshToken.reveal(),
    ...inBody(grant),
    ...(scope === undefined ? {} : { scope }),
  }).toString()
}

/** RFC 6749 §2.3: one way in each request. */
function inBody({ clientId, clientSecret, clientAuth }: TokenGrant): Readonly<Record<string, string>> {
  if (clientAuth === 'basic') return {}
  return { client_id: clientId, ...(clientSecret === undefined ? {} : { client_secret: clientSecret.reveal() }) }
}

/** RFC 6749 §2.3.1: both are encoded as in a form before they are joined, so that a colon in them is none. */
function basicOf({ clientId, clientSecret, clientAuth }: TokenGrant): { readonly authorization?: string } {
  if (clientAuth !== 'basic' || clientSecret === undefined) return {}
  const words = [clientId, clientSecret.reveal()].map((word) => new URLSearchParams({ '': word }).toString().slice(1))
  return { authorization: `Basic ${Buffer.from(words.join(':')).toString('base64')}` }
}

function failureText(failure: HttpsFailure | Unexpected): string {
  if (failure.kind === 'status') return `status ${failure.status}`
  if (failure.kind === 'connect') return `cannot be reached (${failure.code})`
  return failure.kind === 'webpki' ? `its certificate is not proven (${failure.reason})` : failure.kind
}

type Fields = Readonly<Record<string, unknown>>

function fieldsOf(body: Uint8Array): Fields {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
  } catch {
    return {}
  }
}

function refusalOf({ error }: Fields, host: string): TokenProblem {
  if (typeof error !== 'string' || !ERROR_CODE.test(error)) {
    return { kind: 'no-token', detail: `${host}: a refusal without a reason` }
  }
  return { kind: 'grant-refused', said: `${host} says ${error}` }
}

function tokenOf({ access_token: token, expires_in: lifetime }: Fields, host: string): IssuedToken | TokenProblem {
  if (typeof token !== 'string' || token.length > TOKEN_MAX || !BEARER_TOKEN.test(token)) {
    return { kind: 'no-token', detail: `${host}: an answer without a token` }
  }
  const seconds = typeof lifetime === 'number' && lifetime > 0 ? lifetime : LIFETIME_SECONDS
  const lifetimeMs = Math.min(seconds, LIFETIME_SECONDS_MAX) * 1000
  return { kind: 'issued', token: new Secret(token), lifetimeMs }
}
