/**
 * `[mta_sts]`: what destinations may demand of TLS, and how it is found out. Pure.
 */
import { defaulted, table } from '../setting.ts'
import { boolean, port } from '../value-types.ts'

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
  },
)
