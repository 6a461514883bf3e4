/**
 * `[tlsrpt]`: daily reports to the domains that ask for them. Pure. Rules that look at several settings are in
 * `tlsrpt-rules.ts`.
 */
import { defaulted, optional, table } from '../setting.ts'
import { boolean, mailbox, matching, path } from '../value-types.ts'
import { selector } from './dkim.ts'

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
    selector: optional(selector, {
      sentence: 'Names the key that signs report mails: selector._domainkey of the domain of contact.',
      source: 'RFC 8460 §3',
      whenAbsent: 'the keys of [[dkim]] for that domain sign; without any, no report goes by mail',
      example: '"tlsrpt"',
    }),
    key_file: optional(path, {
      sentence: 'The private key of that selector in PEM. Every node of a cluster needs the same one.',
      source: 'RFC 8460 §3',
      whenAbsent: 'selector._domainkey.domain.pem in dkim/ of data_dir, where hermetic tlsrpt key puts it',
      example: '"/etc/hermetic/tlsrpt.pem"',
    }),
  },
)
