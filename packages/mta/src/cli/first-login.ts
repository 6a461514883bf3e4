/**
 * The login that `hermetic start` prints with its first line: made here, shown once, kept as a hash.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import { makeDurableDirectory } from '../spool/durable-file.ts'
import { type CredentialRecord, generateCredential, writeCredential } from '../submission/credential-file.ts'
import { CREDENTIALS_NAME } from '../wiring/relay-options.ts'
import { UserError } from './verb.ts'

/** A login whose secret is known now, so that a line can be printed that works when it is pasted. */
export interface Login {
  readonly username: string
  readonly secret: string
  readonly record: CredentialRecord
  readonly lives: 'with-process' | 'in-data-dir'
}

/**
 * Secrets are kept as hashes only. So the first start without a configuration makes a login that stays; later ones,
 * and `--try`, make one that ends with the process.
 */
export async function firstLogin(
  config: Config,
  { isTry, hasFile }: { readonly isTry: boolean; readonly hasFile: boolean },
): Promise<Login | undefined> {
  if (hasFile && !isTry) return undefined
  if (!config.listener.some((listener) => listener.require_auth)) return undefined
  const file = join(config.data_dir, CREDENTIALS_NAME)
  const isFirst = !isTry && (await stat(file).catch(() => undefined)) === undefined
  const username = isFirst ? 'app' : 'try'
  const { secret, record } = generateCredential(username)
  if (!isFirst) return { username, secret, record, lives: 'with-process' }
  await makeDurableDirectory(config.data_dir, {})
  const written = await writeCredential(file, record)
  if (!written.ok) throw new UserError(`the first login could not be stored: ${written.error}`)
  return { username, secret, record, lives: 'in-data-dir' }
}
