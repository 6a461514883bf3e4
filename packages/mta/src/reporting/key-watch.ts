/**
 * Looks at the start and once a day whether DNS still says what makes the signatures of reports valid (RPT-81). A wrong
 * record is told and stops nothing: who asks from inside a network may see another DNS than receivers do.
 */
import type { DnsResolver } from '@hermetic/policy'
import { keyRecordName } from '../signing/key-record.ts'
import type { ReportKeyEvent } from './events.ts'
import { type NamedKey, publishedKey } from './published-key.ts'

export interface KeyWatchOptions {
  readonly keys: readonly NamedKey[]
  readonly resolver: Pick<DnsResolver, 'txt'>
  readonly emit: (event: ReportKeyEvent) => void
  readonly everyMs?: number
}

const EVERY_MS = 86_400_000

export class KeyWatch {
  readonly #options: KeyWatchOptions
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: KeyWatchOptions) {
    this.#options = options
  }

  start(): void {
    void this.#look()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    const { keys, resolver, everyMs = EVERY_MS } = this.#options
    for (const key of keys) {
      const found = await publishedKey(key, resolver)
      if (this.#stopped) return
      this.#tell(keyRecordName(key.domain, key.selector), found)
    }
    this.#timer = setTimeout(() => void this.#look(), everyMs)
    this.#timer.unref()
  }

  #tell(name: string, found: Awaited<ReturnType<typeof publishedKey>>): void {
    const { emit } = this.#options
    if (found.kind === 'fits') emit({ event: 'tlsrpt-key-checked', name, testing: found.testing })
    else if (found.kind === 'wrong') emit({ event: 'tlsrpt-key-wrong', name, faults: found.faults.join(' ') })
    else emit({ event: 'tlsrpt-key-unknown', name, reason: found.reason })
  }
}
