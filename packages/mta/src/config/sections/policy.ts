/**
 * `[mta_sts]`: what destinations may demand of TLS, and how it is found out. Pure.
 */
import { defaulted, optional, table } from '../setting.ts'
import { boolean, path, port } from '../value-types.ts'

export const mtaSts = table(
  { sentence: 'MTA-STS: deliver only to the hosts, and over the TLS, that the policy of the destination allows.' },
  {
    enabled: defaulted(boolean, true, {
      sentence: 'false ignores every policy, also those in the cache: mail goes out as if nobody had published one.',
      source: 'RFC 8461',
    }),
    https_port: defaulted(port, 443, {
      sentence: 'Where policy hosts listen; another one only makes sense for tests.',
      source: 'RFC 8461 §3.3',
    }),
    preload_file: optional(path, {
      sentence:
        'A list of domains with the hosts that their mail goes to, for domains whose policy was never fetched: lines of a domain and its hosts, or the JSON of the STARTTLS Everywhere list. Read again when it changes.',
      source: 'RFC 8461 §10.2, docs/operating/overrides.md',
      whenAbsent: 'the first mail to a domain believes what DNS says of its policy',
      example: '"/etc/hermetic/preload.list"',
    }),
  },
)
