/** `[api]`: the control API. Pure. Rules that look at several settings are in `api-rules.ts`. */
import { defaulted, listOf, optional, table } from '../setting.ts'
import { boolean, endpoint, matching, path } from '../value-types.ts'

/** Names that a person writes. */
const HOSTS_MAX = 32
/** RFC 1035 §2.3.4. */
const HOST = /^(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}$/

export const api = table(
  { sentence: 'The control API: what the command line sees and orders, over HTTP with tokens.' },
  {
    listen: optional(endpoint, {
      sentence: 'Where the API is served, by processes with the role api; port 0 takes a free one.',
      source: 'docs/operating/api.md',
      whenAbsent: 'there is no API',
      example: '"127.0.0.1:9126"',
    }),
    token_file: optional(path, {
      sentence: 'Who may use it; hermetic api token makes it. It is read again when it changes.',
      source: 'docs/operating/api.md',
      whenAbsent: 'none; needed with listen',
      example: '"./api-tokens.json"',
    }),
    cert_file: optional(path, {
      sentence: 'The certificate chain of the API in PEM, read again by hermetic reload.',
      source: 'docs/operating/api.md',
      whenAbsent: 'no TLS, which only loopback may do without',
      example: '"/etc/hermetic/api.pem"',
    }),
    key_file: optional(path, {
      sentence: 'Its private key in PEM.',
      source: 'docs/operating/api.md',
      whenAbsent: 'none; needed with cert_file',
      example: '"/etc/hermetic/api.key"',
    }),
    hosts: listOf(matching('host name', 'a host name without a port, e.g. "relay.example.com"', HOST), [], {
      sentence: 'Names by which clients call it, besides hostname, the address of listen, and localhost on loopback.',
      source: 'docs/operating/api.md',
      maxItems: HOSTS_MAX,
    }),
    allow_cleartext: defaulted(boolean, false, {
      sentence:
        'true serves it without TLS on other addresses than loopback, and so sends tokens in clear: for a network that something else protects.',
      source: 'docs/operating/api.md',
    }),
  },
)
