/**
 * Whether the relay should get work: every reason why not, in words for operators. Pure.
 */
import type { SpoolHealth } from '../spool/spool.ts'

export interface ReadinessFacts {
  readonly phase: 'starting' | 'running' | 'stopping'
  readonly store: Pick<SpoolHealth, 'intake' | 'claims' | 'detail'>
  readonly listeners: { readonly wanted: number; readonly up: number }
  /** `silent`: questions were asked, and the last ones got no answer from any server. */
  readonly resolver: 'answers' | 'silent' | 'not-asked-yet'
}

export interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
}

export function readiness({ phase, store, listeners, resolver }: ReadinessFacts): Readiness {
  const detail = store.detail === '' ? '' : ` (${store.detail})`
  const reasons = [
    ...(phase === 'running' ? [] : [`the relay is ${phase}`]),
    ...(store.intake === 'open' ? [] : [`no mail is accepted: the store is ${store.intake}${detail}`]),
    ...(store.claims === 'open' ? [] : [`no mail is delivered: claims are stopped${detail}`]),
    ...(listeners.up >= listeners.wanted ? [] : [`${listeners.up} of ${listeners.wanted} listeners are up`]),
    ...(resolver === 'silent' ? ['no name server answers'] : []),
  ]
  return { ready: reasons.length === 0, reasons }
}
