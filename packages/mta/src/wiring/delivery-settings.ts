/**
 * The `[delivery]` table in the words of the rooms that use it. Pure.
 */
import { defaultNoticeSettings } from '../bounce/notice-plan.ts'
import type { Config } from '../config/schema.ts'
import type { DeliveryOptions } from '../delivery/delivery.ts'
import { defaultReuseLimits, type ReuseLimits } from '../delivery/reuse.ts'
import { defaultRetryOptions, type RetryOptions } from '../schedule/retry-schedule.ts'
import { type BeginSignature, signWhole } from '../signing/dkim.ts'
import type { SmtpTimeouts } from '../smtp/timeouts.ts'

export function retryOptions({ delivery }: Pick<Config, 'delivery'>): RetryOptions {
  return {
    ...defaultRetryOptions,
    quickMs: delivery.retry_quick,
    greylistedMs: delivery.retry_greylisted,
    intervalMs: delivery.retry_interval,
    intervalMaxMs: delivery.retry_interval_max,
    maxAgeMs: delivery.max_age,
    dsnMaxAgeMs: delivery.max_age_dsn,
    ambiguousMs: delivery.retry_ambiguous,
    ambiguousMax: delivery.ambiguous_max,
  }
}

export function dialSettings({
  delivery,
}: Config): Pick<
  DeliveryOptions,
  'connectionAttemptDelayMs' | 'deadHostMs' | 'addressesPerHostMax' | 'connectionsPerAttemptMax' | 'chunking'
> {
  return {
    connectionAttemptDelayMs: delivery.connection_attempt_delay,
    deadHostMs: delivery.dead_host_memory,
    addressesPerHostMax: delivery.addresses_per_host,
    connectionsPerAttemptMax: delivery.connections_per_attempt,
    chunking: delivery.chunking,
  }
}

/** What senders are told, and by whose hand it is signed. */
export function noticeOptions(
  { delivery }: Config,
  begin: BeginSignature | undefined,
): Pick<DeliveryOptions, 'notices' | 'signNotice'> {
  const delayAfterMs = delivery.delay_notice === 0 ? undefined : delivery.delay_notice
  return {
    notices: { ...defaultNoticeSettings, delayAfterMs },
    ...(begin === undefined ? {} : { signNotice: (message, signedAt) => signWhole(begin, message, signedAt) }),
  }
}

export function reuseLimits({ delivery }: Config): ReuseLimits {
  return { ...defaultReuseLimits, transactions: delivery.messages_per_connection }
}

export function smtpTimeouts({ delivery: { timeouts } }: Config): SmtpTimeouts {
  return {
    connectMs: timeouts.connect,
    greetingMs: timeouts.greeting,
    ehloMs: timeouts.ehlo,
    startTlsMs: timeouts.starttls,
    tlsHandshakeMs: timeouts.tls_handshake,
    mailMs: timeouts.mail,
    rcptMs: timeouts.rcpt,
    dataMs: timeouts.data,
    dataBlockMs: timeouts.data_block,
    finalDotMs: timeouts.final_dot,
    rsetMs: timeouts.rset,
    quitMs: timeouts.quit,
  }
}
