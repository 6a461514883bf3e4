/**
 * `[tlsrpt]`: daily reports to the domains that ask for them. Pure. Rules that look at several settings are in
 * `tlsrpt-rules.ts`.
 */
import { defaulted, optional, table } from '../setting.ts'
import { boolean, mailbox, matching } from '../value-types.ts'

const organization = matching(
  'name of an organization',
  'a name of at most 200 characters, e.g. "Example Inc."',
  /^(?! )[^\p{Cc}\p{Cs}]{1,200}(?<! )$/u,
)

export const tlsrpt = table(
  { sentence: 'TLSRPT: tells domains that ask for it, once a day, how TLS sessions with their hosts went.' },
  {
    enabled: defaulted(boolean, false, {
      sentence: 'true counts sessions with domains that publish a record at _smtp._tls, and reports them.',
      source: 'RFC 8460',
    }),
    organization: optional(organization, {
      sentence: 'Who reports: organization-name of every report.',
      source: 'RFC 8460 §4.4',
      whenAbsent: 'none; needed as soon as reports are enabled',
      example: '"Example Inc."',
    }),
    contact: optional(mailbox, {
      sentence: 'Whom receivers of reports may write to: contact-info of every report; its domain is the submitter.',
      source: 'RFC 8460 §4.4, §5.3',
      whenAbsent: 'none; needed as soon as reports are enabled',
      example: '"tls-reports@example.com"',
    }),
  },
)
