/**
 * Domains that publish MTA-STS well, badly or oddly, as data, and what is to be thought of each: our opinion, and where
 * the peer is known to think otherwise, its opinion and the section that decides. `mta-sts-peers.ts` brings them to
 * life and asks both.
 *
 * An opinion is a mode and the hosts that may then get mail: `mx`, `a` and `a.b` below the domain, `@` the domain
 * itself; `none` when there is no policy to obey, whatever the reason.
 */
import { gzipSync } from 'node:zlib'
import type { NameRecords } from '../lab/dns-server.ts'
import type { CertificateVariant } from '../lab/policy-certificates.ts'
import type { PolicyAnswer } from '../lab/policy-host.ts'

export interface PublishedDomain {
  readonly name: string
  readonly what: string
  /** Of `_mta-sts.`; a good record by default, null for no such name. */
  readonly record?: NameRecords | null
  readonly answer?: PolicyAnswer
  readonly certificate?: CertificateVariant
  /** More names in the zone, or others for the policy host. */
  readonly records?: Readonly<Record<string, NameRecords>>
  /** Of the policy host, when it matters. */
  readonly address?: string
  /** What changes once both have a good policy in the cache; asked again, they think as below. */
  readonly afterwards?: Afterwards
  /** Asked a second time, with nothing changed. */
  readonly twice?: boolean
  readonly opinion: string
  readonly peer?: { readonly opinion: string; readonly section: string }
}

interface Afterwards {
  readonly record?: NameRecords | null
  readonly answer?: PolicyAnswer
  readonly dns?: 'fails'
}

export const GOOD_RECORD: NameRecords = { TXT: ['v=STSv1; id=1;'], ttl: 1 }
export const PRIVATE_ADDRESS = '10.9.9.9'
const NOBODY = '127.0.0.250'
const LARGE = `x-padding: ${'x'.repeat(65_536)}\n`
const MX_ONLY = 'enforce: mx'

export function policy(domain: string, ...more: readonly string[]): string {
  return ['version: STSv1', 'mode: enforce', `mx: mx.${domain}`, 'max_age: 86400', ...more, ''].join('\n')
}

function txt(...texts: readonly string[]): NameRecords {
  return { TXT: texts, ttl: 1 }
}

function body(text: string): { readonly answer: PolicyAnswer } {
  return { answer: { body: text } }
}

function lines(...all: readonly string[]): { readonly answer: PolicyAnswer } {
  return body(all.map((line) => `${line}\n`).join(''))
}

function fields(name: string, values: Readonly<Record<string, string | undefined>>): { readonly answer: PolicyAnswer } {
  return { answer: { fields: values, body: policy(name) } }
}

const MODES_AND_RECORDS: readonly PublishedDomain[] = [
  { name: 'enforce.test', what: 'a plain policy', opinion: MX_ONLY },
  {
    name: 'testing.test',
    what: 'mode testing',
    ...lines('version: STSv1', 'mode: testing', 'mx: mx.testing.test', 'max_age: 86400'),
    opinion: 'testing: mx',
  },
  {
    name: 'mode-none.test',
    what: 'mode none',
    ...lines('version: STSv1', 'mode: none', 'max_age: 60'),
    opinion: 'none',
  },
  { name: 'no-record.test', what: 'a policy without a record', record: null, opinion: 'none' },
  { name: 'two.test', what: 'two records', record: txt('v=STSv1; id=1', 'v=STSv1; id=2'), opinion: 'none' },
  { name: 'foreign.test', what: 'other TXT records', record: txt('v=spf1 -all', 'v=STSv1; id=1'), opinion: MX_ONLY },
  { name: 'strings.test', what: 'a record of two strings', record: { TXT: [['v=STSv1; i', 'd=1']] }, opinion: MX_ONLY },
  { name: 'spaces.test', what: 'spaces around a delimiter', record: txt('v=STSv1 ; id=1 ;'), opinion: MX_ONLY },
  { name: 'no-id.test', what: 'no id', record: txt('v=STSv1;'), opinion: 'none' },
  { name: 'id-first.test', what: 'the version is not first', record: txt('id=1; v=STSv1'), opinion: 'none' },
  { name: 'version.test', what: 'another version', record: txt('v=STSv2; id=1'), opinion: 'none' },
  {
    name: 'record-alias.test',
    what: 'a record behind an alias',
    record: { CNAME: '_mta-sts.provider.test' },
    records: { '_mta-sts.provider.test': txt('v=STSv1; id=20261101') },
    opinion: MX_ONLY,
  },
  {
    name: 'long-id.test',
    what: 'an id of 33 characters',
    record: txt(`v=STSv1; id=${'a'.repeat(33)}`),
    opinion: 'none',
    peer: { opinion: MX_ONLY, section: 'RFC 8461 §3.1' },
  },
  {
    name: 'dash-id.test',
    what: 'an id with a dash',
    record: txt('v=STSv1; id=2026-11-22'),
    opinion: 'none',
    peer: { opinion: MX_ONLY, section: 'RFC 8461 §3.1' },
  },
  {
    name: 'bare-field.test',
    what: 'a field without a value',
    record: txt('v=STSv1; id=1; extension'),
    opinion: 'none',
    peer: { opinion: MX_ONLY, section: 'RFC 8461 §3.1' },
  },
  {
    name: 'next-version.test',
    what: 'a record of a later version beside ours',
    record: txt('v=STSv1; id=1', 'v=STSv10; id=2'),
    opinion: MX_ONLY,
    peer: { opinion: 'none', section: 'RFC 8461 §3.1' },
  },
]

const POLICY_HOSTS: readonly PublishedDomain[] = [
  ...(['wrong-name', 'expired', 'not-yet-valid', 'self-signed', 'unknown-authority', 'incomplete-chain'] as const).map(
    (certificate) => ({
      ...{ name: `host-${certificate}.test`, what: `a policy host whose certificate is ${certificate}` },
      ...{ certificate, opinion: 'none' },
    }),
  ),
  { name: 'host-wildcard.test', what: 'a wildcard certificate', certificate: 'wildcard', opinion: MX_ONLY },
  { name: 'host-partial.test', what: 'a star within a label', certificate: 'partial-wildcard', opinion: 'none' },
  {
    name: 'common-name.test',
    what: 'a certificate with nothing but a common name',
    certificate: 'common-name-only',
    opinion: 'none',
    peer: { opinion: MX_ONLY, section: 'RFC 8461 §3.3' },
  },
  ...[201, 206, 301, 302, 404, 500].map((status) => ({
    ...{ name: `status-${status}.test`, what: `status ${status}`, opinion: 'none' },
    answer: { status, fields: { Location: '/.well-known/mta-sts.txt' }, body: policy(`status-${status}.test`) },
  })),
  { name: 'html.test', what: 'HTML', ...fields('html.test', { 'Content-Type': 'text/html' }), opinion: 'none' },
  { name: 'untyped.test', what: 'no type', ...fields('untyped.test', { 'Content-Type': undefined }), opinion: 'none' },
  {
    name: 'charset.test',
    what: 'a media type with a charset',
    ...fields('charset.test', { 'Content-Type': 'Text/Plain; charset=utf-8' }),
    opinion: MX_ONLY,
  },
  { name: 'large.test', what: 'more than 64 KiB', ...body(policy('large.test') + LARGE), opinion: 'none' },
  {
    name: 'host-alias.test',
    what: 'a policy host behind an alias',
    records: { 'mta-sts.host-alias.test': { CNAME: 'web.provider.test' }, 'web.provider.test': { A: ['127.0.0.240'] } },
    address: '127.0.0.240',
    opinion: MX_ONLY,
  },
  {
    name: 'dead-address.test',
    what: 'a policy host with a dead address before the good one',
    records: { 'mta-sts.dead-address.test': { A: [NOBODY, '127.0.0.241'] } },
    address: '127.0.0.241',
    opinion: MX_ONLY,
  },
  { name: 'again.test', what: 'status 503, asked twice', answer: { status: 503 }, twice: true, opinion: 'none' },
  {
    name: 'private.test',
    what: 'a policy host in a private network',
    address: PRIVATE_ADDRESS,
    opinion: 'none',
    peer: { opinion: MX_ONLY, section: 'ours alone: RFC 8461 §10 does not ask for it' },
  },
]

const DOCUMENTS: readonly PublishedDomain[] = [
  { name: 'crlf.test', what: 'CRLF', ...body(policy('crlf.test').replaceAll('\n', '\r\n')), opinion: MX_ONLY },
  {
    name: 'extended.test',
    what: 'unknown fields',
    ...body(policy('extended.test', 'x-note: hello')),
    opinion: MX_ONLY,
  },
  {
    name: 'several.test',
    what: 'several hosts',
    ...body(policy('several.test', 'mx: several.test', 'mx: a.b.several.test')),
    opinion: 'enforce: mx a.b @',
  },
  ...['version: STSv1', 'mode: enforce', 'mx: mx.without.test', 'max_age: 86400'].map((left, index, all) => ({
    ...{ name: `without-${index}.test`, what: `a policy without "${left}"`, opinion: 'none' },
    ...lines(...all.filter((line) => line !== left)),
  })),
  ...['-1', '1.5', 'week', ''].map((value, index) => ({
    ...{ name: `age-${index}.test`, what: `max_age "${value}"`, opinion: 'none' },
    ...lines('version: STSv1', 'mode: enforce', `mx: mx.age-${index}.test`, `max_age: ${value}`),
  })),
  {
    name: 'mode.test',
    what: 'an unknown mode',
    ...lines('version: STSv1', 'mode: strict', 'mx: mx.mode.test', 'max_age: 86400'),
    opinion: 'none',
  },
  {
    name: 'colon.test',
    what: 'a space before a colon',
    ...lines('version: STSv1', 'mode : enforce', 'mx: mx.colon.test', 'max_age: 86400'),
    opinion: 'none',
  },
  {
    name: 'wildcard.test',
    what: 'a wildcard, which stands for one label',
    ...body(policy('wildcard.test', 'mx: *.wildcard.test')),
    opinion: 'enforce: mx a',
    peer: { opinion: 'enforce: mx a a.b', section: 'RFC 8461 §4.1' },
  },
  {
    name: 'twice.test',
    what: 'the mode twice, of which the first counts',
    ...body(policy('twice.test', 'mode: none')),
    opinion: MX_ONLY,
    peer: { opinion: 'none', section: 'RFC 8461 §3.2' },
  },
  {
    name: 'ages.test',
    what: 'max_age beyond a year, which is cut',
    ...lines('version: STSv1', 'mode: enforce', 'mx: mx.ages.test', 'max_age: 31557601'),
    opinion: MX_ONLY,
    peer: { opinion: 'none', section: 'RFC 8461 §3.2, erratum 7282' },
  },
  {
    name: 'pattern.test',
    what: 'a pattern with two stars',
    ...body(policy('pattern.test', 'mx: *.*.pattern.test')),
    opinion: 'none',
    peer: { opinion: MX_ONLY, section: 'RFC 8461 §3.2' },
  },
  {
    name: 'prose.test',
    what: 'a line that is no field',
    ...body(policy('prose.test', 'Hello, world')),
    opinion: 'none',
    peer: { opinion: MX_ONLY, section: 'RFC 8461 §3.2' },
  },
  {
    name: 'words.test',
    what: 'an unknown field in UTF-8, without a charset',
    ...body(policy('words.test', 'x-note: Grüße')),
    opinion: MX_ONLY,
    peer: { opinion: 'none', section: 'RFC 8461 §3.2' },
  },
  {
    name: 'coded.test',
    what: 'a gzip body, which we do not ask for and the peer does',
    answer: { fields: { 'Content-Encoding': 'gzip' }, body: gzipSync(policy('coded.test')) },
    opinion: 'none',
    peer: { opinion: MX_ONLY, section: 'RFC 9110 §12.5.3' },
  },
]

const CACHED: readonly PublishedDomain[] = [
  { name: 'vanished.test', what: 'the record vanishes', afterwards: { record: null }, opinion: MX_ONLY },
  { name: 'damaged.test', what: 'the record is damaged', afterwards: { record: txt('v=STSv1;') }, opinion: MX_ONLY },
  {
    name: 'doubled.test',
    what: 'a second record',
    afterwards: { record: txt('v=STSv1; id=1', 'v=STSv1; id=2') },
    opinion: MX_ONLY,
  },
  { name: 'silent.test', what: 'DNS fails', afterwards: { dns: 'fails' }, opinion: MX_ONLY },
  { name: 'gone.test', what: 'the policy host fails', afterwards: { answer: { status: 500 } }, opinion: MX_ONLY },
  {
    name: 'broken-successor.test',
    what: 'a successor is announced and cannot be fetched',
    afterwards: { record: txt('v=STSv1; id=2'), answer: { status: 404 } },
    opinion: MX_ONLY,
  },
  {
    name: 'successor.test',
    what: 'a successor',
    afterwards: { record: txt('v=STSv1; id=0'), ...body(policy('successor.test', 'mx: a.successor.test')) },
    opinion: 'enforce: mx a',
  },
  {
    name: 'ended.test',
    what: 'mode none under a new id',
    afterwards: { record: txt('v=STSv1; id=2'), ...lines('version: STSv1', 'mode: none', 'max_age: 60') },
    opinion: 'none',
  },
]

export const DOMAINS: readonly PublishedDomain[] = [...MODES_AND_RECORDS, ...POLICY_HOSTS, ...DOCUMENTS, ...CACHED]
