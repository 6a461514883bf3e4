/** `[[credential]]` and `[[network_quota]]`: who may hand mail to the relay, how much of it, and as whom. Pure. */
import { type DomainName, ok, parseDomainName } from '@hermetic/policy'
import type { Rate } from '../../limits/rate.ts'
import { parseRate } from '../../limits/rate-text.ts'
import { PRIORITY_MAX, PRIORITY_MIN } from '../../submission/priority.ts'
import { parseSecretHash } from '../../submission/secret-hash.ts'
import { parseSenderRight } from '../../submission/sender-rights.ts'
import { isTag } from '../../submission/tag-field.ts'
import { defaulted, listOf, optional, required, tableList } from '../setting.ts'
import { textType, type ValueType } from '../value-type.ts'
import { boolean, choice, integer, matching, network, secret } from '../value-types.ts'

const CREDENTIALS_MAX = 10_000
const SENDERS_MAX = 1_000
const NETWORK_QUOTAS_MAX = 1_000

const rate: ValueType<Rate> = textType(
  'rate',
  'so many in a time from a second to 31 days, e.g. "1000/1h" or "20/s"',
  (text) => {
    const parsed = parseRate(text)
    return parsed === undefined ? undefined : ok(parsed)
  },
)

const senderPattern: ValueType<string> = textType(
  'sender pattern',
  '"app@example.com", "bounce+*@example.com", "@example.com" for every address in it, or "@*.example.com" for every domain below',
  (text) => (parseSenderRight(text) === undefined ? undefined : ok(text)),
)

const domain: ValueType<DomainName> = textType('domain', 'a domain, e.g. "example.com"', (text) => {
  const name = parseDomainName(text)
  return name.ok ? name : undefined
})

const tagName: ValueType<string> = textType('tag', '1 to 64 letters, digits, dots, hyphens and underscores', (text) =>
  isTag(text) ? ok(text) : undefined,
)

const level = integer({ min: PRIORITY_MIN, max: PRIORITY_MAX })

export const credentials = tableList(
  {
    maxItems: CREDENTIALS_MAX,
    sentence:
      'A login for submission; `hermetic credential add` keeps others in data_dir/credentials.json. docs/operating/submission.md tells more.',
  },
  {
    username: required(matching('user name', '1 to 255 characters, no control characters', /^\P{Cc}{1,255}$/u), {
      sentence: 'The name to log in with.',
      source: 'RFC 4616 §2',
      example: '"shop"',
    }),
    secret_hash: required(
      secret(
        'hash of a secret',
        'the hash that `hermetic credential add --print` shows',
        (text) => parseSecretHash(text) !== undefined,
      ),
      {
        sentence: 'What is kept of the secret: a SCRAM verifier or SHA-256 of a generated one, scrypt of a chosen one.',
        source: 'RFC 5802 §3, architecture, decision 9',
        example: '"SCRAM-SHA-256$4096:…"',
      },
    ),
    allowed_senders: listOf(senderPattern, [], {
      maxItems: SENDERS_MAX,
      sentence: 'Addresses that this login may use as reverse-path, and in From and Sender; empty: any.',
      source: 'RFC 6409 §6.1',
    }),
    check_from: defaulted(boolean, true, {
      sentence: 'Whether allowed_senders counts for From and Sender too; false: for the reverse-path only.',
      source: 'RFC 6409 §6.1',
    }),
    message_rate: optional(rate, {
      sentence:
        'Messages that this login may submit in a time; more are answered 450 and told when to come again. On the Redis engine all relays count together.',
      source: 'RFC 6409 §5.1, ITU-T I.371',
      whenAbsent: 'as many as there are',
      example: '"1000/1h"',
    }),
    recipient_rate: optional(rate, {
      sentence: 'The same for recipients; one message can have no more of them than the rate allows at once.',
      source: 'RFC 6409 §5.1, ITU-T I.371',
      whenAbsent: 'as many as there are',
      example: '"5000/1d"',
    }),
    tag: optional(tagName, {
      sentence:
        'A name for the mail of this login, for views and metrics; a message can bring another in X-Hermetic-Tag.',
      source: 'docs/operating/submission.md',
      whenAbsent: 'none',
      example: '"newsletter"',
    }),
    dkim_domain: optional(domain, {
      sentence: 'Whose keys sign mail of this login when there are none for the domain in From.',
      source: 'RFC 6376 §3.5',
      whenAbsent: 'such mail is not signed',
      example: '"example.com"',
    }),
    priority: defaulted(level, 0, {
      sentence:
        'The priority of mail of this login that asks for none: from 4 on it is delivered first, down to -4 last.',
      source: 'RFC 6710 §3',
    }),
    max_priority: optional(level, {
      sentence: 'The highest priority that mail of this login may ask for with MT-PRIORITY; more is lowered to it.',
      source: 'RFC 6710 §4.1',
      whenAbsent: 'its own priority',
      example: '4',
    }),
  },
)

export const networkQuotas = tableList(
  {
    maxItems: NETWORK_QUOTAS_MAX,
    sentence:
      'How much mail is taken from a network, whoever logs in; of several that hold an address the smallest network counts. Without any, as much as comes.',
  },
  {
    network: required(network, {
      sentence: 'Whose mail: an address with a prefix length; "0.0.0.0/0" and "::/0" are everybody.',
      source: 'RFC 4632 §3.1',
      example: '"192.0.2.0/24"',
    }),
    share: defaulted(choice('network', 'address'), 'network', {
      sentence: 'Whether the whole network counts together, or each address in it (IPv6: each /64) for itself.',
      source: 'RFC 4291 §2.5.4',
    }),
    message_rate: optional(rate, {
      sentence: 'Messages in a time; more are answered 450 and told when to come again.',
      source: 'RFC 6409 §5.1, ITU-T I.371',
      whenAbsent: 'as many as there are',
      example: '"600/1h"',
    }),
    recipient_rate: optional(rate, {
      sentence: 'Recipients in a time.',
      source: 'RFC 6409 §5.1, ITU-T I.371',
      whenAbsent: 'as many as there are',
      example: '"5000/1d"',
    }),
  },
)
