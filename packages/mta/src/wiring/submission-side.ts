/**
 * Everything before the spool: logins, limits, listeners, and what happens with an accepted message.
 */
import { join } from 'node:path'
import type { Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { laneFor } from '../delivery/route.ts'
import type { LogEvent } from '../observability/log-events.ts'
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
import { configuredCredentials, configuredNetworkQuotas } from './configured-credentials.ts'
import { configuredRouting } from './configured-sources.ts'
import { type OpenListener, openListeners } from './listeners.ts'
import type { Waking } from './ordered-attempts.ts'
import { postmasterOf } from './postmaster.ts'
import { type QuotaGround, quotasOn } from './quotas.ts'
import { CREDENTIALS_NAME } from './relay-options.ts'
import type { StartProblem } from './start-problem.ts'
import type { SuppressionSide } from './suppression-side.ts'

export interface SubmissionParts {
  readonly spool: Spool
  readonly scheduler: Waking
  readonly engine: QuotaGround
  readonly credentials?: readonly CredentialRecord[]
  readonly beginSignature: BeginSignature | undefined
  /** Absent: no address is suppressed. */
  readonly suppression?: Pick<SuppressionSide, 'find'> | undefined
  readonly emit: (event: LogEvent) => void
}

export async function openSubmissionSide(
  config: Config,
  { spool, scheduler, engine, credentials: ofProcess = [], beginSignature, suppression, emit }: SubmissionParts,
): Promise<Result<readonly OpenListener[], StartProblem>> {
  const hostname = formatDomain(config.hostname)
  const credentials = await openCredentials({
    file: join(config.data_dir, CREDENTIALS_NAME),
    fixed: [...configuredCredentials(config), ...ofProcess],
    emit,
  })
  const routing = configuredRouting(config)
  return openListeners(config, {
    ...{ hostname, credentials, beginSignature, emit },
    postmaster: postmasterOf(config),
    limits: submissionLimits(config),
    authFailures: new AuthFailures(),
    // While policies are only observed the promise could not be kept (RFC 8689 §2).
    advertise: {
      dsn: true,
      requireTls: config.submission.require_tls && config.delivery.enforcement === 'enforce',
    },
    mayRelaxTls: tlsOptionalRules(config.submission.ignore_tls_required_no),
    stage: (id) => spool.stage(id),
    accept: messageAcceptor({
      spool,
      laneFor: (address) => laneFor(address, routing),
      maxAgeMs: config.delivery.max_age,
      onAccepted: (lanes) => {
        for (const lane of lanes) scheduler.wake(lane)
      },
    }),
    quotas: quotasOn(engine),
    networkQuota: networkQuotas(configuredNetworkQuotas(config)),
    suppressed: suppression?.find,
    spoolHealth: () => spool.health(),
    selfSigned: () => selfSignedCertificate({ directory: config.data_dir, hostname }),
  })
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
