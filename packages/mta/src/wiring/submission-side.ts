/**
 * Everything before the spool: logins, limits, listeners, and what happens with an accepted message.
 */
import { join } from 'node:path'
import { type DnsResolver, ok, type Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { laneFor } from '../delivery/routing.ts'
import type { Quotas } from '../limits/quotas.ts'
import type { LogEvent } from '../observability/log-events.ts'
import { wakeReason } from '../schedule/lane-scheduler.ts'
import type { BeginSignature } from '../signing/dkim.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import type { Spool } from '../spool/spool.ts'
import { messageAcceptor } from '../submission/accept.ts'
import { AuthFailures } from '../submission/auth-failures.ts'
import type { CredentialRecord } from '../submission/credential-file.ts'
import { openCredentials } from '../submission/credentials.ts'
import { DEFAULT_SUBMISSION_LIMITS, type SubmissionLimits } from '../submission/limits.ts'
import { networkQuotas } from '../submission/mail-quota.ts'
import { selfSignedCertificate } from '../submission/self-signed.ts'
import { tlsOptionalRules } from '../submission/tls-optional-rule.ts'
import { CertificateWatch } from './certificate-watch.ts'
import { configuredCredentials, configuredNetworkQuotas } from './configured-credentials.ts'
import { configuredRouting } from './configured-sources.ts'
import {
  type ListenerWorld,
  type OpenListener,
  openListeners,
  prepareListeners,
  type SharedPorts,
} from './listeners.ts'
import { nullMxLookup } from './null-mx.ts'
import type { Waking } from './ordered-attempts.ts'
import { postmasterOf } from './postmaster.ts'
import { CREDENTIALS_NAME } from './relay-options.ts'
import type { Reloadable } from './reload.ts'
import type { StartProblem } from './start-problem.ts'
import type { SuppressionSide } from './suppression-side.ts'

export interface SubmissionParts {
  readonly spool: Pick<Spool, 'stage' | 'accept' | 'health'>
  readonly scheduler: Waking
  /** Asked for null MX records. */
  readonly resolver: Pick<DnsResolver, 'mx'>
  readonly quotas: Quotas
  readonly credentials?: readonly CredentialRecord[]
  readonly beginSignature: BeginSignature | undefined
  /** Absent: no address is suppressed. */
  readonly suppression?: Pick<SuppressionSide, 'find'> | undefined
  /** Counted with those of others; absent: here alone. */
  readonly authFailures?: AuthFailures
  /** Other threads listen on the same ports. */
  readonly shared?: SharedPorts
  /** In place of the one that operators have. */
  readonly earlyTalkerDelayMs?: number
  readonly emit: (event: LogEvent) => void
}

export interface SubmissionSide extends Reloadable {
  readonly listeners: readonly OpenListener[]
  readonly certificates: Pick<CertificateWatch, 'troubles'>
  stop(): void
}

export async function openSubmissionSide(
  config: Config,
  parts: SubmissionParts,
): Promise<Result<SubmissionSide, StartProblem>> {
  const { quotas, credentials: ofProcess = [], authFailures = new AuthFailures(), shared, emit } = parts
  const hostname = formatDomain(config.hostname)
  const fixedOf = (one: Config): readonly CredentialRecord[] => [...configuredCredentials(one), ...ofProcess]
  const credentials = await openCredentials({
    file: join(config.data_dir, CREDENTIALS_NAME),
    fixed: fixedOf(config),
    emit,
  })
  const lasting = { credentials, authFailures, quotas }
  const certificates = new CertificateWatch({ emit, now: Date.now })
  const sources = {
    selfSigned: () => selfSignedCertificate({ directory: config.data_dir, hostname }),
    certificates,
    ...(shared === undefined ? {} : { shared }),
  }
  const opened = await openListeners(config, listenerWorld(config, { ...parts, ...lasting }), sources)
  if (!opened.ok) return opened
  certificates.start()
  const listeners = opened.value
  return ok({
    ...{ listeners, certificates },
    stop: () => certificates.stop(),
    prepare: async (next) => {
      const world = listenerWorld(next, { ...parts, ...lasting })
      const others = await prepareListeners(listeners, next, { world, sources })
      if (!others.ok) return others
      const useCredentials = await credentials.prepareFixed(fixedOf(next))
      return ok(() => {
        useCredentials()
        others.value()
      })
    },
  })
}

type Lasting = Required<Pick<ListenerWorld, 'credentials' | 'authFailures' | 'quotas'>>

/** What sessions go by that begin under this configuration. */
function listenerWorld(
  config: Config,
  {
    spool,
    scheduler,
    resolver,
    beginSignature,
    suppression,
    earlyTalkerDelayMs = DEFAULT_SUBMISSION_LIMITS.earlyTalkerDelayMs,
    emit,
    ...lasting
  }: Omit<SubmissionParts, 'credentials'> & Lasting,
): ListenerWorld {
  const { credentials, authFailures, quotas } = lasting
  const routing = configuredRouting(config)
  return {
    ...{ hostname: formatDomain(config.hostname), credentials, authFailures, quotas, beginSignature, emit },
    postmaster: postmasterOf(config),
    limits: { ...submissionLimits(config), earlyTalkerDelayMs },
    // While policies are only observed the promise could not be kept (RFC 8689 §2).
    advertise: {
      dsn: true,
      priority: true,
      requireTls: config.submission.require_tls && config.delivery.enforcement === 'enforce',
    },
    mayRelaxTls: tlsOptionalRules(config.submission.ignore_tls_required_no),
    stage: (id) => spool.stage(id),
    accept: messageAcceptor({
      spool,
      laneFor: (mail) => laneFor(mail, routing),
      maxAgeMs: config.delivery.max_age,
      onAccepted: (lanes, { priority }) => {
        for (const lane of lanes) scheduler.wake(lane, undefined, wakeReason(priority))
      },
    }),
    networkQuota: networkQuotas(configuredNetworkQuotas(config)),
    suppressed: suppression?.find,
    ...(config.submission.refuse_null_mx ? { takesNoMail: nullMxLookup({ resolver, routing }) } : {}),
    spoolHealth: () => spool.health(),
  }
}

function submissionLimits({ submission }: Config): SubmissionLimits {
  return {
    ...DEFAULT_SUBMISSION_LIMITS,
    messageBytesMax: submission.max_message_size,
    recipientsMax: submission.max_recipients,
    sessionsMax: submission.max_sessions,
    sessionsPerAddressMax: submission.max_sessions_per_address,
    commandsPerMessageMax: Math.max(
      DEFAULT_SUBMISSION_LIMITS.commandsPerMessageMax,
      2 * submission.max_recipients + 100,
    ),
  }
}
