/**
 * `[[route]]`: mail that goes to a smarthost instead of the mail exchangers of its domain. Pure.
 * Rules that look at several settings are in `route-rules.ts`.
 */
import { ok, parseDomainName, type Result } from '@hermetic/policy'
import type { RouteDomain, RouteSender } from '../../delivery/route.ts'
import type { TokenEndpoint } from '../../delivery/token-endpoint.ts'
import { type MailDomain, parseLiteral } from '../../smtp/mail-address.ts'
import { parseMailbox } from '../../submission/address.ts'
import { isTag } from '../../submission/tag-field.ts'
import { defaulted, optional, tableList } from '../setting.ts'
import { textType, type ValueProblem, type ValueType } from '../value-type.ts'
import { choice, integer, matching, port, secret } from '../value-types.ts'
import { poolName } from './source.ts'

/** More than any table of destinations that is kept by hand. */
const ROUTES_MAX = 10_000
/** More attempts than any retry schedule makes. */
const ATTEMPTS_MAX = 1_000

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

const routeSender: ValueType<RouteSender> = textType(
  'sender',
  '"app@example.com", "@example.com", "@*.example.com" for every domain below it, or "<>" for notifications',
  (text): Result<RouteSender, ValueProblem> | undefined => {
    if (text === '*') return ok({ kind: 'any' })
    if (text === '<>') return ok({ kind: 'null' })
    if (text.startsWith('@')) {
      const below = text.startsWith('@*.')
      const name = parseDomainName(text.slice(below ? 3 : 1))
      return name.ok ? ok({ kind: below ? 'below' : 'exact', name: name.value }) : undefined
    }
    const address = parseMailbox(text)
    return address.ok ? ok({ kind: 'address', address: address.value }) : undefined
  },
)

const tag: ValueType<string> = textType('tag', '1 to 64 letters, digits, dots, hyphens and underscores', (text) =>
  isTag(text) ? ok(text) : undefined,
)

const tokenUrl: ValueType<TokenEndpoint> = textType(
  'https URL',
  'an https URL with a host name and without a user or a fragment, e.g. "https://oauth2.example.net/token"',
  (text) => {
    if (!URL.canParse(text)) return undefined
    const { protocol, hostname, port: written, pathname, search, hash, username, password } = new URL(text)
    const host = parseDomainName(hostname)
    if (protocol !== 'https:' || !host.ok || hash !== '' || username !== '' || password !== '') return undefined
    return ok({ host: host.value, port: written === '' ? 443 : Number(written), path: `${pathname}${search}` })
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
      'Mail is handed to a smarthost, by the domain of its recipient, its sender, its tag and the number of the attempt; of several routes the one that says most counts, in that order. Without any, mail goes to the mail exchangers of each domain.',
  },
  {
    domain: defaulted(routeDomain, '*', {
      sentence: 'Mail to whom: a domain, every domain below one, or all mail.',
      source: 'RFC 5321 §5.1, docs/operating/routes.md',
    }),
    sender: defaulted(routeSender, '*', {
      sentence: 'Mail from whom, by the reverse-path: an address, a domain, every domain below one, or all mail.',
      source: 'RFC 5321 §4.1.1.2, docs/operating/routes.md',
    }),
    tag: optional(tag, {
      sentence: 'Mail with this tag only, of its login or of X-Hermetic-Tag.',
      source: 'docs/operating/submission.md',
      whenAbsent: 'mail with any tag, or none',
      example: '"newsletter"',
    }),
    from_attempt: defaulted(integer({ min: 1, max: ATTEMPTS_MAX }), 1, {
      sentence: 'From this attempt at a message on; 1 is the first.',
      source: 'docs/operating/routes.md',
    }),
    fallback: optional(choice('unreachable', 'unreachable-or-policy'), {
      sentence:
        'Makes this the way for mail whose destination could not be reached, and not the usual one; only with unreachable-or-policy also for mail that a TLS policy keeps back.',
      source: 'RFC 7672 §1.1, RFC 8461 §3.4, docs/operating/routes.md',
      whenAbsent: 'it is the usual way',
      example: '"unreachable"',
    }),
    host: optional(smarthost, {
      sentence:
        'The smarthost. Its MX are not asked for, its address may be a private one, and its own MTA-STS policy counts instead of those of recipients.',
      source: 'RFC 8461 §3.4, architecture, decision 8',
      whenAbsent: 'the mail exchangers of the domain, as without a route',
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
    auth: optional(choice('plain', 'login', 'xoauth2', 'oauthbearer'), {
      sentence: 'The one mechanism to log in with.',
      source: 'RFC 4616, RFC 7628',
      whenAbsent: 'plain, else login; with oauth_ settings oauthbearer, else xoauth2: the first that the host offers',
      example: '"login"',
    }),
    username: optional(matching('user name', '1 to 255 characters, no control characters', /^\P{Cc}{1,255}$/u), {
      sentence: 'The name to log in with, inside proven TLS only.',
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
    oauth_token_url: optional(tokenUrl, {
      sentence: 'Where access tokens are had in place of a password. The host has to prove its name.',
      source: 'RFC 6749 §6, docs/operating/routes.md',
      whenAbsent: 'the login has a password',
      example: '"https://oauth2.example.net/token"',
    }),
    oauth_client_id: optional(matching('client id', '1 to 255 printable ASCII characters', /^[\x20-\x7e]{1,255}$/), {
      sentence: 'As which client this relay is known there.',
      source: 'RFC 6749 §2.2',
      whenAbsent: 'the login has a password',
      example: '"hermetic"',
    }),
    oauth_client_secret: optional(
      secret('client secret', '1 to 1024 characters', (text) => PASSWORD.test(text)),
      {
        sentence: 'The secret of that client.',
        source: 'RFC 6749 §2.3.1',
        whenAbsent: 'a public client',
        example: '"…"',
      },
    ),
    oauth_client_auth: optional(choice('body', 'basic'), {
      sentence: 'How that client says who it is: in the body of the request, or by HTTP Basic authentication.',
      source: 'RFC 6749 §2.3.1',
      whenAbsent: 'body',
      example: '"basic"',
    }),
    oauth_refresh_token: optional(
      secret('refresh token', '1 to 16384 printable ASCII characters', (text) => REFRESH_TOKEN.test(text)),
      {
        sentence: 'What access tokens are given for.',
        source: 'RFC 6749 §6',
        whenAbsent: 'the login has a password',
        example: '"…"',
      },
    ),
    oauth_scope: optional(
      matching('scope', '1 to 1024 printable ASCII characters', /^[\x21\x23-\x5b\x5d-\x7e ]{1,1024}$/),
      {
        sentence: 'Which rights are asked for.',
        source: 'RFC 6749 §3.3',
        whenAbsent: 'those of the refresh token',
        example: '"https://outlook.office.com/SMTP.Send offline_access"',
      },
    ),
  },
)

const REFRESH_TOKEN = /^[\x20-\x7e]{1,16384}$/
const PASSWORD = /^[^\0]{1,1024}$/u
