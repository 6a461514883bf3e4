/**
 * SCRAM-SHA-256, the server's side: RFC 5802 with RFC 7677. The password never crosses the wire, and what is kept of it lets
 * nobody log in. Channel binding is not offered. Pure but for the hash functions.
 */
import { createHash, createHmac, pbkdf2, pbkdf2Sync, timingSafeEqual } from 'node:crypto'

/** What is kept of a password; RFC 5802 §3. */
export interface ScramVerifier {
  readonly iterations: number
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** RFC 7677 §4: the least; secrets here have 160 random bits, which no repetition makes safer. */
export const SCRAM_ITERATIONS = 4096
export const SCRAM_ITERATIONS_MAX = 1_000_000
const KEY_OCTETS = 32

// As other programs keep it too, so that verifiers can be brought along.
const VERIFIER = /^SCRAM-SHA-256\$(\d{4,7}):([A-Za-z0-9+/]{8,}={0,2})\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$/

/** Undefined when the text is none. */
export function parseScramVerifier(text: string): ScramVerifier | undefined {
  const [, iterations, salt = '', storedKey = '', serverKey = ''] = VERIFIER.exec(text) ?? []
  const count = Number(iterations)
  if (iterations === undefined || count < SCRAM_ITERATIONS || count > SCRAM_ITERATIONS_MAX) return undefined
  const [saltOctets, stored, server] = [salt, storedKey, serverKey].map((part) => Buffer.from(part, 'base64'))
  if (saltOctets === undefined || stored === undefined || server === undefined) return undefined
  return { iterations: count, salt: saltOctets, storedKey: stored, serverKey: server }
}

export function formatScramVerifier({ iterations, salt, storedKey, serverKey }: ScramVerifier): string {
  const [saltText, stored, server] = [salt, storedKey, serverKey].map((part) => part.toString('base64'))
  return `SCRAM-SHA-256$${iterations}:${saltText}$${stored}:${server}`
}

export function makeScramVerifier(password: string, salt: Buffer, iterations = SCRAM_ITERATIONS): ScramVerifier {
  return verifierOf(pbkdf2Sync(password, salt, iterations, KEY_OCTETS, 'sha256'), { salt, iterations })
}

/** Whether a password that came in clear, as PLAIN brings it, is the one. */
export function matchesScram(password: string, { iterations, salt, storedKey }: ScramVerifier): Promise<boolean> {
  return new Promise((resolve, reject) => {
    pbkdf2(password, salt, iterations, KEY_OCTETS, 'sha256', (error, salted) => {
      if (error !== null) reject(error)
      else resolve(timingSafeEqual(verifierOf(salted, { salt, iterations }).storedKey, storedKey))
    })
  })
}

function verifierOf(
  salted: Buffer,
  { salt, iterations }: { readonly salt: Buffer; readonly iterations: number },
): ScramVerifier {
  return { iterations, salt, storedKey: sha256(hmac(salted, 'Client Key')), serverKey: hmac(salted, 'Server Key') }
}

/** The client's first message. */
export interface ClientFirst {
  readonly username: string
  /** Empty, or who to act for. */
  readonly authorizationId: string
  readonly nonce: string
  /** What the client's last message must say of channel binding. */
  readonly header: string
  /** The message without its header, for the proof. */
  readonly bare: string
}

// RFC 5802 §7: gs2-header, then client-first-message-bare; `m=` would be an extension that must be understood.
const CLIENT_FIRST = /^([ny],(?:a=([^,]*))?,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,]*)*)$/
const CLIENT_LAST = /^(c=([A-Za-z0-9+/]+={0,2}),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,]*)*),p=([A-Za-z0-9+/]{43}=)$/
const NONCE_LENGTH_MAX = 256

export function parseClientFirst(text: string): ClientFirst | undefined {
  const [, header = '', authorization = '', bare = '', name = '', nonce = ''] = CLIENT_FIRST.exec(text) ?? []
  const username = saslName(name)
  const authorizationId = saslName(authorization)
  if (bare === '' || username === undefined || authorizationId === undefined) return undefined
  return nonce.length > NONCE_LENGTH_MAX ? undefined : { username, authorizationId, nonce, header, bare }
}

/** RFC 5802 §5.1: comma and equals sign are written as =2C and =3D, and nothing else is. */
function saslName(text: string): string | undefined {
  if (/=(?!2C|3D)/.test(text)) return undefined
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

/** The exchange from the server's first message on. */
export interface ScramExchange {
  readonly first: ClientFirst
  readonly verifier: ScramVerifier
  /** The client's with ours behind it. */
  readonly nonce: string
  /** To be sent. */
  readonly serverFirst: string
}

export function answerFirst(first: ClientFirst, verifier: ScramVerifier, ownNonce: string): ScramExchange {
  const nonce = first.nonce + ownNonce
  const serverFirst = `r=${nonce},s=${verifier.salt.toString('base64')},i=${verifier.iterations}`
  return { first, verifier, nonce, serverFirst }
}

export type ScramEnd =
  /** `proof`: to be sent, so that the client sees that we know it too. */
  { readonly kind: 'proven'; readonly proof: string } | { readonly kind: 'refused' } | { readonly kind: 'malformed' }

export function endExchange(exchange: ScramExchange, clientLast: string): ScramEnd {
  const { first, verifier, nonce, serverFirst } = exchange
  const [, withoutProof = '', binding = '', echoed, proof = ''] = CLIENT_LAST.exec(clientLast) ?? []
  if (echoed === undefined) return { kind: 'malformed' }
  const bound = Buffer.from(binding, 'base64').equals(Buffer.from(first.header))
  const message = `${first.bare},${serverFirst},${withoutProof}`
  const signature = hmac(verifier.storedKey, message)
  const clientKey = Buffer.from(proof, 'base64').map((octet, at) => octet ^ (signature[at] ?? 0))
  const isRight = timingSafeEqual(sha256(clientKey), verifier.storedKey)
  if (!isRight || !bound || echoed !== nonce) return { kind: 'refused' }
  return { kind: 'proven', proof: `v=${hmac(verifier.serverKey, message).toString('base64')}` }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(octets: Uint8Array): Buffer {
  return createHash('sha256').update(octets).digest()
}
