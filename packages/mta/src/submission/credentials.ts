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
import { SCRAM_ITERATIONS, type ScramVerifier } from './scram.ts'
import { hashCost, isSlow, matchesSecret, parseSecretHash, type SecretHash } from './secret-hash.ts'

export type Verification =
  | { readonly kind: 'accepted'; readonly account: Account; readonly remembered: boolean }
  | { readonly kind: 'rejected' }
  /** All slow-hash places are taken: 454 4.7.0. */
  | { readonly kind: 'busy' }

export interface ScramLogin {
  readonly verifier: ScramVerifier
  /** To be called when the client has proven that it knows the secret. */
  readonly proven: () => Account | undefined
  /** From this address it has proven that within the last ten minutes. */
  readonly recalled: boolean
}

export interface CredentialStore {
  verify(username: string, secret: string): Promise<Verification>
  /**
   * The account as it is now, for a session that logged in to it earlier; undefined: it is gone, or has another secret.
   * What the file says is known within a second.
   */
  current(account: Account): Account | undefined | Promise<Account | undefined>
  /** The pair was right within the last ten minutes: answers at once, so that a locked account keeps working. */
  recall(username: string, secret: string): Promise<Account | undefined>
  /** Every login could use it, as far as is known without waiting. */
  readonly offersScram: boolean
  /** Looks at the file, so that this is known when somebody asks. */
  look(): void
  /** For an unknown name too: what it answers differs only in that no proof fits. */
  scram(username: string, address: string): Promise<ScramLogin>
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
/** The file is not looked at for each message of a session. */
const LOOK_AGAIN_MS = 1_000
/** Two threads of the pool of four: file system work keeps the others. */
const SLOW_HASHES_MAX = 2
/** As long as those that `credential add` makes. */
const SCRAM_SALT_OCTETS = 16

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
  #offersScram = false
  #decoyKey: Buffer = this.#key
  #fileState = ''
  #looking: Promise<void> | undefined
  #lookedAt = Number.NEGATIVE_INFINITY
  /** What those that logged in had to prove. */
  readonly #secretHashes = new WeakMap<Account, string>()

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
    const slowest = this.#slowest ?? NOBODY
    const hash = known?.hash ?? slowest
    const verification = await this.#inPlace(hash, () => this.#compare(known, hash, secret))
    // A wrong secret must take as long as an unknown name, which pays for the slowest hash there is.
    if (verification.kind !== 'rejected' || hashCost(hash) >= hashCost(slowest)) return verification
    return this.#inPlace(slowest, () => this.#compare(undefined, slowest, secret))
  }

  current(account: Account): Account | undefined | Promise<Account | undefined> {
    if (this.#options.file === undefined || this.#now() - this.#lookedAt < LOOK_AGAIN_MS) return this.#inForce(account)
    return this.#refresh().then(() => this.#inForce(account))
  }

  #inForce(account: Account): Account | undefined {
    const known = this.#accounts.get(account.username)
    return known?.secretHash === this.#secretHashes.get(account) ? known?.account : undefined
  }

  async recall(username: string, secret: string): Promise<Account | undefined> {
    await this.#refresh()
    const known = this.#accounts.get(username)
    return known !== undefined && this.#isRemembered(known, secret) ? known.account : undefined
  }

  get offersScram(): boolean {
    return this.#offersScram
  }

  look(): void {
    // What stands in its way is told where it is met.
    void this.#refresh().catch(() => undefined)
  }

  async scram(username: string, address: string): Promise<ScramLogin> {
    await this.#refresh()
    const known = this.#accounts.get(username)
    if (known?.hash.kind !== 'scram')
      return { verifier: this.#decoy(username), proven: () => undefined, recalled: false }
    const asSecret = `SCRAM from ${address}`
    return {
      verifier: known.hash.verifier,
      recalled: this.#isRemembered(known, asSecret),
      proven: () => {
        this.#remember(known, asSecret)
        return known.account
      },
    }
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
    for (const { account, secretHash } of this.#accounts.values()) this.#secretHashes.set(account, secretHash)
    const hashes = [...this.#accounts.values()].map((known) => known.hash)
    this.#slowest = hashes.toSorted((a, b) => hashCost(b) - hashCost(a))[0]
    // A client that prefers it must not fail at a login that has none.
    this.#offersScram = hashes.length > 0 && hashes.every(({ kind }) => kind === 'scram')
    const [first] = hashes
    this.#decoyKey = first?.kind === 'scram' ? first.verifier.serverKey : this.#key
    this.#options.emit({ event: 'credentials-loaded', count: this.#accounts.size })
  }

  async #inPlace(hash: SecretHash, work: () => Promise<Verification>): Promise<Verification> {
    if (!isSlow(hash)) return work()
    if (this.#slowRunning >= SLOW_HASHES_MAX) return { kind: 'busy' }
    this.#slowRunning += 1
    try {
      return await work()
    } finally {
      this.#slowRunning -= 1
    }
  }

  async #compare(known: KnownAccount | undefined, hash: SecretHash, secret: string): Promise<Verification> {
    const matches = await matchesSecret(secret, hash)
    if (known === undefined || !matches) return { kind: 'rejected' }
    this.#remember(known, secret)
    return { kind: 'accepted', account: known.account, remembered: false }
  }

  /** What an unknown name is shown: the same each time, also by other relays and after a restart (RFC 5802 §9). */
  #decoy(username: string): ScramVerifier {
    const salt = createHmac('sha256', this.#decoyKey).update(username).digest().subarray(0, SCRAM_SALT_OCTETS)
    return { iterations: SCRAM_ITERATIONS, salt, storedKey: randomBytes(32), serverKey: randomBytes(32) }
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
      this.#lookedAt = this.#now()
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
