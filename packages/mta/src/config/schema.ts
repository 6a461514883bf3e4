/**
 * Every setting of the relay. The sections are in `sections/`; this file puts them in the order in which the
 * template and the reference page show them. Pure.
 *
 * Names are those of the file, everywhere. Durations are milliseconds, sizes are bytes.
 */
import { z } from 'zod'
import type { MailDomain } from '../smtp/mail-address.ts'
import type { ContentBucket } from './content-bucket.ts'
import type { RedisServers } from './redis-servers.ts'
import type { Secret } from './secret.ts'
import { api } from './sections/api.ts'
import { credentials, networkQuotas } from './sections/credential.ts'
import { dane } from './sections/dane.ts'
import { delivery, dns, egress, trust } from './sections/delivery.ts'
import { dkimKeys } from './sections/dkim.ts'
import { history } from './sections/history.ts'
import { limits } from './sections/limit.ts'
import { listeners, submission } from './sections/listener.ts'
import { policyOverrides } from './sections/override.ts'
import { mtaSts } from './sections/policy.ts'
import { queue } from './sections/queue.ts'
import { dataDir, hostname, log, metrics, postmaster, role, threads } from './sections/relay.ts'
import { routes } from './sections/route.ts'
import { socketmap } from './sections/socketmap.ts'
import { sources } from './sections/source.ts'
import { suppression } from './sections/suppression.ts'
import { tlsrpt } from './sections/tlsrpt.ts'

export const schema = z.strictObject({
  hostname,
  data_dir: dataDir,
  threads,
  role,
  postmaster,
  queue,
  listener: listeners,
  credential: credentials,
  network_quota: networkQuotas,
  submission,
  dns,
  delivery,
  limit: limits,
  route: routes,
  source: sources,
  dkim: dkimKeys,
  trust,
  mta_sts: mtaSts,
  dane,
  policy_override: policyOverrides,
  egress,
  tlsrpt,
  socketmap,
  suppression,
  history,
  metrics,
  api,
  log,
})

/** As zod reads it: single settings are right, defaults that depend on others are open. */
export type ReadConfig = z.output<typeof schema>

type Frozen<T> = T extends Secret | string | number | boolean | undefined
  ? T
  : { readonly [K in keyof T]: Frozen<T[K]> }

export type ListenerConfig = Frozen<Omit<ReadConfig['listener'][number], 'require_auth'>> & {
  readonly require_auth: boolean
}

export type RouteConfig = Frozen<Omit<ReadConfig['route'][number], 'port'>> & { readonly port: number }

/** What an engine needs, complete: settings of the other one are not there (`queue-rules.ts`). */
export type QueueConfig = { readonly max_bytes: number } & (
  | { readonly engine: 'embedded' }
  | {
      readonly engine: 'redis'
      readonly redis: RedisServers
      readonly durability: 'strict' | 'relaxed'
      /** With a bucket: of this relay alone, for what arrives and for copies. */
      readonly content_dir: string
      readonly bucket?: ContentBucket | undefined
    }
)

export type DkimConfig = Frozen<Omit<ReadConfig['dkim'][number], 'key_file'>> & { readonly key_file: string }

/** What the relay is started with: complete, checked, frozen; paths are absolute. */
export type Config = Frozen<Omit<ReadConfig, 'hostname' | 'queue' | 'listener' | 'route' | 'dkim'>> & {
  readonly hostname: MailDomain
  readonly queue: QueueConfig
  readonly listener: readonly ListenerConfig[]
  readonly route: readonly RouteConfig[]
  readonly dkim: readonly DkimConfig[]
}
