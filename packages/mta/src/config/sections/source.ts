/** `[[source]]`: addresses of this machine that mail leaves from. Pure; rules are in `source-rules.ts`. */
import { POOL_NAME } from '../../delivery/lane.ts'
import { DEFAULT_POOL } from '../../delivery/source-address.ts'
import { defaulted, optional, required, tableList } from '../setting.ts'
import { ipAddress, matching, ownName } from '../value-types.ts'

/** More than a machine has. */
const SOURCES_MAX = 1_000

export const poolName = matching('pool name', '1 to 32 small letters, digits and hyphens, e.g. "bulk"', POOL_NAME)

export const sources = tableList(
  {
    maxItems: SOURCES_MAX,
    sentence:
      'An address of this machine that mail leaves from, in a pool whose addresses take turns; without any the system chooses.',
  },
  {
    address: required(ipAddress, {
      sentence: 'The address. It must be on this machine when the relay starts.',
      source: 'docs/operating/dialling.md',
      example: '"192.0.2.10"',
    }),
    pool: defaulted(poolName, DEFAULT_POOL, {
      sentence: 'Its pool. Mail uses "default", if there is one, unless its route names another.',
      source: 'architecture §3',
    }),
    hostname: optional(ownName, {
      sentence: 'The name that this address says in EHLO: the one that it has in DNS.',
      source: 'RFC 5321 §4.1.4',
      whenAbsent: 'hostname of the relay',
      example: '"out1.example.com"',
    }),
  },
)
