/** The service extensions that a session is offered, and their parameters: only what is honoured right now (RFC 5321 §4.1.1.1). Pure. */
import { authMechanisms } from './auth-exchange.ts'
import type { OfferedParameters } from './envelope-command.ts'
import { PRIORITY_POLICY } from './priority.ts'
import type { SessionRules } from './session-rules.ts'

export function ehloKeywords(
  { limits, advertise, tls, credentials }: Pick<SessionRules, 'limits' | 'advertise' | 'tls' | 'credentials'>,
  { secure, authenticated }: { readonly secure: boolean; readonly authenticated: boolean },
): readonly string[] {
  return [
    'PIPELINING',
    '8BITMIME',
    'SMTPUTF8',
    'ENHANCEDSTATUSCODES',
    `SIZE ${limits.messageBytesMax}`,
    ...(tls === 'starttls' && !secure ? ['STARTTLS'] : []),
    // RFC 8314 §4: passwords only inside TLS.
    ...(secure && !authenticated ? [`AUTH ${authMechanisms({ scram: credentials.offersScram }).join(' ')}`] : []),
    ...(advertise.dsn ? ['DSN'] : []),
    ...(advertise.priority ? [`MT-PRIORITY ${PRIORITY_POLICY}`] : []),
    // RFC 8689 §2: a promise about every hop from here on is of no use when this one is in clear.
    ...(secure && advertise.requireTls ? ['REQUIRETLS'] : []),
  ]
}

export function offeredParameters(
  { dsn, requireTls, priority }: SessionRules['advertise'],
  { secure }: { readonly secure: boolean },
): OfferedParameters {
  return { dsn, auth: secure, priority, requireTls: !requireTls ? 'off' : secure ? 'offered' : 'in-clear' }
}
