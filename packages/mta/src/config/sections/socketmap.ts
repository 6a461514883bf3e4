/**
 * `[socketmap]`: TLS policies for an existing Postfix. Pure. Rules that look at several settings are in
 * `socketmap-rules.ts`.
 */
import { isAbsolute } from 'node:path'
import { BUILT_IN_ZONES, err, ok, type Result, type SocketmapPlace, ZONE_DEFAULTS } from '@hermetic/policy'
import { defaulted, optional, required, table, tableList } from '../setting.ts'
import { textType, type ValueProblem, type ValueType } from '../value-type.ts'
import { boolean, choice, endpoint, matching } from '../value-types.ts'

/** Names that a person writes into main.cf; more are a mistake. */
const ZONES_MAX = 100
/** sun_path is 104 octets on BSD and macOS, 108 on Linux, with a terminating NUL (unix(7)). */
const SOCKET_PATH_MAX = 103
const UNIX = 'unix:'

export const socketmapPlace: ValueType<SocketmapPlace> = textType(
  'address with port, or unix:/path',
  'an IP address and a port, or a path, e.g. "127.0.0.1:8461" or "unix:/var/spool/postfix/hermetic/socketmap"',
  (text): Result<SocketmapPlace, ValueProblem> | undefined => {
    if (!text.startsWith(UNIX)) {
      const parsed = endpoint.parse(text)
      return parsed.ok ? ok({ kind: 'tcp', ...parsed.value }) : undefined
    }
    const path = text.slice(UNIX.length)
    if (!isAbsolute(path)) return undefined
    if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return ok({ kind: 'unix', path })
    return err({ wrong: 'is too long for a socket', write: `a path of at most ${SOCKET_PATH_MAX} octets` })
  },
)

const BUILT_IN = BUILT_IN_ZONES.map(({ name }) => name).join(' and ')

export const socketmap = table(
  {
    sentence:
      'TLS policies for an existing Postfix: it asks here what to demand of each destination (smtp_tls_policy_maps), and is told what this relay would demand.',
  },
  {
    listen: optional(socketmapPlace, {
      sentence:
        'Where Postfix asks. There is no login: whoever can connect can have names looked up, so keep it on loopback or a network of your own.',
      source: 'socketmap_table(5), docs/operating/socketmap.md',
      whenAbsent: 'the relay answers nobody; hermetic socketmap takes 127.0.0.1:8461',
      example: '"127.0.0.1:8461"',
    }),
    zone: tableList(
      {
        maxItems: ZONES_MAX,
        sentence: `A query name with settings of its own, beside ${BUILT_IN}; one of these names replaces it.`,
      },
      {
        name: required(
          matching('query name', 'letters, digits, dot, hyphen and underscore', /^[A-Za-z0-9._-]{1,64}$/),
          {
            sentence: 'The last part of the map in main.cf: socketmap:inet:127.0.0.1:8461:NAME.',
            source: 'socketmap_table(5)',
            example: '"postfix"',
          },
        ),
        tlsrpt: defaulted(boolean, ZONE_DEFAULTS.tlsrpt, {
          sentence:
            'Adds what TLSRPT of Postfix needs to know of an MTA-STS policy; Postfix before 3.10 takes that for an error.',
          source: 'Postfix 3.10, TLSRPT_README',
        }),
        testing: defaulted(choice('report', 'enforce'), ZONE_DEFAULTS.testing, {
          sentence: 'enforce treats MTA-STS policies in testing mode like enforced ones.',
          source: 'RFC 8461 §5',
        }),
        uncertain: defaulted(choice('deliver', 'defer'), ZONE_DEFAULTS.uncertain, {
          sentence:
            'When DNS or the policy host cannot say whether a domain has a policy, and none is cached: deliver goes without, defer waits.',
          source: 'RFC 8461 §5.1',
        }),
        require: optional(choice('dane', 'pkix', 'encrypted'), {
          sentence: 'Demanded of every destination besides what it publishes, as by a [[policy_override]].',
          source: 'docs/operating/overrides.md',
          whenAbsent: 'nothing more is demanded',
          example: '"encrypted"',
        }),
        enforcement: optional(choice('enforce', 'observe'), {
          sentence: 'In place of delivery.enforcement; a [[policy_override]] of the domain counts before both.',
          source: 'docs/operating/overrides.md',
          whenAbsent: 'as delivery.enforcement says',
          example: '"observe"',
        }),
        sni: defaulted(boolean, ZONE_DEFAULTS.sni, {
          sentence:
            'Has Postfix send the name of the host in the handshake where PKIX counts; Postfix before 3.4 cannot.',
          source: 'RFC 8461 §4, postconf(5), smtp_tls_servername',
        }),
      },
    ),
  },
)
