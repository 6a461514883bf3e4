/**
 * `[[route]]`: mail that goes to a smarthost instead of the mail exchangers of its domain. Pure.
 * Rules that look at several settings are in `route-rules.ts`.
 */
import { ok, parseDomainName, type Result } from '@hermetic/policy'
import type { RouteDomain } from '../../delivery/route.ts'
import { type MailDomain, parseLiteral } from '../../smtp/mail-address.ts'
import { defaulted, optional, required, tableList } from '../setting.ts'
import { textType, type ValueProblem, type ValueType } from '../value-type.ts'
import { choice, matching, port, secret } from '../value-types.ts'
import { poolName } from './source.ts'

/** More than any table of destinations that is kept by hand. */
const ROUTES_MAX = 10_000

const routeDomain: ValueType<RouteDomain> = textType(
  'domain of recipients',
  '"example.com", "*.example.com" for every domain below it, or "*" for all mail',
  (text): Result<RouteDomain, ValueProblem> | undefined => {
    if (text === '*') return ok({ kind: 'any' })
    const below = text.startsWith('*.')
    const name = parseDomainName(below ? text.slice(2) : text)
    return name.ok ? ok({ kind: below ? 'below' : 'exact', name: name.value }) : undefined
  },
)

const smarthost: ValueType<MailDomain> = textType(
  'host name or address literal',
  'the name in its certificate, e.g. "smtp.example.net", or an address in brackets, e.g. "[192.0.2.1]"',
  (text) => {
    const literal = parseLiteral(text)
    if (literal !== undefined) return ok(literal)
    const name = parseDomainName(text)
    return name.ok ? ok({ kind: 'name', name: name.value }) : undefined
  },
)

export const routes = tableList(
  {
    maxItems: ROUTES_MAX,
    sentence:
      'Mail to a domain is handed to a smarthost; of several routes the one that says most about the domain counts. Without any, mail goes to the mail exchangers of each domain.',
  },
  {
    domain: required(routeDomain, {
      sentence: 'Whose mail: a domain, every domain below one, or all mail.',
      source: 'RFC 5321 §5.1, docs/operating/routes.md',
      example: '"*"',
    }),
    host: required(smarthost, {
      sentence:
        'The smarthost. Its MX are not asked for, its address may be a private one, and its own MTA-STS policy counts instead of those of recipients.',
      source: 'RFC 8461 §3.4, architecture, decision 8',
      example: '"smtp.example.net"',
    }),
    port: optional(port, {
      sentence: 'Where it listens.',
      source: 'RFC 6409 §3.1, RFC 8314 §3.3',
      whenAbsent: '587, and 465 with tls = "implicit"',
      example: '587',
    }),
    tls: defaulted(choice('starttls', 'implicit', 'opportunistic'), 'starttls', {
      sentence:
        'Whether TLS starts by command or with the connection; both demand a certificate that proves the name. opportunistic takes what there is, and is for hosts without a login.',
      source: 'RFC 4954 §14, RFC 8314 §3.3, RFC 7435',
    }),
    username: optional(matching('user name', '1 to 255 characters, no control characters', /^\P{Cc}{1,255}$/u), {
      sentence: 'The name to log in with, by AUTH PLAIN.',
      source: 'RFC 4954 §4, RFC 4616 §2',
      whenAbsent: 'no login',
      example: '"shop@example.com"',
    }),
    source_pool: optional(poolName, {
      sentence: 'From which [[source]] addresses this route is used.',
      source: 'docs/operating/dialling.md',
      whenAbsent: 'the pool "default", if there is one',
      example: '"bulk"',
    }),
    password: optional(
      secret('password', '1 to 1024 characters, none of them NUL', (text) => PASSWORD.test(text)),
      {
        sentence: 'The password of that name.',
        source: 'RFC 4616 §2',
        whenAbsent: 'no login',
        example: '"…"',
      },
    ),
  },
)

const PASSWORD = /^[^\0]{1,1024}$/u
