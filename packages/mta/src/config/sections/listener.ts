/**
 * `[[listener]]` and `[submission]`: where the relay takes mail, and how. Pure. Logins are in `credential.ts`.
 * Rules that look at several settings are in `rules.ts`.
 */
import { ok } from '@hermetic/policy'
import { parseTlsOptionalRule } from '../../submission/tls-optional-rule.ts'
import { defaulted, listOf, optional, required, table, tableList } from '../setting.ts'
import { textType } from '../value-type.ts'
import { boolean, choice, integer, ipAddress, listenPort, network, path, size } from '../value-types.ts'

/** More sockets than one host has a use for. */
const LISTENERS_MAX = 64
const NETWORKS_MAX = 1_000
const SENDERS_MAX = 1_000

export const listeners = tableList(
  {
    maxItems: LISTENERS_MAX,
    sentence:
      'A socket where mail is accepted; without any, submission on 127.0.0.1:2587 with STARTTLS, a login and a self-signed certificate.',
  },
  {
    kind: required(choice('submission', 'relay'), {
      sentence:
        'submission repairs and completes what applications send; relay passes on what other mail servers send, unchanged.',
      source: 'RFC 6409 §3, RFC 5321 §6.4',
      example: '"submission"',
    }),
    address: defaulted(ipAddress, '127.0.0.1', {
      sentence: 'The address to listen on; anything that is not loopback needs a certificate and a postmaster.',
      source: 'architecture, decision 7',
    }),
    port: required(listenPort, {
      sentence:
        'The port to listen on, usually 587 (submission), 465 (submission, implicit TLS) or 25 (relay); 0 takes a free one.',
      source: 'RFC 8314 §3.3, RFC 5321 §4.5.4.2',
      example: '587',
    }),
    tls: defaulted(choice('starttls', 'implicit', 'none'), 'starttls', {
      sentence: 'Whether TLS starts by command, with the connection, or not at all.',
      source: 'RFC 3207, RFC 8314 §3.3',
    }),
    cert_file: optional(path, {
      sentence: 'The certificate chain, PEM.',
      source: 'RFC 3207 §4.1',
      whenAbsent: 'a self-signed certificate kept in data_dir, on loopback only',
      example: '"/etc/hermetic/fullchain.pem"',
    }),
    key_file: optional(path, {
      sentence: 'The private key of the certificate, PEM.',
      source: 'RFC 3207 §4.1',
      whenAbsent: 'the key of the self-signed certificate, on loopback only',
      example: '"/etc/hermetic/privkey.pem"',
    }),
    require_auth: optional(boolean, {
      sentence: 'Whether a login is needed before MAIL.',
      source: 'RFC 6409 §4.3',
      whenAbsent: 'true for submission, false for relay',
      example: 'true',
    }),
    allow_networks: listOf(network, [], {
      maxItems: NETWORKS_MAX,
      sentence:
        'Networks whose clients may connect; with require_auth = false they may relay, so keep them small. Empty: any client may connect, and must log in.',
      source: 'architecture, decision 7',
    }),
    proxy_networks: listOf(network, [], {
      maxItems: NETWORKS_MAX,
      sentence:
        'Networks of proxies in front of this listener: a connection from there must begin with a PROXY header (version 1 or 2), and the client that it names is the one that counts. Nobody else may name one.',
      source: 'PROXY protocol 3.0 §2',
    }),
    repair_line_ends: defaulted(boolean, false, {
      sentence:
        'Submission only: whether a line of a message that ends with LF alone is completed to CRLF; otherwise such a message is refused.',
      source: 'RFC 6409 §8, RFC 5321 §2.3.8',
    }),
    encode_8bit: defaulted(boolean, false, {
      sentence:
        'Submission only: whether 8-bit MIME bodies are encoded as quoted-printable before they are signed, for ways on which a host takes seven bits only; otherwise mail for such a host is returned. Signed and encrypted parts, and messages that are signed already, stay as they are.',
      source: 'RFC 6152 §3, RFC 6376 §5.3, docs/operating/dialling.md',
    }),
  },
)

export const submission = table(
  { sentence: 'What is accepted, and how much of it.' },
  {
    max_message_size: defaulted(size({ min: 64 * 1024, max: 2 * 1024 ** 3 }), '50 MiB', {
      sentence: 'The largest message, announced as SIZE.',
      source: 'RFC 1870 §4, RFC 5321 §4.5.3.1.7',
    }),
    max_recipients: defaulted(integer({ min: 100, max: 100_000 }), 1000, {
      sentence: 'Recipients of one message.',
      source: 'RFC 5321 §4.5.3.1.8',
    }),
    max_sessions: defaulted(integer({ min: 1, max: 100_000 }), 1000, {
      sentence: 'Sessions of one listener at the same time; further clients get 421.',
      source: 'packages/mta/src/submission/limits.ts',
    }),
    refuse_null_mx: defaulted(boolean, true, {
      sentence:
        'Refuse senders and recipients whose domain declares that it takes no mail, at MAIL (550 5.7.27) and RCPT (556 5.1.10); not asked of domains that a route leads to a smarthost.',
      source: 'RFC 7505 §4.1',
    }),
    require_tls: defaulted(boolean, true, {
      sentence:
        'Offer REQUIRETLS inside TLS: a message with it travels only where every server proves its name and promises the same, or comes back.',
      source: 'RFC 8689 §2',
    }),
    ignore_tls_required_no: listOf(
      textType('mail address, @domain or "*"', '"app@example.com", "@example.com", or "*" for everybody', (text) =>
        parseTlsOptionalRule(text) === undefined ? undefined : ok(text),
      ),
      [],
      {
        maxItems: SENDERS_MAX,
        sentence: 'Senders and recipients whose messages are not sent in clear because of a field TLS-Required: No.',
        source: 'RFC 8689 §8.3',
      },
    ),
    max_sessions_per_address: defaulted(integer({ min: 1, max: 100_000 }), 200, {
      sentence: 'Sessions of one client address at the same time.',
      source: 'packages/mta/src/submission/limits.ts',
    }),
  },
)
