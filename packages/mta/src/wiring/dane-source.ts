/**
 * Where delivery, and whoever explains what it does, learn what DANE says of a host; undefined while DNS cannot be believed
 * or the configuration says so. With a memory, what hosts lose is told.
 */
import {
  createDaneSource,
  type DaneMemory,
  type DaneSource,
  DaneWatch,
  type DaneWatchOptions,
  type DnsResolver,
} from '@hermetic/policy'
import type { Config } from '../config/schema.ts'

export interface DaneParts {
  readonly resolver: Pick<DnsResolver, 'cname' | 'tlsa'>
  /** What was decided at the start holds for as long as the process lives (architecture, decision 6). */
  readonly dnssec: { danePossible(): boolean }
  readonly memory?: DaneMemory | undefined
  readonly emit: DaneWatchOptions['emit']
}

export function daneSource(
  { dane }: Pick<Config, 'dane'>,
  { resolver, dnssec, memory, emit }: DaneParts,
): DaneSource | undefined {
  if (dane.enabled === false || !dnssec.danePossible()) return undefined
  const watch = memory === undefined ? {} : { watch: new DaneWatch({ memory, emit, now: Date.now }) }
  return createDaneSource({ resolver, insecureMx: dane.insecure_mx, digests: dane.digests, ...watch })
}
