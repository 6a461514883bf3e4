/** The discovery of other implementations against ours, before the same answers of a real name server. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Zone, zone } from '../../../../test/lab/dns-server.ts'
import type { NameRecords } from '../../../../test/lab/dns-zone.ts'
import { resolveNextHop } from '../next-hop/resolve.ts'
import { assertNever } from '../result.ts'
import { referenceNames } from './reference-names.ts'
import { DIGEST, discoveryBed, EE, gist, name, signed, tlsa } from './source.fixture.ts'

const VECTORS = new URL('../../../../../shared/vectors/dane_discovery.json', import.meta.url)
const skip = existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout'

interface Vector {
  readonly id: string
  readonly kind: string
  readonly expected: unknown
}

function vectors<T extends Vector>(kind: string): readonly T[] {
  const { cases }: { cases: readonly T[] } = JSON.parse(readFileSync(VECTORS, 'utf8'))
  assert.equal(cases.length, 72)
  return cases.filter((one) => one.kind === kind)
}

const bed = discoveryBed()
const A = { A: ['192.0.2.1'] }
type Records = Readonly<Record<string, NameRecords>>

interface Destination extends Vector {
  readonly domain: string
  readonly expected: {
    readonly hosts?: readonly string[]
    readonly effective_domain?: string
    readonly error?: string
    readonly permanent?: boolean
    readonly authentic_original?: boolean
    readonly authentic_expanded?: boolean
  }
}

const mxTo = (...hosts: readonly string[]): NameRecords => ({
  MX: hosts.map((host, index) => [10 * (index + 1), host]),
})
const chainOf = (length: number) =>
  Object.fromEntries(Array.from({ length }, (_, index) => [`c${index}.example`, { CNAME: `c${index + 1}.example` }]))

/** The worlds that the vectors describe in words. */
const DESTINATIONS: Readonly<Record<string, readonly [string, Records]>> = {
  'danedisc-001': ['basic.example', { 'basic.example': mxTo('mail.basic.example') }],
  'danedisc-002': ['multimx.example', { 'multimx.example': mxTo('mail1.multimx.example', 'mail2.multimx.example') }],
  'danedisc-003': ['justhost.example', { 'justhost.example': A }],
  'danedisc-004': ['justhost6.example', { 'justhost6.example': { AAAA: ['2001:db8::1'] } }],
  'danedisc-005': [
    'cname.example',
    { 'cname.example': { CNAME: 'basic.example' }, 'basic.example': mxTo('mail.basic.example') },
  ],
  'danedisc-006': ['absent.example', { 'example.example': A }],
  'danedisc-007': ['danglingcname.example', { 'danglingcname.example': { CNAME: 'absent.example' } }],
  'danedisc-008': ['c0.example', { ...chainOf(17), 'c17.example': mxTo('mail.c17.example') }],
  'danedisc-009': [
    'loop.example',
    { 'loop.example': { CNAME: 'pool.example' }, 'pool.example': { CNAME: 'loop.example' } },
  ],
  'danedisc-010': ['null.example', { 'null.example': { MX: [[0, '.']] } }],
  'danedisc-011': ['broken.example', { 'broken.example': mxTo('mail.broken.example') }],
  'danedisc-012': [
    'broken.example',
    { 'broken.example': { CNAME: 'basic.example' }, 'basic.example': mxTo('mail.basic.example') },
  ],
  'danedisc-014': [
    'one.example',
    {
      'one.example': { CNAME: 'two.example' },
      'two.example': { CNAME: 'three.example', secure: false },
      'three.example': mxTo('mx.three.example'),
    },
  ],
  'danedisc-015': [
    'one.example',
    { 'one.example': { CNAME: 'three.example', secure: false }, 'three.example': mxTo('mx.three.example') },
  ],
}

const DESTINATION_DISAGREEMENTS: Readonly<Record<string, string>> = {
  'danedisc-006': 'RFC 5321 §5.1: a domain that does not exist is an error, it has no implicit MX',
  'danedisc-007': 'RFC 5321 §5.1: as before, for the name behind the alias',
  'danedisc-008': 'RFC 7672 §2.1.3, §2.1.2: an error in the expansion of aliases is a failed lookup, which delays mail',
  'danedisc-009': 'RFC 7672 §2.1.3, §2.1.2: as before',
  'danedisc-013': 'RFC 7672 §2.2: an address literal is never looked up, so there is nothing to compare here',
}

test('destinations: hosts and the security of the way to them are theirs, or the RFC decides', { skip }, async () => {
  const different: string[] = []
  for (const { id, expected } of vectors<Destination>('destination')) {
    const [domain, records] = DESTINATIONS[id] ?? []
    const same = domain !== undefined && records !== undefined && (await reaches({ domain, records, expected }))
    if (!same) different.push(id)
  }
  assert.deepEqual(different, Object.keys(DESTINATION_DISAGREEMENTS))
})

async function reaches({
  domain,
  records,
  expected,
}: {
  readonly domain: string
  readonly records: Records
  readonly expected: Destination['expected']
}): Promise<boolean> {
  // The same name means another world in another case; the resolver remembers for the length of a test.
  const unique = `w${worlds++}`
  bed.server.serve(signed(renamed(records, unique)))
  const asked = name(renamedName(domain, unique))
  if (domain === 'broken.example') bed.server.fail(asked, { kind: 'rcode', rcode: 'SERVFAIL' })
  const found = await resolveNextHop({ resolver: bed.resolver, domain: asked, self: { names: [] }, random: () => 0 })
  const { hosts, error, permanent, authentic_original: first, authentic_expanded: whole } = expected
  if (error !== undefined) {
    const permanently = found.kind === 'null-mx'
    return (found.kind === 'failure' || permanently) && permanently === permanent
  }
  if (found.kind !== 'hosts') return false
  if (hosts !== undefined) {
    const theirs = hosts.map((host) => renamedName(host.replace(/ .*/, ''), unique))
    return theirs.join() === found.candidates.map(({ mxHostname }) => mxHostname).join()
  }
  const alias = await bed.resolver.cname(asked)
  return alias.kind === 'records' && alias.secure === first && found.mxSecure === whole
}

let worlds = 0

function renamedName(host: string, unique: string): string {
  return host.replace(/example$/, `${unique}.example`)
}

function renamed(records: Records, unique: string): Records {
  const rename = (text: string) => renamedName(text, unique)
  return Object.fromEntries(
    Object.entries(records).map(([owner, { CNAME, MX, ...rest }]) => [
      rename(owner),
      {
        ...rest,
        ...(CNAME === undefined ? {} : { CNAME: rename(CNAME) }),
        ...(MX === undefined ? {} : { MX: MX.map(([preference, host]) => [preference, rename(host)] as const) }),
      },
    ]),
  )
}

interface TlsaBase extends Vector {
  readonly zone: Readonly<Record<string, string>>
  readonly mx_host: string
  readonly expanded_host: string
  readonly expanded_host_authentic: boolean
  readonly expected: {
    readonly dane_required: boolean
    readonly records: string | null
    readonly base_domain: string | null
    readonly error: string | null
  }
}

const TLSA_ZONE: Records = {
  '_25._tcp.host0.example': tlsa(`3 1 1 ${DIGEST}`),
  '_25._tcp.host1.example': tlsa(`3 0 1 ${DIGEST}`),
  '_25._tcp.inauthentic.example': { ...tlsa(`3 0 1 ${DIGEST}`), secure: false },
  '_25._tcp.cname.example': { CNAME: '_25._tcp.host1.example' },
  '_25._tcp.cname-to-inauthentic.example': { CNAME: '_25._tcp.cname-inauthentic.example' },
  '_25._tcp.cname-inauthentic.example': { CNAME: '_25._tcp.host1.example', secure: false },
  '_25._tcp.danglingcname.example': { CNAME: '_25._tcp.absent.example' },
  '_25._tcp.cnameloop.example': { CNAME: '_25._tcp.cnameloop2.example' },
  '_25._tcp.cnameloop2.example': { CNAME: '_25._tcp.cnameloop.example' },
}

test('base domains: the same records at the same name, the same failures', { skip }, async () => {
  bed.server.fail('_25._tcp.temperror-cname.example', { kind: 'rcode', rcode: 'SERVFAIL' })
  const cases = vectors<TlsaBase>('tlsa-base')
  assert.equal(cases.length, 13)
  for (const { id, expected, ...question } of cases) {
    assert.deepEqual(Object.keys(question.zone).length, 8)
    const { mx_host: host, expanded_host: expanded } = question
    // Where nothing is expanded, the flag about the expansion says nothing: that the host is secure is their premise.
    const secure = host === expanded || question.expanded_host_authentic
    const unexpanded: Records = host === expanded ? {} : { [host]: { CNAME: expanded } }
    bed.server.serve(signed({ ...TLSA_ZONE, ...unexpanded, [expanded]: { ...A, secure } }))
    const found = gist(await bed.fresh().discoverRoute(host, 25))
    assert.equal(found.replace(/^failure .* (\S+)$/, 'failure $1'), tlsaBaseGist(expected), id)
  }
  bed.server.heal('_25._tcp.temperror-cname.example')
})

function tlsaBaseGist({ dane_required: required, records, base_domain: base, error }: TlsaBase['expected']): string {
  if (error !== null) return `failure ${error === 'cname-limit' ? 'cname-chain' : 'rcode'}`
  if (required) return `tlsa ${base} ${records}`
  return base === 'inauthentic.example' ? 'none insecure-tlsa' : 'none no-tlsa'
}

interface ReferenceNames extends Vector {
  readonly have_mx: boolean
  readonly nexthop_expanded_authentic: boolean
  readonly tlsa_base_expanded_authentic: boolean
  readonly expected: readonly string[]
}

const REFERENCE_DISAGREEMENTS: Readonly<Record<string, string>> = {
  'danedisc-031': 'RFC 7672 §3.2.2: base domain, next-hop domain and its expansion; the unexpanded MX host is not one',
  'danedisc-033': 'RFC 7672 §3.2.2: behind an insecure MX the host name is the only one, not the next-hop domain',
}

test('reference names: theirs, or the RFC decides', { skip }, () => {
  const cases = vectors<ReferenceNames>('reference-names')
  assert.equal(cases.length, 5)
  const different = cases.flatMap(({ id, expected, ...flags }) => {
    const secure = flags.nexthop_expanded_authentic
    const [nextHop, expandedNextHop] = [name('nexthop'), name('nexthopexpanded')]
    const origin = flags.have_mx
      ? ({ kind: 'mx', nextHop, expandedNextHop, secure } as const)
      : ({ kind: 'implicit-mx', nextHop: name('base'), secure } as const)
    const baseDomain = name(flags.tlsa_base_expanded_authentic ? 'baseexpanded' : 'base')
    return referenceNames({ origin, name: name('base'), baseDomain }).join() === expected.join() ? [] : [id]
  })
  assert.deepEqual(different, Object.keys(REFERENCE_DISAGREEMENTS))
})

interface RfcExample extends Vector {
  readonly zone: readonly string[]
  readonly recipient_domain: string
  readonly mx: string
  readonly expected: { readonly tlsa_base: string; readonly accept_at_least: readonly string[] }
}

test('RFC 7672 §3.2.2: its example', { skip }, async () => {
  const cases = vectors<RfcExample>('reference-names-rfc')
  assert.equal(cases.length, 3)
  for (const { id, zone: lines, recipient_domain: domain, mx, expected } of cases) {
    bed.server.serve(zoneOf(lines))
    const found = await bed.discover(domain)
    const facts = found.find(({ host }) => host === mx)?.facts
    assert(facts?.kind === 'tlsa', id)
    assert.equal(facts.baseDomain, expected.tlsa_base, id)
    assert.deepEqual(new Set(facts.referenceNames), new Set(expected.accept_at_least), id)
  }
})

/** Master file lines as the RFC prints them. */
function zoneOf(lines: readonly string[]): Zone {
  const records: Record<string, NameRecords> = {}
  for (const line of lines) {
    const [owner = '', type, ...rest] = line.split(' ').map((word) => word.replace(/\.$/, ''))
    const before = records[owner]
    if (type === 'CNAME') records[owner] = { CNAME: rest[0] ?? '' }
    else if (type === 'A') records[owner] = { A: [rest[0] ?? ''] }
    else if (type === 'MX') records[owner] = { MX: [...(before?.MX ?? []), [Number(rest[0]), rest[1] ?? '']] }
    else records[owner] = tlsa(`${rest.slice(0, 3).join(' ')} ${DIGEST}`)
  }
  return signed(records)
}

interface Situation extends Vector {
  readonly situation: string
  readonly expected: string
}

interface Row {
  readonly records: Records
  readonly found: readonly string[]
  readonly failing?: string
  readonly asked?: readonly string[]
}

const mx: Records = { 'example.test': mxTo('mx.test') }
const insecureMx: Records = { 'example.test': { ...mxTo('mx.test'), secure: false } }
const at = (base: string, records: NameRecords = tlsa(EE)): Records => ({ [`_25._tcp.${base}`]: records })
const alias: Records = { ...mx, 'mx.test': { CNAME: 'cname.test' }, 'cname.test': A }
const usable = ['mx.test: tlsa mx.test 3 1 1']
const insecureAll: Records = { ...insecureMx, 'mx.test': { ...A, secure: false } }
const twoMx = mxTo('mx1.test', 'mx2.test')

/** The situations, in the words of a zone, and what we find there. Whether a certificate matches is decided elsewhere. */
const SITUATIONS: Readonly<Record<string, Row>> = {
  'danedisc-034': { records: { ...insecureMx, 'mx.test': A, ...at('mx.test') }, found: usable },
  'danedisc-035': { records: { ...alias, ...at('cname.test') }, found: ['mx.test: tlsa cname.test 3 1 1'] },
  'danedisc-036': { records: { ...alias, ...at('mx.test') }, found: usable },
  'danedisc-037': {
    records: {
      ...alias,
      'cname.test': { ...A, secure: false },
      ...at('mx.test'),
      ...at('cname.test', { ...tlsa(EE), secure: false }),
    },
    found: usable,
  },
  'danedisc-038': {
    records: { ...insecureAll, ...at('mx.test', { ...tlsa(EE), secure: false }) },
    found: ['mx.test: none insecure-address'],
  },
  'danedisc-039': {
    records: { ...alias, 'mx.test': { CNAME: 'cname.test', secure: false }, ...at('cname.test') },
    found: ['mx.test: none insecure-address'],
  },
  'danedisc-040': {
    records: insecureAll,
    failing: '_25._tcp.mx.test',
    found: ['mx.test: none insecure-address'],
    asked: [],
  },
  'danedisc-041': { records: { ...mx, 'mx.test': A, ...at('mx.test') }, found: usable },
  'danedisc-042': { records: { ...mx, 'mx.test': A }, found: ['mx.test: none no-tlsa'] },
  'danedisc-043': {
    records: { ...mx, 'mx.test': A },
    failing: '_25._tcp.mx.test',
    found: ['mx.test: failure tlsa _25._tcp.mx.test rcode'],
  },
  'danedisc-044': { records: { ...mx, 'mx.test': A, ...at('mx.test') }, found: usable },
  'danedisc-045': { records: { ...mx, 'mx.test': A, ...at('mx.test') }, found: usable },
  'danedisc-067': {
    records: { ...mx, 'mx.test': A, ...at('mx.test') },
    failing: '_25._tcp.mx.test',
    found: ['mx.test: failure tlsa _25._tcp.mx.test rcode'],
  },
  'danedisc-068': { records: mx, failing: 'example.test', found: ['failure'], asked: [] },
  'danedisc-069': {
    records: { ...mx, 'mx.test': A },
    failing: 'mx.test',
    found: ['mx.test: failure address mx.test rcode'],
    asked: [],
  },
  'danedisc-051': { records: { ...mx, 'mx.test': A }, found: ['mx.test: none no-tlsa'], asked: ['_25._tcp.mx.test'] },
  'danedisc-052': { records: { ...mx, ...insecureAll }, found: ['mx.test: none insecure-address'], asked: [] },
  'danedisc-053': { records: mx, found: ['mx.test: none no-address'], asked: [] },
  'danedisc-054': { records: insecureMx, found: ['mx.test: none no-address'], asked: [] },
  'danedisc-055': { records: mx, failing: 'mx.test', found: ['mx.test: failure address mx.test rcode'], asked: [] },
  'danedisc-056': { records: mx, failing: 'mx.test', found: ['mx.test: failure address mx.test rcode'], asked: [] },
  'danedisc-057': { records: mx, failing: 'mx.test', found: ['mx.test: failure address mx.test rcode'], asked: [] },
  'danedisc-058': { records: insecureAll, found: ['mx.test: none insecure-address'], asked: [] },
  'danedisc-059': {
    records: { 'example.test': { ...twoMx, secure: false }, 'mx2.test': A },
    found: ['mx1.test: none no-address', 'mx2.test: none no-tlsa'],
    asked: ['_25._tcp.mx2.test'],
  },
  'danedisc-060': {
    records: { 'example.test': twoMx, 'mx2.test': A, ...at('mx2.test') },
    found: ['mx1.test: none no-address', 'mx2.test: tlsa mx2.test 3 1 1'],
    asked: ['_25._tcp.mx2.test'],
  },
  'danedisc-061': {
    records: { ...mx, 'mx.test': { TXT: ['no address'] } },
    found: ['mx.test: none no-address'],
    asked: [],
  },
  'danedisc-062': {
    records: { 'example.test': A, ...at('example.test') },
    found: ['example.test: tlsa example.test 3 1 1'],
  },
  'danedisc-063': { records: { 'other.test': A }, found: ['domain-not-found'], asked: [] },
  'danedisc-064': { records: { 'example.test': { MX: [[0, '.']], ...A } }, found: ['null-mx'], asked: [] },
  'danedisc-065': {
    records: {
      'example.test': { CNAME: 'target.test', ttl: 7 },
      'target.test': mxTo('mx.test'),
      'mx.test': A,
      ...at('mx.test'),
    },
    found: usable,
  },
  'danedisc-066': { records: { ...mx, 'mx.test': A }, found: ['mx.test: none no-tlsa'] },
}

const STS = 'MTA-STS alone: test/scenarios/mta-sts-table-a.test.ts'
const ELSEWHERE: Readonly<Record<string, string>> = {
  'danedisc-046': STS,
  'danedisc-047': STS,
  'danedisc-048': STS,
  'danedisc-049': STS,
  'danedisc-050': STS,
}

test('situations: what is found leads to what they expect', { skip }, async () => {
  const cases = ['delivery', 'address-class', 'policy-discovery'].flatMap((kind) => vectors<Situation>(kind))
  assert.equal(cases.length, 36)
  assert.deepEqual(
    cases.map(({ id }) => id).toSorted(),
    [...Object.keys(SITUATIONS), ...Object.keys(ELSEWHERE)].toSorted(),
  )
  for (const { id, expected } of cases) {
    const row = SITUATIONS[id]
    if (row === undefined) continue
    const { found, asked } = await situation(row)
    assert.deepEqual(found, row.found, id)
    if (row.asked !== undefined) assert.deepEqual(asked, row.asked, id)
    const last = found.at(-1) ?? ''
    assert.match(last, consistent(expected), `${id}: ${expected}`)
  }
})

async function situation({ records, failing }: Row) {
  bed.server.serve(signed(records))
  bed.server.forget()
  if (failing !== undefined) bed.server.fail(failing, { kind: 'rcode', rcode: 'SERVFAIL' })
  const { resolver, discover } = bed.fresh()
  const nextHop = await resolveNextHop({
    ...{ resolver, domain: name('example.test'), self: { names: [] } },
    random: () => 0,
  })
  const found =
    nextHop.kind === 'hosts'
      ? (await discover('example.test')).map(({ host, facts }) => `${host}: ${gist(facts)}`)
      : [nextHop.kind]
  if (failing !== undefined) bed.server.heal(failing)
  return { found, asked: bed.askedForTlsa() }
}

/** What facts can lead to their outcome. */
function consistent(expected: string): RegExp {
  if (expected.startsWith('not delivered')) return /: (?:tlsa|failure) /
  if (/^(?:temporary|retry later)/.test(expected)) return /failure/
  if (/^(?:delivered \(DANE\)|dane-only|opportunistic dane)/.test(expected)) return /: tlsa /
  if (/^(?:delivered|no DANE|not-secure|ok|TTL)/.test(expected)) return /: none /
  if (expected === 'no address or TLSA lookup') return /^(?:domain-not-found|null-mx)$/
  return assertNever(expected as never)
}

test('absence is remembered as long as the SOA record says', { skip }, async () => {
  bed.server.serve(zone({ ...mx, 'mx.test': { ...A, AAAA: ['2001:db8::1'] } }, { secure: true, negativeTtl: 41 }))
  const [only] = await bed.discover('example.test')
  assert.equal(only?.facts.kind === 'none' && only.facts.ttlSeconds, 41)
})
