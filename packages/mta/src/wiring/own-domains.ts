/**
 * The domains in whose name this relay and its clients write, as the configuration knows them, and whether they can be
 * answered: a sender that takes no mail loses every reply and every notification (RFC 7505 §4.2). Looked up once,
 * after the start; a warning, never a refusal.
 */
import type { DnsResolver, DomainName } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import type { LogEvent } from '../observability/log-events.ts'
import type { MailDomain } from '../smtp/mail-address.ts'
import { configuredRouting } from './configured-sources.ts'
import { nullMxLookup } from './null-mx.ts'
import { postmasterOf } from './postmaster.ts'

function ownDomains(config: Pick<Config, 'postmaster' | 'hostname' | 'dkim' | 'tlsrpt'>): readonly DomainName[] {
  const written: readonly (MailDomain | undefined)[] = [postmasterOf(config).domain, config.tlsrpt.contact?.domain]
  const names = written.flatMap((domain) => (domain?.kind === 'name' ? [domain.name] : []))
  return [...new Set([...names, ...config.dkim.map(({ domain }) => domain)])]
}

export async function tellNullMx(
  config: Config,
  { resolver, emit }: { readonly resolver: Pick<DnsResolver, 'mx'>; readonly emit: (event: LogEvent) => void },
): Promise<void> {
  const takesNoMail = nullMxLookup({ resolver, routing: configuredRouting(config) })
  for (const name of ownDomains(config)) {
    if (await takesNoMail({ kind: 'name', name })) emit({ event: 'own-domain-takes-no-mail', domain: name })
  }
}
