/**
 * The list as the relay uses it: asked before mail is taken or sent, and told in batches what became of recipients. Nothing
 * waits for what it stores, and when the list does not answer nobody is suppressed: mail is never lost to it.
 */
import type { SettledClaim } from '../delivery/events.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import type { SuppressionEvent } from './events.ts'
import { refusalForGood, type StatusPattern } from './rule.ts'
import {
  type Noted,
  type Suppressed,
  type SuppressionKey,
  type SuppressionList,
  suppressionKey,
} from './suppression-list.ts'

export interface KeeperOptions {
  readonly list: SuppressionList
  /** Asked each time: they may change while the relay runs. */
  readonly statuses: () => readonly StatusPattern[]
  /** A single refusal suppresses: deliveries say nothing then. */
  readonly single: () => boolean
  readonly emit: (event: SuppressionEvent) => void
}

/** Of these addresses, which get no mail. */
export type FindSuppressed = (addresses: readonly MailAddress[]) => Promise<ReadonlyMap<SuppressionKey, Suppressed>>

/** Outcomes are stored together after this time; a crash forgets them. */
const FLUSH_MS = 250
/** Outcomes in memory while the list does not answer. */
const WAITING_MAX = 20_000
const BATCH_MAX = 1_000

type Waiting = { readonly refused: Noted['refused'][number] } | { readonly delivered: SuppressionKey }

const NOBODY: ReadonlyMap<SuppressionKey, Suppressed> = new Map()

export class SuppressionKeeper {
  readonly #options: KeeperOptions
  #waiting: Waiting[] = []
  #dropped = 0
  #timer: NodeJS.Timeout | undefined
  #storing: Promise<void> = Promise.resolve()
  #failing = false

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  readonly find: FindSuppressed = async (addresses) => {
    try {
      const found = await this.#options.list.find(addresses.map(suppressionKey))
      this.#answered()
      return found
    } catch (error) {
      this.#failed(error)
      return NOBODY
    }
  }

  /** Recipients of a claim that is settled. */
  settled({ recipients }: Pick<SettledClaim, 'recipients'>): void {
    const statuses = this.#options.statuses()
    const single = this.#options.single()
    for (const { address, outcome } of recipients) {
      const status = refusalForGood(outcome, statuses)
      if (status !== undefined) this.#note({ refused: { address: suppressionKey(address), status } })
      else if (outcome.kind === 'delivered' && !single) this.#note({ delivered: suppressionKey(address) })
    }
  }

  /** Stores what was noted; for the end, and for tests. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#storing = this.#storing.then(() => this.#store())
    await this.#storing
  }

  #note(one: Waiting): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.#dropped += 1
      return
    }
    this.#waiting.push(one)
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref()
  }

  async #store(): Promise<void> {
    if (this.#dropped > 0) {
      this.#options.emit({ event: 'suppression-dropped', outcomes: this.#dropped })
      this.#dropped = 0
    }
    const all = this.#waiting
    this.#waiting = []
    for (let start = 0; start < all.length; start += BATCH_MAX) {
      const batch = all.slice(start, start + BATCH_MAX)
      try {
        const added = await this.#options.list.note({
          refused: batch.flatMap((one) => ('refused' in one ? [one.refused] : [])),
          delivered: batch.flatMap((one) => ('delivered' in one ? [one.delivered] : [])),
        })
        this.#answered()
        for (const entry of added) this.#tell(entry)
      } catch (error) {
        this.#failed(error)
      }
    }
  }

  #tell({ address: recipient, by, status, until }: Suppressed): void {
    this.#options.emit({
      ...{ event: 'address-suppressed', recipient, by, until },
      ...(status === undefined ? {} : { status }),
    })
  }

  #answered(): void {
    if (!this.#failing) return
    this.#failing = false
    this.#options.emit({ event: 'suppression-recovered' })
  }

  #failed(error: unknown): void {
    if (this.#failing) return
    this.#failing = true
    this.#options.emit({ event: 'suppression-failing', detail: error instanceof Error ? error.message : String(error) })
  }
}
