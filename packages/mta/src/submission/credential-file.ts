/**
 * `data_dir/credentials.json`: accounts that `hermetic credential add` made. Written whole, through a temporary
 * file that is also the lock between writers; read by the running relay whenever it changed.
 */
import { readFile, stat } from 'node:fs/promises'
import { err, ok, type Result } from '@hermetic/policy'
import { rewriteLocked } from '../spool/locked-file.ts'
import { type AccountTerms, readTerms, termsProblem } from './account.ts'
import { generateToken, parseSecretHash, scramToken } from './secret-hash.ts'

/** One account, as in the file and in `[[credential]]` of the settings. */
export interface CredentialRecord extends AccountTerms {
  readonly username: string
  readonly secretHash: string
}

const FORMAT_VERSION = 1
const USERNAME_LENGTH_MAX = 255
const FILE_OCTETS_MAX = 16 * 1024 * 1024

/** A new account with a secret of 160 random bits; the secret exists only in this answer. */
export function generateCredential(
  username: string,
  terms: AccountTerms = {},
): { readonly secret: string; readonly record: CredentialRecord } {
  const secret = generateToken()
  return { secret, record: { username, secretHash: scramToken(secret), ...terms } }
}

/** Why a record cannot be used; undefined when it can. */
export function credentialProblem(record: CredentialRecord): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
  if (record.username === '' || /[\x00-\x1f\x7f-\x9f]/.test(record.username))
    return 'username is empty or has control characters'
  if (record.username.length > USERNAME_LENGTH_MAX) return `username is longer than ${USERNAME_LENGTH_MAX}`
  if (parseSecretHash(record.secretHash) === undefined)
    return 'secret hash is none of SCRAM-SHA-256$…, sha256:… and scrypt:N:r:p:…:…'
  return termsProblem(record)
}

/** The accounts of a file; an absent file has none. */
export async function readCredentialFile(file: string): Promise<Result<readonly CredentialRecord[], string>> {
  let text: string
  try {
    if ((await stat(file)).size > FILE_OCTETS_MAX) return err('the file is too large')
    text = await readFile(file, 'utf8')
  } catch (error) {
    return hasCode(error, 'ENOENT') ? ok([]) : err(codeOf(error))
  }
  return parseCredentialFile(text)
}

export function parseCredentialFile(text: string): Result<readonly CredentialRecord[], string> {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    return err('not JSON')
  }
  if (!isObject(content) || content['version'] !== FORMAT_VERSION) return err(`not a version ${FORMAT_VERSION} file`)
  const list = content['credentials']
  if (!Array.isArray(list)) return err('no list of credentials')
  const records: CredentialRecord[] = []
  for (const [index, entry] of list.entries()) {
    const record = readRecord(entry)
    const problem = record === undefined ? 'wrong fields' : credentialProblem(record)
    if (record === undefined || problem !== undefined) return err(`entry ${index + 1}: ${problem}`)
    records.push(record)
  }
  return ok(records)
}

/** Adds the account, or replaces the one of that name. Other accounts stay; a damaged file is not overwritten. */
export async function writeCredential(
  file: string,
  record: CredentialRecord,
): Promise<Result<'added' | 'replaced', string>> {
  const problem = credentialProblem(record)
  if (problem !== undefined) return err(problem)
  return changeFile(file, (existing) => {
    const others = existing.filter((other) => other.username !== record.username)
    return { records: [...others, record], answer: others.length === existing.length ? 'added' : 'replaced' }
  })
}

/** Takes the account of that name out of the file. */
export async function removeCredential(file: string, username: string): Promise<Result<'removed' | 'absent', string>> {
  return changeFile(file, (existing) => {
    const others = existing.filter((other) => other.username !== username)
    return { records: others, answer: others.length === existing.length ? 'absent' : 'removed' }
  })
}

type Change<T> = (existing: readonly CredentialRecord[]) => {
  readonly records: readonly CredentialRecord[]
  readonly answer: T
}

function changeFile<T>(file: string, change: Change<T>): Promise<Result<T, string>> {
  return rewriteLocked(file, async () => {
    const existing = await readCredentialFile(file)
    if (!existing.ok) return existing
    const { records, answer } = change(existing.value)
    const text = `${JSON.stringify({ version: FORMAT_VERSION, credentials: records }, undefined, 2)}\n`
    return ok({ text, answer })
  })
}

function readRecord(entry: unknown): CredentialRecord | undefined {
  if (!isObject(entry)) return undefined
  const { username, secretHash } = entry
  const terms = readTerms(entry)
  if (typeof username !== 'string' || typeof secretHash !== 'string' || terms === undefined) return undefined
  return { username, secretHash, ...terms }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
}
