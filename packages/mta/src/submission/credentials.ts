/**
 * Who may submit: the accounts of the settings and of `credentials.json`, the latter read again when it changed.
 * A damaged file keeps the last good one in force.
 *
 * A refusal costs the same whether the account exists or not (SUB-05, RFC 4954 §9). A pair that was right is
 * remembered as an HMAC under a key of this process, so that slow hashes are paid once in ten minutes and not for
 * each connection (architecture, decision 9).
 */
import { createHmac, randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { type Account, accountOf } from './account.ts'
import { type CredentialRecord, readCredentialFile } from './credential-file.ts'
import type { SubmissionEvent } from './events.ts'
import { matchesSecret, parseSecretHash, type SecretHash } from './secret-hash.ts'

export type Verification =
  | { readonly kind: 'accepted'; readonly account: Account; readonly remembered: boolean }
  | { readonly kind: 'rejected' }
  /** All slow-hash places are taken: 454 4.7.0. */
  | { readonly kind: 'busy' }

export interface CredentialStore {
  verify(username: string, secret: string): Promise<Verification>
  /** The pair was right within the last ten minutes: answers at once, so that a locked account keeps working. */
  recall(username: string, secret: string): Promise<Account | undefined>
  count(): Promise<number>
  /** Other accounts from the settings; the answer puts them in force, those of the file stay. */
  prepareFixed(fixed: readonly CredentialRecord[]): Promise<() => void>
}

export interface CredentialOptions {
  /** Absent: only the fixed accounts. */
  readonly file?: string
  /** From `[[credential]]`; they win over accounts of the same name in the file. */
  readonly fixed: readonly CredentialRecord[]
  readonly emit: (event: SubmissionEvent) => void
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

const REMEMBER_MS = 10 * 60 * 1000
const REMEMBERED_MAX = 10_000
/** Two threads of the pool of four: file system work keeps the others. */
const SLOW_HASHES_MAX = 2

interface KnownAccount {
  readonly account: Account
  readonly secretHash: string
  readonly hash: SecretHash
}

export async function openCredentials(options: CredentialOptions): Promise<CredentialStore> {
  const store = new FileCredentials(options)
  await store.load()
  return store
}

class FileCredentials implements CredentialStore {
  readonly #options: CredentialOptions
  readonly #now: () => number
  #fixed: readonly CredentialRecord[]
  /** Of the file, as it was when it could be read. */
  #kept: readonly CredentialRecord[] = []
  readonly #key = randomBytes(32)
  readonly #remembered = new Map<string, number>()
  #accounts: ReadonlyMap<string, KnownAccount> = new Map()
  #slowest: SecretHash | undefined
  #slowRunning = 0
  #fileState = ''
  #looking: Promise<void> | undefined

  constructor(options: CredentialOptions) {
    this.#options = options
    this.#fixed = options.fixed
    this.#now = options.now ?? (() => performance.now())
  }

  async verify(username: string, secret: string): Promise<Verification> {
    await this.#refresh()
    const known = this.#accounts.get(username)
    if (known !== undefined && this.#isRemembered(known, secret)) {
      return { kind: 'accepted', account: known.account, remembered: true }
    }
    const slow = this.#slowest !== undefined && known?.hash.kind !== 'sha256'
    if (slow) return this.#withSlowPlace(() => this.#compare(known, secret))
    const verification = await this.#compare(known, secret)
    // A wrong token must take as long as an unknown name, which pays for the slowest hash there is.
    if (verification.kind === 'accepted' || this.#slowest === undefined) return verification
    return this.#withSlowPlace(() => this.#compare(undefined, secret))
  }

  async recall(username: string, secret: string): Promise<Account | undefined> {
    await this.#refresh()
    const known = this.#accounts.get(username)
    return known !== undefined && this.#isRemembered(known, secret) ? known.account : undefined
  }

  async count(): Promise<number> {
    await this.#refresh()
    return this.#accounts.size
  }

  async prepareFixed(fixed: readonly CredentialRecord[]): Promise<() => void> {
    const kept = await this.#readFile()
    return () => {
      this.#fixed = fixed
      this.#take(kept ?? this.#kept)
    }
  }

  async load(): Promise<void> {
    const kept = await this.#readFile()
    if (kept === undefined && this.#accounts.size > 0) return
    this.#take(kept ?? [])
  }

  /** Undefined: it cannot be used, and that is told. */
  async #readFile(): Promise<readonly CredentialRecord[] | undefined> {
    const { file, emit } = this.#options
    const read = file === undefined ? undefined : await readCredentialFile(file)
    if (read?.ok !== false) return read?.value ?? []
    emit({ event: 'credentials-unreadable', detail: read.error })
    return undefined
  }

  #take(kept: readonly CredentialRecord[]): void {
    this.#kept = kept
    this.#accounts = new Map([...kept, ...this.#fixed].flatMap((record) => knownAccount(record)))
    const hashes = [...this.#accounts.values()].map((known) => known.hash)
    this.#slowest = hashes.filter((hash) => hash.kind === 'scrypt').sort((a, b) => work(b) - work(a))[0]
    this.#options.emit({ event: 'credentials-loaded', count: this.#accounts.size })
  }

  async #withSlowPlace(work: () => Promise<Verification>): Promise<Verification> {
    if (this.#slowRunning >= SLOW_HASHES_MAX) return { kind: 'busy' }
    this.#slowRunning += 1
    try {
      return await work()
    } finally {
      this.#slowRunning -= 1
    }
  }

  async #compare(known: KnownAccount | undefined, secret: string): Promise<Verification> {
    const hash = known?.hash ?? this.#slowest ?? NOBODY
    const matches = await matchesSecret(secret, hash)
    if (known === undefined || !matches) return { kind: 'rejected' }
    this.#remember(known, secret)
    return { kind: 'accepted', account: known.account, remembered: false }
  }

  /** The stored hash is part of the key: a changed secret forgets the old one. */
  #pair(known: KnownAccount, secret: string): string {
    const hmac = createHmac('sha256', this.#key)
    return hmac.update(JSON.stringify([known.account.username, known.secretHash, secret])).digest('base64')
  }

  #isRemembered(known: KnownAccount, secret: string): boolean {
    const until = this.#remembered.get(this.#pair(known, secret))
    return until !== undefined && until > this.#now()
  }

  #remember(known: KnownAccount, secret: string): void {
    const pair = this.#pair(known, secret)
    this.#remembered.delete(pair)
    this.#remembered.set(pair, this.#now() + REMEMBER_MS)
    if (this.#remembered.size <= REMEMBERED_MAX) return
    const oldest = this.#remembered.keys().next().value
    if (oldest !== undefined) this.#remembered.delete(oldest)
  }

  async #refresh(): Promise<void> {
    const { file } = this.#options
    if (file === undefined) return
    // Always, not only for unknown names: an account that was just removed is out, and both cost the same.
    this.#looking ??= this.#look(file).finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(file: string): Promise<void> {
    const state = await stat(file).then(
      (found) => `${found.ino} ${found.size} ${found.mtimeMs}`,
      () => 'absent',
    )
    if (state === this.#fileState) return
    this.#fileState = state
    await this.load()
  }
}

/** What a secret is compared with when there is no account and no slow hash: nothing has this digest. */
const NOBODY: SecretHash = { kind: 'sha256', digest: randomBytes(32) }

function knownAccount(record: CredentialRecord): [string, KnownAccount][] {
  const hash = parseSecretHash(record.secretHash)
  if (hash === undefined) return []
  const account = accountOf(record.username, record)
  return [[record.username, { account, secretHash: record.secretHash, hash }]]
}

function work(hash: SecretHash): number {
  return hash.kind === 'scrypt' ? hash.cost.N * hash.cost.r * hash.cost.p : 0
}
