/**
 * The token file of the API: names, roles, and the SHA-256 of secrets of 160 random bits, which need no stretching. Made
 * by `hermetic api token`; read by the relay whenever it changed.
 */
import { readFile, stat } from 'node:fs/promises'
import { err, ok, type Result } from '@hermetic/policy'
import type { OrderRole } from '../admin/control-order.ts'
import { isErrno } from '../spool/durable-file.ts'
import { rewriteLocked } from '../spool/locked-file.ts'
import { generateToken, hashToken } from '../submission/secret-hash.ts'

export interface TokenRecord {
  readonly name: string
  readonly role: OrderRole
  /** `sha256:<base64>`. */
  readonly hash: string
  /** ISO 8601. */
  readonly created: string
}

const FORMAT_VERSION = 1
const TOKENS_MAX = 1_000
const FILE_OCTETS_MAX = 1024 * 1024
/** Names stand in logs and in the audit. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/
const HASH = /^sha256:[A-Za-z0-9+/]{43}=$/
/** Programs that look for secrets in repositories find it by this. */
const SECRET_PREFIX = 'hermetic_'

export function isTokenName(text: string): boolean {
  return NAME.test(text)
}

/** The secret exists only in this answer. */
export function generateApiToken(
  name: string,
  { role, now }: { readonly role: OrderRole; readonly now: number },
): { readonly secret: string; readonly record: TokenRecord } {
  const secret = `${SECRET_PREFIX}${generateToken()}`
  return { secret, record: { name, role, hash: hashToken(secret), created: new Date(now).toISOString() } }
}

/** An absent file is an error: nobody could log in. */
export async function readTokenFile(path: string): Promise<Result<readonly TokenRecord[], string>> {
  try {
    if ((await stat(path)).size > FILE_OCTETS_MAX) return err('the file is too large')
    return parseTokenFile(await readFile(path, 'utf8'))
  } catch (error) {
    return err(error instanceof Error && 'code' in error ? String(error.code) : 'unreadable')
  }
}

export function parseTokenFile(text: string): Result<readonly TokenRecord[], string> {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    return err('not JSON')
  }
  const { version, tokens } = fieldsOf(content)
  if (version !== FORMAT_VERSION) return err(`not a version ${FORMAT_VERSION} file`)
  if (!Array.isArray(tokens) || tokens.length > TOKENS_MAX) return err(`no list of at most ${TOKENS_MAX} tokens`)
  const records: TokenRecord[] = []
  for (const [index, entry] of tokens.entries()) {
    const record = recordOf(entry)
    if (record === undefined) return err(`entry ${index + 1}: wrong fields`)
    if (records.some(({ name }) => name === record.name))
      return err(`entry ${index + 1}: ${record.name} is there twice`)
    records.push(record)
  }
  return ok(records)
}

/** Names are given once: who is in the audit stays who it was. */
export function addToken(path: string, record: TokenRecord): Promise<Result<'added' | 'taken' | 'full', string>> {
  return changed(path, (tokens) => {
    if (tokens.some(({ name }) => name === record.name)) return { tokens, answer: 'taken' }
    return tokens.length < TOKENS_MAX ? { tokens: [...tokens, record], answer: 'added' } : { tokens, answer: 'full' }
  })
}

export function removeToken(path: string, name: string): Promise<Result<'removed' | 'absent', string>> {
  return changed(path, (tokens) => {
    const left = tokens.filter((token) => token.name !== name)
    return { tokens: left, answer: left.length === tokens.length ? 'absent' : 'removed' }
  })
}

function changed<T>(
  path: string,
  change: (tokens: readonly TokenRecord[]) => { readonly tokens: readonly TokenRecord[]; readonly answer: T },
): Promise<Result<T, string>> {
  return rewriteLocked(path, async () => {
    const isThere = await stat(path).then(
      () => true,
      (error: unknown) => !isErrno(error, 'ENOENT'),
    )
    const existing = isThere ? await readTokenFile(path) : ok([])
    if (!existing.ok) return existing
    const { tokens, answer } = change(existing.value)
    return ok({ text: `${JSON.stringify({ version: FORMAT_VERSION, tokens }, undefined, 2)}\n`, answer })
  })
}

function recordOf(entry: unknown): TokenRecord | undefined {
  const { name, role, hash, created } = fieldsOf(entry)
  if (typeof name !== 'string' || !isTokenName(name)) return undefined
  if (role !== 'read' && role !== 'operate') return undefined
  if (typeof hash !== 'string' || !HASH.test(hash)) return undefined
  return typeof created === 'string' ? { name, role, hash, created } : undefined
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
