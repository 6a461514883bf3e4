/** What is asked of DNS for a host, in which order, and what each answer makes of DANE: against a real name server. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { zone } from '../../../../test/lab/dns-server.ts'
import type { NameRecords } from '../../../../test/lab/dns-zone.ts'
import { createStubResolver } from '../dns/stub-resolver.ts'
import type { DomainName, OwnerName } from '../domain-name.ts'
import type { HostAddresses } from '../next-hop/addresses.ts'
import { orderMxSet } from '../next-hop/mx-set.ts'
import { DIGEST, discoveryBed, EE, gist, name, signed, TA, tlsa } from './source.fixture.ts'
import { daneFactsFor, MAX_TLSA_OCTETS, MAX_TLSA_RECORDS } from './source.ts'

const bed = discoveryBed()
const MX = { 'example.test': { MX: [[10, 'mx.test']] } } as const satisfies Readonly<Record<string, NameRecords>>
const A = { A: ['192.0.2.1'] }

/** The gist of what is known of the only host of example.test. */
async function known(options: Parameters<typeof bed.discover>[1] = {}): Promise<string> {
  const [only, ...more] = await bed.discover('example.test', options)
  assert(only !== undefined && more.length === 0)
  return gist(only.facts)
}

describe('RFC 7672 §2.2.2: addresses come first', () => {
  test('DANE-29: TLSA records are asked for after the addresses', async () => {
    covers('DANE-29', { observe: 'dns' })
    bed.server.serve(signed({ ...MX, 'mx.test': A, '_25._tcp.mx.test': tlsa(EE) }))
    assert.equal(await known(), 'tlsa mx.test 3 1 1')
    assert.deepEqual(bed.asked().toSorted(byPhase), ['MX example.test', 'A mx.test', 'AAAA mx.test', tlsaAt('mx.test')])
    assert.equal(bed.asked().at(-1), tlsaAt('mx.test'))
  })

  test('DANE-30: for an insecure address without alias no TLSA records are asked for', async () => {
    covers('DANE-30', { observe: 'dns' })
    bed.server.serve(signed({ ...MX, 'mx.test': { ...A, secure: false }, '_25._tcp.mx.test': tlsa(EE) }))
    bed.server.fail('_25._tcp.mx.test', { kind: 'drop' })
    assert.equal(await known(), 'none insecure-address')
    assert.deepEqual(bed.askedForTlsa(), [])
    bed.server.heal('_25._tcp.mx.test')
  })

  test('DANE-31: for a host without addresses no TLSA records are asked for', async () => {
    covers('DANE-31', { observe: 'dns' })
    bed.server.serve(signed({ ...MX, 'mx.test': { TXT: ['no addresses'] }, '_25._tcp.mx.test': tlsa(EE) }))
    assert.equal(await known(), 'none no-address')
    assert.deepEqual(bed.askedForTlsa(), [])
  })

  test('addresses that cannot be had make the host unreachable, and TLSA records are not asked for', async () => {
    bed.server.serve(signed({ ...MX, 'mx.test': A, '_25._tcp.mx.test': tlsa(EE) }))
    bed.server.fail('mx.test', { kind: 'rcode', rcode: 'SERVFAIL' })
    assert.equal(await known(), 'failure address mx.test rcode')
    assert.deepEqual(bed.askedForTlsa(), [])
    bed.server.heal('mx.test')
  })

  test('one family of addresses that cannot be had changes nothing', async () => {
    bed.server.serve(signed({ ...MX, 'mx.test': A, '_25._tcp.mx.test': tlsa(EE) }))
    bed.server.fail('mx.test', { kind: 'rcode', rcode: 'SERVFAIL' }, { type: 'AAAA' })
    assert.equal(await known(), 'tlsa mx.test 3 1 1')
    bed.server.heal('mx.test')
  })
})

describe('RFC 7672 §2.2.2, §2.2.3: candidate base domains', () => {
  const chain = {
    ...MX,
    'mx.test': { CNAME: 'middle.test' },
    'middle.test': { CNAME: 'end.test' },
    'end.test': A,
  } as const satisfies Readonly<Record<string, NameRecords>>

  test('DANE-32: without alias the host name is the only candidate', async () => {
    covers('DANE-32', { observe: 'dns' })
    bed.server.serve(signed({ ...MX, 'mx.test': A }))
    assert.equal(await known(), 'none no-tlsa')
    assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.mx.test'])
  })

  test('DANE-33: with a secure alias the expanded name comes first, then the original', async () => {
    covers('DANE-33', { observe: 'dns' })
    bed.server.serve(signed({ ...chain, '_25._tcp.mx.test': tlsa(EE) }))
    assert.equal(await known(), 'tlsa mx.test 3 1 1')
    assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.end.test', '_25._tcp.mx.test'])
  })

  test('the original name is not asked for when the expanded one has records', async () => {
    bed.server.serve(signed({ ...chain, '_25._tcp.mx.test': tlsa(TA), '_25._tcp.end.test': tlsa(EE) }))
    assert.equal(await known(), 'tlsa end.test 3 1 1')
    assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.end.test'])
  })

  test('DANE-34: with a secure alias to insecure addresses only the original name counts', async () => {
    covers('DANE-34', { observe: 'dns' })
    const insecureEnd = { 'end.test': { ...A, secure: false } }
    bed.server.serve(signed({ ...chain, ...insecureEnd, '_25._tcp.mx.test': tlsa(EE), '_25._tcp.end.test': tlsa(TA) }))
    assert.equal(await known(), 'tlsa mx.test 3 1 1')
    assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.mx.test'])
  })

  test('DANE-14: whether the first alias of an insecure chain is secure is asked for by itself', async () => {
    covers('DANE-14', { observe: 'dns' })
    bed.server.serve(signed({ ...chain, 'middle.test': { CNAME: 'end.test', secure: false } }))
    assert.equal(await known(), 'none no-tlsa')
    assert.deepEqual(bed.asked().slice(-2), ['CNAME mx.test', tlsaAt('mx.test')])
    bed.server.forget()
    bed.server.serve(signed({ ...chain, 'other.test': A }))
    await bed.discoverRoute('mx.test', 25)
    assert(!bed.asked().includes('CNAME mx.test'), 'a secure chain needs no such question')
  })

  test('DANE-35: with an insecure first alias DANE does not apply', async () => {
    covers('DANE-35', { observe: 'dns' })
    const insecureAlias = { 'mx.test': { CNAME: 'middle.test', secure: false } }
    bed.server.serve(
      signed({ ...chain, ...insecureAlias, '_25._tcp.mx.test': tlsa(EE), '_25._tcp.end.test': tlsa(EE) }),
    )
    assert.equal(await known(), 'none insecure-address')
    assert.deepEqual(bed.askedForTlsa(), [])
  })

  test('DANE-36: names in the middle of the chain are never asked for', async () => {
    covers('DANE-36', { observe: 'dns' })
    bed.server.serve(signed({ ...chain, '_25._tcp.middle.test': tlsa(EE) }))
    assert.equal(await known(), 'none no-tlsa')
    assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.end.test', '_25._tcp.mx.test'])
  })

  test('an alias that leads to a name with an underscore has one candidate, secure or not', async () => {
    const service = { ...MX, 'mx.test': { CNAME: '_lb.test' }, '_25._tcp.mx.test': tlsa(EE) }
    bed.server.serve(signed({ ...service, '_lb.test': A }))
    assert.equal(await known(), 'tlsa mx.test 3 1 1')
    bed.server.forget()
    bed.server.serve(signed({ ...service, '_lb.test': { ...A, secure: false } }))
    assert.equal(gist(await bed.discoverRoute('mx.test', 26)), 'none no-tlsa')
    assert.deepEqual(bed.askedForTlsa(), ['_26._tcp.mx.test'])
  })
})

describe('RFC 7672 §2.2.2: whose name is asked for', () => {
  test('DANE-19: a next-hop domain that is an alias is expanded, and its MX hosts are asked for', async () => {
    covers('DANE-19', { observe: 'dns' })
    bed.server.serve(
      signed({
        'exchange.test': { CNAME: 'mail.test' },
        'mail.test': { CNAME: 'example.test' },
        ...MX,
        'mx.test': A,
        '_25._tcp.mx.test': tlsa(TA),
      }),
    )
    const [only] = await bed.discover('exchange.test')
    assert(only?.facts.kind === 'tlsa')
    assert.deepEqual(only.facts.referenceNames, ['mx.test', 'exchange.test', 'example.test'])
    assert.equal(only.facts.mxSecure, true)
    assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.mx.test'])
  })

  test('one insecure link on the way to the MX records makes them insecure', async () => {
    bed.server.serve(
      signed({
        'exchange.test': { CNAME: 'mail.test' },
        'mail.test': { CNAME: 'example.test', secure: false },
        ...MX,
        'mx.test': A,
        '_25._tcp.mx.test': tlsa(TA),
      }),
    )
    const [only] = await bed.discover('exchange.test')
    assert(only?.facts.kind === 'tlsa')
    assert.deepEqual(only.facts.referenceNames, ['mx.test'])
    assert.equal(only.facts.mxSecure, false)
  })

  test('an address in an MX record is no host, and nothing is asked for it', async () => {
    bed.server.serve(
      signed({
        'example.test': {
          MX: [
            [10, '192.0.2.1'],
            [20, 'mx.test'],
          ],
        },
        'mx.test': A,
      }),
    )
    assert.equal(await known(), 'none no-tlsa')
    assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.mx.test'])
  })

  test('DANE-26: a domain without MX records is asked for by its own name', async () => {
    covers('DANE-26', { observe: 'dns' })
    bed.server.serve(signed({ 'example.test': A, '_25._tcp.example.test': tlsa(EE) }))
    const [only] = await bed.discover('example.test')
    assert(only?.facts.kind === 'tlsa')
    assert.deepEqual(only.facts.referenceNames, ['example.test'])
    assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.example.test'])
  })

  for (const [rule, records, outcome, tlsaNames] of [
    ['both ends are asked for', {}, 'none no-tlsa', ['_25._tcp.end.test', '_25._tcp.example.test']],
    ['the expanded one counts first', { '_25._tcp.end.test': tlsa(TA) }, 'tlsa end.test 2 0 1', ['_25._tcp.end.test']],
    [
      'only the own name counts when the way is insecure behind a secure alias',
      { 'end.test': { ...A, secure: false }, '_25._tcp.example.test': tlsa(EE) },
      'tlsa example.test 3 1 1',
      ['_25._tcp.example.test'],
    ],
    [
      'none counts when the first alias is insecure',
      { 'example.test': { CNAME: 'end.test', secure: false }, '_25._tcp.end.test': tlsa(EE) },
      'none insecure-address',
      [],
    ],
  ] as const) {
    test(`of a domain without MX records that is an alias, ${rule}`, async () => {
      bed.server.serve(signed({ 'example.test': { CNAME: 'end.test' }, 'end.test': A, ...records }))
      assert.equal(await known(), outcome)
      assert.deepEqual(bed.askedForTlsa(), tlsaNames)
    })
  }

  test('of such a domain the original name is a reference name too', async () => {
    const alias = { 'example.test': { CNAME: 'end.test' }, 'end.test': A }
    bed.server.serve(signed({ ...alias, '_25._tcp.end.test': tlsa(TA) }))
    const [only] = await bed.discover('example.test')
    assert(only?.facts.kind === 'tlsa')
    assert.deepEqual(only.facts.referenceNames, ['end.test', 'example.test'])
  })

  test('DANE-27: the host of a route is asked for with the port of the route', async () => {
    covers('DANE-27', { observe: 'dns' })
    bed.server.serve(signed({ 'relay.test': A, '_587._tcp.relay.test': tlsa(EE) }))
    const facts = await bed.discoverRoute('relay.test', 587)
    assert.equal(gist(facts), 'tlsa relay.test 3 1 1')
    assert.equal(facts.kind === 'tlsa' && facts.mxSecure, true)
    assert.deepEqual(bed.askedForTlsa(), ['_587._tcp.relay.test'])
  })

  test('DANE-39: the port that will be dialled is in the name', async () => {
    covers('DANE-39', { observe: 'dns' })
    bed.server.serve(signed({ 'relay.test': A, '_25._tcp.relay.test': tlsa(EE) }))
    assert.equal(gist(await bed.discoverRoute('relay.test', 2525)), 'none no-tlsa')
    assert.deepEqual(bed.askedForTlsa(), ['_2525._tcp.relay.test'])
  })

  test('DANE-40: the base domain is in A-labels', async () => {
    covers('DANE-40', { observe: 'dns' })
    bed.server.serve(signed({ 'xn--bcher-kva.test': A, '_25._tcp.xn--bcher-kva.test': tlsa(EE) }))
    assert.equal(gist(await bed.discoverRoute('bücher.test', 25)), 'tlsa xn--bcher-kva.test 3 1 1')
    assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.xn--bcher-kva.test'])
  })

  test('a name so long that no TLSA record can stand below it has none', async () => {
    const long = [...Array.from({ length: 4 }, () => 'x'.repeat(60)), 'test'].join('.')
    bed.server.serve(signed({ [long]: A }))
    assert.equal(gist(await bed.discoverRoute(long, 25)), 'none no-tlsa')
    assert.deepEqual(bed.askedForTlsa(), [])
  })
})

describe('RFC 7672 §2.2.1: an insecure MX', () => {
  const insecureMx = {
    'example.test': { ...MX['example.test'], secure: false },
    'mx.test': A,
    '_25._tcp.mx.test': tlsa(EE),
  }

  test('its hosts are authenticated all the same, as themselves (D-8)', async () => {
    bed.server.serve(signed(insecureMx))
    const [only] = await bed.discover('example.test')
    assert(only?.facts.kind === 'tlsa')
    assert.equal(only.facts.mxSecure, false)
    assert.deepEqual(only.facts.referenceNames, ['mx.test'])
  })

  test('or not, when the operator says so: then nothing is asked', async () => {
    bed.server.serve(signed(insecureMx))
    assert.equal(await known({ insecureMx: 'ignore' }), 'none insecure-mx')
    assert.deepEqual(bed.askedForTlsa(), [])
  })

  test('what the operator names himself is not behind one', async () => {
    const { resolver } = bed
    bed.server.serve(signed({ 'relay.test': A, '_25._tcp.relay.test': tlsa(EE) }))
    const host = name('relay.test')
    const facts = await daneFactsFor(
      { host, port: 25, origin: { kind: 'route' }, addresses: addressesAt(host) },
      { resolver, insecureMx: 'ignore' },
    )
    assert.equal(gist(facts), 'tlsa relay.test 3 1 1')
  })
})

describe('RFC 7672 §2.2.3: what the TLSA answer means', () => {
  const alias = { ...MX, 'mx.test': { CNAME: 'end.test' }, 'end.test': A } as const

  test('an alias at the TLSA name changes neither base domain nor reference names', async () => {
    bed.server.serve(
      signed({
        ...MX,
        'mx.test': A,
        '_25._tcp.mx.test': { CNAME: 'tlsa._dane.test' },
        'tlsa._dane.test': tlsa(TA),
      }),
    )
    const [only] = await bed.discover('example.test')
    assert(only?.facts.kind === 'tlsa')
    assert.equal(only.facts.baseDomain, 'mx.test')
    assert.equal(only.facts.owner, '_25._tcp.mx.test')
    assert.deepEqual(only.facts.referenceNames, ['mx.test', 'example.test'])
  })

  for (const [rule, first] of [
    ['records that nobody signed', { ...tlsa(EE), secure: false }],
    ['records behind an insecure alias', { CNAME: 'tlsa.test', secure: false }],
    ['a name without TLSA records', { TXT: ['something else'] }],
  ] as const) {
    test(`${rule} at the first candidate lead to the second`, async () => {
      bed.server.serve(
        signed({ ...alias, '_25._tcp.end.test': first, 'tlsa.test': tlsa(EE), '_25._tcp.mx.test': tlsa(TA) }),
      )
      assert.equal(await known(), 'tlsa mx.test 2 0 1')
    })
  }

  test('without a secure RRset DANE does not apply, and why is told', async () => {
    bed.server.serve(signed({ ...alias }))
    assert.equal(await known(), 'none no-tlsa')
    bed.server.serve(signed({ 'example.test': A, '_25._tcp.example.test': { ...tlsa(EE), secure: false } }))
    assert.equal(gist(await bed.discoverRoute('example.test', 25)), 'none insecure-tlsa')
  })

  test('a secure RRset counts even when none of its records is usable', async () => {
    bed.server.serve(signed({ ...alias, '_25._tcp.end.test': tlsa(`0 0 1 ${DIGEST}`), '_25._tcp.mx.test': tlsa(EE) }))
    const [only] = await bed.discover('example.test')
    assert(only?.facts.kind === 'tlsa')
    assert.equal(only.facts.baseDomain, 'end.test')
    assert.equal(only.facts.published.length, 1)
    assert.deepEqual(only.facts.usable, [])
    assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.end.test'])
  })

  test('what counts is usable and has the strongest digest that is allowed', async () => {
    const both = tlsa(EE, `3 1 2 ${'cd'.repeat(64)}`, `3 1 2 ${DIGEST}`, `1 1 1 ${DIGEST}`)
    bed.server.serve(signed({ ...MX, 'mx.test': A, '_25._tcp.mx.test': both }))
    assert.equal(await known(), 'tlsa mx.test 3 1 2')
    assert.equal(await known({ digests: ['sha-256', 'sha-512'] }), 'tlsa mx.test 3 1 1')
    assert.equal(await known({ digests: ['sha-256'] }), 'tlsa mx.test 3 1 1')
  })
})

describe('RFC 7672 §2.1.2: an error is neither an absence nor a reason to go on', () => {
  const alias = { ...MX, 'mx.test': { CNAME: 'end.test' }, 'end.test': A, '_25._tcp.mx.test': tlsa(EE) } as const

  for (const [rule, fault, kind] of [
    ['SERVFAIL', { kind: 'rcode', rcode: 'SERVFAIL' }, 'rcode'],
    ['REFUSED', { kind: 'rcode', rcode: 'REFUSED' }, 'rcode'],
    ['NOTIMP', { kind: 'rcode', rcode: 'NOTIMP' }, 'rcode'],
    ['FORMERR', { kind: 'rcode', rcode: 'FORMERR' }, 'rcode'],
    ['silence', { kind: 'drop' }, 'timeout'],
    ['garbage', { kind: 'garbage' }, 'malformed'],
  ] as const) {
    test(`${rule} at the first candidate makes the host unreachable; the second is not asked for`, async () => {
      bed.server.serve(signed(alias))
      bed.server.fail('_25._tcp.end.test', fault)
      assert.equal(await known(), `failure tlsa _25._tcp.end.test ${kind}`)
      assert.deepEqual(bed.askedForTlsa(), ['_25._tcp.end.test'])
      bed.server.heal('_25._tcp.end.test')
    })
  }

  test('a chain of aliases at the TLSA name that loops is one', async () => {
    const loop = { '_25._tcp.end.test': { CNAME: 'a.test' }, 'a.test': { CNAME: '_25._tcp.end.test' } }
    bed.server.serve(signed({ ...alias, ...loop }))
    assert.equal(await known(), 'failure tlsa _25._tcp.end.test cname-chain')
  })

  test('the status of the first alias that cannot be had is one', async () => {
    bed.server.serve(signed({ ...alias, 'end.test': { ...A, secure: false } }))
    bed.server.fail('mx.test', { kind: 'rcode', rcode: 'SERVFAIL' }, { type: 'CNAME' })
    assert.equal(await known(), 'failure cname mx.test rcode')
    assert.deepEqual(bed.askedForTlsa(), [])
    bed.server.heal('mx.test')
  })

  test('what the resolver says about it is kept (RFC 8914)', async () => {
    bed.server.serve(signed(alias))
    const ede = { infoCode: 7, extraText: 'signature expired' }
    bed.server.fail('_25._tcp.end.test', { kind: 'rcode', rcode: 'SERVFAIL', ede })
    const [only] = await bed.discover('example.test')
    assert.deepEqual(only?.facts, {
      kind: 'failure',
      lookup: 'tlsa',
      name: '_25._tcp.end.test',
      reason: { kind: 'rcode', rcode: 'SERVFAIL', extendedError: ede },
    })
    bed.server.heal('_25._tcp.end.test')
  })

  test('an RRset beyond measure makes its host unreachable: no part of it is believed', async () => {
    const digests = (count: number) =>
      tlsa(...Array.from({ length: count }, (_, index) => `3 1 1 ${index.toString(16).padStart(64, '0')}`))
    bed.server.serve(signed({ ...MX, 'mx.test': A, '_25._tcp.mx.test': digests(MAX_TLSA_RECORDS) }))
    const [whole] = await bed.discover('example.test')
    assert.equal(whole?.facts.kind === 'tlsa' && whole.facts.usable.length, MAX_TLSA_RECORDS)
    bed.server.serve(signed({ 'mx.test': A, '_26._tcp.mx.test': digests(MAX_TLSA_RECORDS + 1) }))
    assert.equal(gist(await bed.discoverRoute('mx.test', 26)), 'failure tlsa _26._tcp.mx.test malformed')
    const large = tlsa(`2 0 0 ${'00'.repeat(MAX_TLSA_OCTETS)}`, `3 0 0 ${'00'.repeat(10)}`)
    bed.server.serve(signed({ 'mx.test': A, '_27._tcp.mx.test': large }))
    assert.equal(gist(await bed.discoverRoute('mx.test', 27)), 'failure tlsa _27._tcp.mx.test malformed')
  })
})

describe('time', () => {
  test('facts live as long as the shortest answer they were made of', async () => {
    const ttlOf = async (host: string, records: Readonly<Record<string, NameRecords>>) => {
      const addresses = { A: ['192.0.2.1'], AAAA: ['2001:db8::1'], ttl: 120 }
      bed.server.serve(zone({ [host]: addresses, ...records }, { secure: true, negativeTtl: 40 }))
      const facts = await bed.discoverRoute(host, 25)
      return facts.kind === 'failure' ? undefined : facts.ttlSeconds
    }
    assert.equal(await ttlOf('a.test', { '_25._tcp.a.test': { ...tlsa(EE), ttl: 30 } }), 30)
    assert.equal(await ttlOf('b.test', { '_25._tcp.b.test': { ...tlsa(EE), ttl: 600 } }), 120)
    assert.equal(await ttlOf('c.test', {}), 40)
  })

  test('DANE-08, DANE-09: rolled TLSA records are seen when the TTL of the old ones is over', async () => {
    covers(['DANE-08', 'DANE-09'], { observe: 'dns' })
    let now = 0
    const resolver = createStubResolver({ servers: [bed.server], trust: 'ad', now: () => now })
    const host = name('mx.test')
    const serve = (record: string) =>
      bed.server.serve(signed({ 'mx.test': A, '_25._tcp.mx.test': { ...tlsa(record), ttl: 100 } }))
    const ask = async () => {
      const question = { host, port: 25, origin: { kind: 'route' }, addresses: addressesAt(host) } as const
      return gist(await daneFactsFor(question, { resolver, insecureMx: 'use' }))
    }
    serve(EE)
    assert.equal(await ask(), 'tlsa mx.test 3 1 1')
    serve(TA)
    now = 99_000
    assert.equal(await ask(), 'tlsa mx.test 3 1 1')
    assert.equal(bed.askedForTlsa().length, 1)
    now = 101_000
    assert.equal(await ask(), 'tlsa mx.test 2 0 1')
    assert.equal(bed.askedForTlsa().length, 2)
  })
})

test('DANE-18: among equal preferences chance decides, whoever publishes TLSA records', () => {
  covers('DANE-18', { observe: 'pure' })
  const first = new Map<string, number>()
  const exchanges = [name('with-tlsa.test'), name('without.test')] as const
  const records = [
    { preference: 10, exchange: exchanges[0] },
    { preference: 10, exchange: exchanges[1] },
  ] as const
  for (let draw = 0; draw < 1_000; draw++) {
    const order = orderMxSet([...records], { self: { names: [] }, random: () => ((draw * 7_919) % 1_000) / 1_000 })
    assert(order.kind === 'hosts')
    first.set(order.hosts[0].mxHostname, (first.get(order.hosts[0].mxHostname) ?? 0) + 1)
  }
  assert.deepEqual(
    exchanges.map((exchange) => first.get(exchange)),
    [500, 500],
  )
})

test('for every mixture of security along a chain only its ends are asked for, and only if one of them is secure', async () => {
  const link = fc.constantFrom(true, false)
  await fc.assert(
    fc.asyncProperty(fc.array(link, { minLength: 1, maxLength: 4 }), fc.nat(60_000), async (chain, port) => {
      const records = chain.map((secure, index): [string, NameRecords] => {
        const last = index === chain.length - 1
        return [index === 0 ? 'mx.test' : `n${index}.test`, { ...(last ? A : { CNAME: `n${index + 1}.test` }), secure }]
      })
      bed.server.serve(signed(Object.fromEntries(records)))
      bed.server.forget()
      const fresh = createStubResolver({ servers: [bed.server], trust: 'ad' })
      const host = name('mx.test')
      const answer = await fresh.address(host, 4)
      assert(answer.kind === 'records')
      const question = { host, port, origin: { kind: 'route' }, addresses: addressesAt(host, answer) } as const
      await daneFactsFor(question, { resolver: fresh, insecureMx: 'use' })
      const end = chain.length === 1 ? 'mx.test' : `n${chain.length - 1}.test`
      const whole = chain.every(Boolean)
      const expected = whole ? [...new Set([end, 'mx.test'])] : chain.length > 1 && chain[0] === true ? ['mx.test'] : []
      assert.deepEqual(
        bed.askedForTlsa(),
        expected.map((base) => `_${port}._tcp.${base}`),
      )
    }),
    { numRuns: 60 },
  )
})

function addressesAt(
  host: DomainName,
  { secure, canonicalName }: { readonly secure: boolean; readonly canonicalName: OwnerName } = {
    secure: true,
    canonicalName: host,
  },
): HostAddresses {
  return { kind: 'addresses', allowed: [], refused: [], secure, canonicalName, ttlSeconds: 3_600 }
}

function tlsaAt(base: string): string {
  return `TLSA _25._tcp.${base}`
}

/** The two families are asked at the same time. */
function byPhase(one: string, other: string): number {
  const order = ['MX', 'A', 'AAAA', 'TLSA']
  return order.indexOf(one.split(' ')[0] ?? '') - order.indexOf(other.split(' ')[0] ?? '')
}
