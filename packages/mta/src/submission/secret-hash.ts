/**
 * How secrets are kept: `sha256:<base64>` for generated tokens of 160 random bits, which need no stretching, and
 * `scrypt:N:r:p:<salt>:<hash>` for what people choose (architecture, decision 9). Comparison takes constant time.
 */
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

export type SecretHash =
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

const SHA256 = /^sha256:([A-Za-z0-9+/]{43}=?)$/
const SCRYPT = /^scrypt:(\d{1,8}):(\d{1,3}):(\d{1,3}):([A-Za-z0-9+/]{16,}={0,2}):([A-Za-z0-9+/]{42,}={0,2})$/

/** Undefined when the text is neither form. */
export function parseSecretHash(text: string): SecretHash | undefined {
  const digest = SHA256.exec(text)?.[1]
  if (digest !== undefined) return { kind: 'sha256', digest: Buffer.from(digest, 'base64') }
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

export async function hashPassword(password: string, cost: ScryptCost = PASSWORD_COST): Promise<string> {
  const salt = randomBytes(SALT_OCTETS)
  const hash = await derive(password, { cost, salt, octets: HASH_OCTETS })
  return `scrypt:${cost.N}:${cost.r}:${cost.p}:${salt.toString('base64')}:${hash.toString('base64')}`
}

export async function matchesSecret(secret: string, known: SecretHash): Promise<boolean> {
  if (known.kind === 'sha256') return timingSafeEqual(createHash('sha256').update(secret).digest(), known.digest)
  const derived = await derive(secret, { cost: known.cost, salt: known.salt, octets: known.hash.length })
  return timingSafeEqual(derived, known.hash)
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
