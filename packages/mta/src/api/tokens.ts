/**
 * Who may use the API now: the token file, looked at again once a second at most. A damaged one keeps the last good one in
 * force; a removed token is refused within that second.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { ok, type Result } from '@hermetic/policy'
import type { OrderRole } from '../admin/control-order.ts'
import type { ApiEvent } from './events.ts'
import { readTokenFile, type TokenRecord } from './token-file.ts'

export interface Caller {
  readonly token: string
  readonly role: OrderRole
}

export interface ApiTokensOptions {
  readonly path: string
  readonly emit: (event: ApiEvent) => void
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
}

const LOOK_EVERY_MS = 1_000
/** A secret of ours is shorter; the rest of what somebody sends need not be hashed. */
const SECRET_MAX = 128

interface Known extends Caller {
  readonly digest: Buffer
}

export class ApiTokens {
  readonly #options: ApiTokensOptions
  #known: readonly Known[] = []
  #state = ''
  #lookedAt = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | undefined
  readonly #path: string

  constructor(options: ApiTokensOptions) {
    this.#options = options
    this.#path = options.path
  }

  /** The error says what is wrong with the file. */
  async load(): Promise<Result<void, string>> {
    const read = await readTokenFile(this.#path)
    if (!read.ok) return read
    this.#state = await stateOf(this.#path)
    this.#lookedAt = this.#options.monotonic()
    this.#take(read.value)
    return ok(undefined)
  }

  /** Undefined: nobody has this secret. Every known one is compared, in constant time. */
  async callerOf(secret: string): Promise<Caller | undefined> {
    await this.#look()
    if (secret.length > SECRET_MAX) return undefined
    const digest = createHash('sha256').update(secret).digest()
    let found: Caller | undefined
    for (const { digest: other, token, role } of this.#known) {
      if (timingSafeEqual(digest, other)) found = { token, role }
    }
    return found
  }

  #look(): Promise<void> {
    if (this.#options.monotonic() - this.#lookedAt < LOOK_EVERY_MS) return Promise.resolve()
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #lookNow(): Promise<void> {
    this.#lookedAt = this.#options.monotonic()
    const state = await stateOf(this.#path)
    if (state === this.#state) return
    this.#state = state
    const read = await readTokenFile(this.#path)
    if (read.ok) this.#take(read.value)
    else this.#options.emit({ event: 'api-tokens-unreadable', path: this.#path, detail: read.error })
  }

  #take(records: readonly TokenRecord[]): void {
    this.#known = records.map(({ name, role, hash }) => {
      return { token: name, role, digest: Buffer.from(hash.slice('sha256:'.length), 'base64') }
    })
    this.#options.emit({ event: 'api-tokens-loaded', count: records.length })
  }
}

async function stateOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  return found === undefined ? 'absent' : `${found.ino} ${found.mtimeNs} ${found.size}`
}
