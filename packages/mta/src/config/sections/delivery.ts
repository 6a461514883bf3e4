/**
 * `[delivery]`, `[delivery.timeouts]`, `[dns]`, `[trust]` and `[egress]`: how mail leaves. Pure.
 */
import { defaulted, listOf, optional, table } from '../setting.ts'
import { choice, duration, endpointWithDefault, integer, network, path, port } from '../value-types.ts'
import { ambiguousSettings, clientSettings, dialSettings } from './dialling.ts'
import { siteSettings } from './limit.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Long enough for the most patient peer, short enough that a stuck session ends on the same day. */
const TIMEOUT = { min: 100, max: HOUR }
/** Three are what resolv.conf(5) takes; more servers only make a failure slower. */
const DNS_SERVERS_MAX = 8
const NETWORKS_MAX = 1_000
const RETRIES_MAX = 50

const timeout = (value: string, sentence: string, source: string) =>
  defaulted(duration(TIMEOUT), value, { sentence, source })

const timeouts = table(
  { sentence: 'How long one step of a session may take; no timer spans a whole message (RFC 5321 §4.5.3.2).' },
  {
    connect: timeout('30s', 'Until the TCP connection stands.', 'conformance SMTP-32'),
    greeting: timeout('5m', 'Until the 220 greeting.', 'RFC 5321 §4.5.3.2.1'),
    ehlo: timeout('5m', 'Until the reply to EHLO or HELO.', 'conformance SMTP-32'),
    starttls: timeout('2m', 'Until the reply to STARTTLS.', 'conformance SMTP-32'),
    tls_handshake: timeout('2m', 'Until the TLS handshake ends.', 'conformance SMTP-32'),
    mail: timeout('5m', 'Until the reply to MAIL.', 'RFC 5321 §4.5.3.2.2'),
    rcpt: timeout('5m', 'Until the reply to RCPT.', 'RFC 5321 §4.5.3.2.3'),
    data: timeout('2m', 'Until the reply to DATA.', 'RFC 5321 §4.5.3.2.4'),
    data_block: timeout('3m', 'Until a block of content has left.', 'RFC 5321 §4.5.3.2.5'),
    final_dot: timeout('10m', 'Until the reply to the final dot.', 'RFC 5321 §4.5.3.2.6'),
    rset: timeout('20s', 'Until the reply to RSET.', 'conformance SMTP-32'),
    quit: timeout('5s', 'Until the reply to QUIT.', 'conformance SMTP-32'),
  },
)

export const delivery = table(
  { sentence: 'How messages are sent on.' },
  {
    port: defaulted(port, 25, { sentence: 'The port of mail exchangers.', source: 'RFC 5321 §4.5.4.2' }),
    max_age: defaulted(duration({ min: MINUTE, max: 30 * DAY }), '5d', {
      sentence: 'How long a message is tried before it is returned.',
      source: 'RFC 5321 §4.5.4.1',
    }),
    max_age_dsn: defaulted(duration({ min: MINUTE, max: 30 * DAY }), '2d', {
      sentence: 'The same for notifications, whose own failure nobody is told of.',
      source: 'conformance SMTP-54',
    }),
    delay_notice: defaulted(duration({ min: 0, max: 30 * DAY }), '4h', {
      sentence:
        'The age at which the sender of a message that is still waiting is told so, once; 0s: never. Senders may ask for it or forbid it (NOTIFY).',
      source: 'RFC 3461 §5.2.5, conformance DSN-06',
    }),
    retry_quick: listOf(duration({ min: SECOND, max: DAY }), ['5m', '10m', '20m'], {
      maxItems: RETRIES_MAX,
      sentence:
        'Waiting times after the first failures of a kind that often passes quickly (no connection, no DNS answer); then the interval counts.',
      source: 'RFC 5321 §4.5.4.1',
    }),
    retry_greylisted: listOf(duration({ min: SECOND, max: DAY }), ['6m', '15m'], {
      maxItems: RETRIES_MAX,
      sentence:
        'Waiting times after the first answers as greylisting gives them (450 or 451 with 4.7.0, 4.7.1 or 4.2.0); then the interval counts.',
      source: 'RFC 6647 §2',
    }),
    retry_interval: defaulted(duration({ min: SECOND, max: 7 * DAY }), '30m', {
      sentence: 'Waiting time after other failures; it grows by the factor 1.3 with every attempt.',
      source: 'RFC 5321 §4.5.4.1',
    }),
    retry_interval_max: defaulted(duration({ min: SECOND, max: 7 * DAY }), '3h', {
      sentence: 'The longest waiting time.',
      source: 'RFC 5321 §4.5.4.1',
    }),
    ...ambiguousSettings,
    ...dialSettings,
    ...clientSettings,
    concurrency: defaulted(integer({ min: 1, max: 10_000 }), 100, {
      sentence: 'Lanes that are worked on at the same time, over all destinations.',
      source: 'architecture §3',
    }),
    ...siteSettings,
    messages_per_connection: defaulted(integer({ min: 1, max: 100_000 }), 100, {
      sentence: 'Messages after which a connection is closed.',
      source: 'RFC 5321 §4.5.4.1',
    }),
    stop_grace: defaulted(duration({ min: 0, max: 10 * MINUTE }), '25s', {
      sentence: 'After SIGTERM: how long transactions whose final dot was sent may wait for the reply.',
      source: 'architecture, decision 11',
    }),
    enforcement: defaulted(choice('enforce', 'observe'), 'enforce', {
      sentence:
        'observe looks at the MTA-STS policies and TLSA records of destinations, tells what they would have refused, and refuses nothing: a dry run. Routes, REQUIRETLS (then not offered) and require are enforced all the same.',
      source: 'RFC 7672 §9.1, docs/operating/overrides.md',
    }),
    timeouts,
  },
)

export const dns = table(
  { sentence: 'Which name servers are asked, and whether they are believed about DNSSEC.' },
  {
    servers: listOf(endpointWithDefault(53), [], {
      maxItems: DNS_SERVERS_MAX,
      sentence: 'Resolvers, asked in this order; empty: those of /etc/resolv.conf.',
      source: 'RFC 1035 §7',
    }),
    trust: defaulted(choice('auto', 'ad', 'none'), 'auto', {
      sentence:
        'Who is believed about DNSSEC. "ad": the AD bit of these servers, only for validating resolvers on a path that nobody can change. "auto": an unbound of our own when it is installed, else a resolver on this machine. "none": nobody.',
      source: 'RFC 4035 §4.9.3, architecture, decision 6',
    }),
  },
)

export const trust = table(
  { sentence: 'Which certificate authorities are believed.' },
  {
    ca_file: optional(path, {
      sentence:
        'Extra root certificates, PEM, besides those that come with Node.js: for mail exchangers and policy hosts.',
      source: 'RFC 5280 §6.1',
      whenAbsent: 'only the roots that come with Node.js',
      example: '"/etc/hermetic/roots.pem"',
    }),
  },
)

export const egress = table(
  { sentence: 'Addresses that may be contacted although they are not public.' },
  {
    smtp_networks: listOf(network, [], {
      maxItems: NETWORKS_MAX,
      sentence: 'Special-purpose networks (private, loopback, …) where mail exchangers may be; empty: none.',
      source: 'RFC 6890, architecture, decision 8',
    }),
    https_networks: listOf(network, [], {
      maxItems: NETWORKS_MAX,
      sentence: 'Special-purpose networks where the policy hosts of MTA-STS may be; empty: none.',
      source: 'RFC 6890, architecture, decision 8',
    }),
  },
)
