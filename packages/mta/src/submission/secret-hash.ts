/**
 * How secrets are kept: as a SCRAM verifier (`scram.ts`), or `sha256:<base64>`, for generated tokens of 160 random bits,
 * which need no stretching; `scrypt:N:r:p:<salt>:<hash>` for what people choose (architecture, decision 9). Comparison
 * takes constant time.
 */
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import {
  formatScramVerifier,
  makeScramVerifier,
  matchesScram,
  parseScramVerifier,
  SCRAM_ITERATIONS_MAX,
  type ScramVerifier,
} from './scram.ts'

export type SecretHash =
  | { readonly kind: 'scram'; readonly verifier: ScramVerifier }
  | { readonly kind: 'sha256'; readonly digest: Buffer }
  | { readonly kind: 'scrypt'; readonly cost: ScryptCost; readonly salt: Buffer; readonly hash: Buffer }

export interface ScryptCost {
  readonly N: number
  readonly r: number
  readonly p: number
}

/** 32 MiB and about a tenth of a second: the OWASP Password Storage equivalent of N=2^17, p=1. */
export const PASSWORD_COST: ScryptCost = { N: 2 ** 15, r: 8, p: 3 }

/** More would let one file entry occupy the memory of the process. */
const SCRYPT_MEMORY_MAX = 256 * 1024 * 1024
const SALT_OCTETS = 16
const HASH_OCTETS = 32
const TOKEN_OCTETS = 20
/** About ten milliseconds. */
const QUICK_ITERATIONS_MAX = 32_768

const SHA256 = /^sha256:([A-Za-z0-9+/]{43}=?)$/
const SCRYPT = /^scrypt:(\d{1,8}):(\d{1,3}):(\d{1,3}):([A-Za-z0-9+/]{16,}={0,2}):([A-Za-z0-9+/]{42,}={0,2})$/

/** Undefined when the text has none of the forms. */
export function parseSecretHash(text: string): SecretHash | undefined {
  const digest = SHA256.exec(text)?.[1]
  if (digest !== undefined) return { kind: 'sha256', digest: Buffer.from(digest, 'base64') }
  const verifier = parseScramVerifier(text)
  if (verifier !== undefined) return { kind: 'scram', verifier }
  const [, N, r, p, salt, hash] = SCRYPT.exec(text) ?? []
  if (salt === undefined || hash === undefined) return undefined
  const cost = { N: Number(N), r: Number(r), p: Number(p) }
  return isSaneCost(cost)
    ? { kind: 'scrypt', cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
    : undefined
}

export function generateToken(): string {
  return randomBytes(TOKEN_OCTETS).toString('base64url')
}

export function hashToken(token: string): string {
  return `sha256:${createHash('sha256').update(token).digest('base64')}`
}

/** Also lets the token log in without crossing the wire. */
export function scramToken(token: string): string {
  return formatScramVerifier(makeScramVerifier(token, randomBytes(SALT_OCTETS)))
}

export async function hashPassword(password: string, cost: ScryptCost = PASSWORD_COST): Promise<string> {
  const salt = randomBytes(SALT_OCTETS)
  const hash = await derive(password, { cost, salt, octets: HASH_OCTETS })
  return `scrypt:${cost.N}:${cost.r}:${cost.p}:${salt.toString('base64')}:${hash.toString('base64')}`
}

export async function matchesSecret(secret: string, known: SecretHash): Promise<boolean> {
  if (known.kind === 'sha256') return timingSafeEqual(createHash('sha256').update(secret).digest(), known.digest)
  if (known.kind === 'scram') return matchesScram(secret, known.verifier)
  const derived = await derive(secret, { cost: known.cost, salt: known.salt, octets: known.hash.length })
  return timingSafeEqual(derived, known.hash)
}

/** What a comparison costs beside another; whole classes apart. */
export function hashCost(hash: SecretHash): number {
  switch (hash.kind) {
    case 'sha256':
      return 0
    case 'scram':
      return hash.verifier.iterations
    case 'scrypt':
      return SCRAM_ITERATIONS_MAX + hash.cost.N * hash.cost.r * hash.cost.p
  }
}

/** More than some milliseconds: few of them may run at once. */
export function isSlow(hash: SecretHash): boolean {
  return hash.kind === 'scrypt' || (hash.kind === 'scram' && hash.verifier.iterations > QUICK_ITERATIONS_MAX)
}

function isSaneCost({ N, r, p }: ScryptCost): boolean {
  const powerOfTwo = N >= 2 && (N & (N - 1)) === 0
  return powerOfTwo && r >= 1 && p >= 1 && p <= 16 && 128 * N * r <= SCRYPT_MEMORY_MAX
}

function derive(
  secret: string,
  { cost, salt, octets }: { readonly cost: ScryptCost; readonly salt: Buffer; readonly octets: number },
): Promise<Buffer> {
  // Node refuses by default what needs more than 32 MiB.
  const options = { ...cost, maxmem: 2 * SCRYPT_MEMORY_MAX }
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, octets, options, (error, derived) => (error === null ? resolve(derived) : reject(error)))
  })
}
