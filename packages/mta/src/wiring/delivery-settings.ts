/**
 * The `[delivery]` table in the words of the rooms that use it. Pure.
 */
import type { Config } from '../config/schema.ts'
import { defaultReuseLimits, type ReuseLimits } from '../delivery/reuse.ts'
import { defaultRetryOptions, type RetryOptions } from '../schedule/retry-schedule.ts'
import type { SmtpTimeouts } from '../smtp/timeouts.ts'

export function retryOptions({ delivery }: Config): RetryOptions {
  return {
    ...defaultRetryOptions,
    quickMs: delivery.retry_quick,
    intervalMs: delivery.retry_interval,
    intervalMaxMs: delivery.retry_interval_max,
    maxAgeMs: delivery.max_age,
    dsnMaxAgeMs: delivery.max_age_dsn,
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
