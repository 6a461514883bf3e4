/**
 * Private keys on disk: read with what makes them unusable, written once and never over another (a lost key would make
 * every record that is published useless). Modes are judged: who can write a key signs in our name.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { err, ok, type Result } from '@hermetic/policy'
import { type KeyProblem, parseSigningKey, type SigningKey } from './signing-key.ts'

export type KeyFileProblem =
  | KeyProblem
  | 'too-large'
  | 'writable-by-others'
  | { readonly kind: 'unreadable'; readonly error: unknown }

export interface KeyFile {
  readonly key: SigningKey
  /** Everybody on this machine may read it. */
  readonly exposed: boolean
}

/** RSA 4096 in PEM takes 3.3 KB. */
const PEM_BYTES_MAX = 16 * 1024
const WRITABLE_BY_OTHERS = 0o022
const READABLE_BY_ALL = 0o004

export function readKeyFile(path: string): Result<KeyFile, KeyFileProblem> {
  let pem: Buffer
  let mode: number
  try {
    const file = openSync(path, 'r')
    try {
      mode = fstatSync(file).mode
      const buffer = Buffer.alloc(PEM_BYTES_MAX + 1)
      pem = buffer.subarray(0, readSync(file, buffer))
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return err({ kind: 'unreadable', error })
  }
  if (pem.length > PEM_BYTES_MAX) return err('too-large')
  if ((mode & WRITABLE_BY_OTHERS) !== 0) return err('writable-by-others')
  const key = parseSigningKey(pem)
  return key.ok ? ok({ key: key.value, exposed: (mode & READABLE_BY_ALL) !== 0 }) : key
}

/** Where a key is when the configuration does not say it. */
export function keyFilePath(dataDir: string, domain: string, selector: string): string {
  return join(dataDir, 'dkim', `${selector}._domainkey.${domain}.pem`)
}

/** Rejects with EEXIST when there is a file of that name. */
export async function writeKeyFile(path: string, pem: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file: FileHandle = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(pem)
    await file.sync()
  } finally {
    await file.close()
  }
}

export function keyFileProblemText(problem: KeyFileProblem, describe: (error: unknown) => string): string {
  if (typeof problem === 'object') return `cannot be read (${describe(problem.error)})`
  return PROBLEM_TEXT[problem]
}

const PROBLEM_TEXT = {
  'too-large': 'is larger than any private key',
  'writable-by-others': 'can be written by others than its owner',
  'not-a-private-key': 'is no unencrypted private key in PEM',
  'other-type': 'is neither an RSA nor an Ed25519 key',
  'too-weak': 'is an RSA key of less than 2048 bits',
  'too-long': 'is an RSA key of more than 4096 bits',
} as const
