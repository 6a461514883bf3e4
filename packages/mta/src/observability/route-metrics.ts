/** The metrics of routes. A part of `metrics.ts`, which checks that it is complete. Pure. */
import type { DeliveryEvent } from '../delivery/events.ts'
import { laneOf } from '../delivery/lane.ts'

type Named<N extends DeliveryEvent['event']> = Extract<DeliveryEvent, { readonly event: N }>

export const ROUTE_METRICS = {
  hermetic_smarthost_login_failures_total: {
    type: 'counter',
    help: 'Logins that a smarthost refused, or offered no way for.',
    labels: ['lane', 'reason'],
  },
  hermetic_access_tokens_total: {
    type: 'counter',
    help: 'Access tokens that a token endpoint gave for logins at smarthosts.',
    labels: ['endpoint'],
  },
  hermetic_routes_suspended: { type: 'gauge', help: 'Routes whose smarthost refuses the login, and whose mail waits.' },
  hermetic_fallbacks_total: {
    type: 'counter',
    help: 'Recipients handed to a fallback relay, by its lane; mx: to the mail exchangers from another pool.',
    labels: ['fallback'],
  },
} as const

type Counter = Exclude<keyof typeof ROUTE_METRICS, 'hermetic_routes_suspended'>

function count(name: Counter, labels: Readonly<Record<string, string>>, by = 1) {
  return { kind: 'count', name, by, labels } as const
}

const suspensions = ({ suspended }: { readonly suspended: number }) =>
  [{ kind: 'set', name: 'hermetic_routes_suspended', to: suspended }] as const

/** By event. */
export const ROUTE_UPDATES = {
  'smarthost-login-failed': ({ lane, reason }: Named<'smarthost-login-failed'>) => [
    count('hermetic_smarthost_login_failures_total', { lane, reason }),
  ],
  'access-token-obtained': ({ endpoint }: Named<'access-token-obtained'>) => [
    count('hermetic_access_tokens_total', { endpoint }),
  ],
  'route-suspended': suspensions,
  'route-reopened': suspensions,
  'chosen-route-gone': () => [],
  'fallback-used': ({ fallback, recipients }: Named<'fallback-used'>) => [
    // A fallback from another pool has a lane for each domain, and labels do not grow.
    count('hermetic_fallbacks_total', { fallback: laneOf(fallback).kind === 'mx' ? 'mx' : fallback }, recipients),
  ],
} as const
