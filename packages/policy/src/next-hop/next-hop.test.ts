/** From a domain to addresses against a real name server: what is asked, and what each answer means. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { type DnsServer, startDnsServer, zone } from '../../../../test/lab/dns-server.ts'
import { createStubResolver, type StubResolver } from '../dns/stub-resolver.ts'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import { judgeAddress } from '../egress/address-guard.ts'
import { parseCidr } from '../egress/cidr.ts'
import { type HostAddresses, resolveAddresses } from './addresses.ts'
import { type NextHop, resolveNextHop } from './resolve.ts'
import { cutAtOurselves } from './self.ts'

let server: DnsServer
let resolver: StubResolver
const self = { names: [name('relay.test'), name('smtp.relay.test')] }

before(async () => {
  server = await startDnsServer({
    zones: [
      zone({
        'example.test': {
          MX: [
            [20, 'mx2.test'],
            [10, 'mx1.test'],
          ],
          A: ['198.51.100.1'],
        },
        'alias.test': { CNAME: 'example.test' },
        'plain.test': { A: ['198.51.100.2'] },
        'bare.test': { CNAME: 'plain.test' },
        'null.test': { MX: [[0, '.']], A: ['198.51.100.3'] },
        'null5.test': { MX: [[5, '.']] },
        'half-null.test': {
          MX: [
            [0, '.'],
            [10, 'mx1.test'],
          ],
        },
        'literal.test': {
          MX: [
            [10, '192.0.2.1'],
            [20, 'mx1.test'],
          ],
        },
        'only-literal.test': { MX: [[10, '192.0.2.1']] },
        'loop.test': {
          MX: [
            [10, 'smtp.relay.test'],
            [20, 'mx2.test'],
          ],
        },
        'relay.test': { A: ['198.51.100.9'] },
        'xn--bcher-kva.test': { MX: [[10, 'mx1.test']] },
        'mx1.test': { A: ['198.51.100.4', '198.51.100.5', '198.51.100.6'], AAAA: ['2001:db8::4'], ttl: 90 },
        'mx2.test': { A: ['198.51.100.7'], ttl: 20 },
        'cname-mx.test': { CNAME: 'mx1.test' },
        'via-cname.test': { MX: [[10, 'cname-mx.test']] },
        'inside.test': { A: ['10.0.0.1', '198.51.100.8', '127.0.0.1'] },
        'text.test': { TXT: ['no addresses'] },
      }),
      zone(
        { 'signed.test': { MX: [[10, 'mx.signed.test']] }, 'mx.signed.test': { A: ['198.51.100.4'] } },
        { secure: true },
      ),
    ],
  })
})
beforeEach(() => {
  server.forget()
  resolver = createStubResolver({ servers: [server], trust: 'ad', timeoutMs: 1_000, attempts: 1 })
})
after(() => server.close())

describe('the next hop', () => {
  test('SMTP-35: a CNAME restarts with its target, whose MX are used', async () => {
    covers('SMTP-35', { observe: 'dns' })
    const nextHop = await resolve('alias.test')
    assert.deepEqual(hostnames(nextHop), ['mx1.test', 'mx2.test'])
    assert.equal(nextHop.kind === 'hosts' && nextHop.expandedNextHop, 'example.test')
  })

  test('NXDOMAIN is "domain not found", not an implicit MX', async () => {
    assert.deepEqual(await resolve('missing.test'), { kind: 'domain-not-found', name: 'missing.test', ttlSeconds: 60 })
    assert.deepEqual(asked(), ['MX missing.test'])
  })

  test('SERVFAIL and silence are failures with their cause', async () => {
    server.fail('broken.test', { kind: 'rcode', rcode: 'SERVFAIL' })
    assert.deepEqual(await resolve('broken.test'), {
      kind: 'failure',
      lookup: 'mx',
      name: 'broken.test',
      reason: { kind: 'rcode', rcode: 'SERVFAIL' },
    })
  })

  test('SMTP-38: no MX makes the domain its own host at preference 0, after its CNAME when it has one', async () => {
    covers('SMTP-38', { observe: 'dns' })
    for (const [domain, host] of [
      ['plain.test', 'plain.test'],
      ['bare.test', 'plain.test'],
    ] as const) {
      const nextHop = await resolve(domain)
      assert.deepEqual(nextHop.kind === 'hosts' && nextHop.candidates, [
        { mxHostname: host, preference: 0, implicit: true },
      ])
    }
  })

  test('with MX, the addresses of the domain itself are not even asked for', async () => {
    const nextHop = await resolve('example.test')
    assert(nextHop.kind === 'hosts')
    for (const { mxHostname } of nextHop.candidates) await addresses(mxHostname)
    assert.deepEqual(asked(), ['MX example.test', 'AAAA mx1.test', 'A mx1.test', 'AAAA mx2.test', 'A mx2.test'].sort())
  })

  test('SMTP-45: a CNAMEd exchange is tolerated, one that looks like an address is skipped', async () => {
    covers('SMTP-45', { observe: 'dns' })
    assert.deepEqual(hostnames(await resolve('via-cname.test')), ['cname-mx.test'])
    const found = await addresses(name('cname-mx.test'))
    assert.equal(found.kind === 'addresses' && found.canonicalName, 'mx1.test')
    assert.deepEqual(hostnames(await resolve('literal.test')), ['mx1.test'])
    assert.equal((await resolve('only-literal.test')).kind, 'no-usable-mx')
  })

  test('SMTP-46: a null MX ends the matter with one query', async () => {
    covers('SMTP-46', { observe: 'dns' })
    assert.equal((await resolve('null.test')).kind, 'null-mx')
    assert.deepEqual(asked(), ['MX null.test'])
  })

  test('SMTP-47: `.` beside other MX is ignored, alone it is a null MX at any preference', async () => {
    covers('SMTP-47', { observe: 'dns' })
    assert.deepEqual(hostnames(await resolve('half-null.test')), ['mx1.test'])
    assert.equal((await resolve('null5.test')).kind, 'null-mx')
  })

  test('SMTP-44: ourselves by name or alias end the list; nothing better is a loop', async () => {
    covers('SMTP-44', { observe: 'dns' })
    assert.deepEqual(await resolve('loop.test'), { kind: 'mail-loop', name: 'smtp.relay.test', ttlSeconds: 300 })
    assert.equal((await resolve('relay.test')).kind, 'mail-loop')
  })

  test('EAI-05: what is asked is the A-label', async () => {
    covers('EAI-05', { observe: 'dns' })
    assert.deepEqual(hostnames(await resolve('bücher.test')), ['mx1.test'])
    assert.deepEqual(asked(), ['MX xn--bcher-kva.test'])
  })

  test('says whether the MX were validated', async () => {
    const [signed, unsigned] = [await resolve('signed.test'), await resolve('example.test')]
    assert.deepEqual(
      [signed.kind === 'hosts' && signed.mxSecure, unsigned.kind === 'hosts' && unsigned.mxSecure],
      [true, false],
    )
  })
})

describe('addresses', () => {
  test('families take turns, within one the order of the resolver holds', async () => {
    assert.deepEqual(allowed(await addresses(name('mx1.test'))), [
      '2001:db8::4',
      '198.51.100.4',
      '198.51.100.5',
      '198.51.100.6',
    ])
    assert.deepEqual(allowed(await addresses(name('mx1.test'), 4)), [
      '198.51.100.4',
      '2001:db8::4',
      '198.51.100.5',
      '198.51.100.6',
    ])
  })

  test('are judged one by one', async () => {
    const found = await addresses(name('inside.test'))
    assert(found.kind === 'addresses')
    assert.deepEqual(allowed(found), ['198.51.100.8'])
    assert.deepEqual(
      found.refused.map(({ address, reason }) => [address, reason]),
      [
        ['10.0.0.1', 'private'],
        ['127.0.0.1', 'loopback'],
      ],
    )
  })

  test('of one family are used when the other fails, which stays known', async () => {
    server.fail('mx1.test', { kind: 'rcode', rcode: 'SERVFAIL' }, { type: 'AAAA' })
    const found = await addresses(name('mx1.test'))
    assert.deepEqual(allowed(found), ['198.51.100.4', '198.51.100.5', '198.51.100.6'])
    assert.deepEqual(found.kind === 'addresses' && found.incomplete, {
      family: 6,
      reason: { kind: 'rcode', rcode: 'SERVFAIL' },
    })
    server.heal('mx1.test')
  })

  test('that nobody has are told from those that could not be asked for', async () => {
    assert.deepEqual(await addresses(name('text.test')), {
      kind: 'absent',
      reason: 'nodata',
      secure: false,
      ttlSeconds: 60,
    })
    assert.deepEqual(await addresses(name('missing.test')), {
      kind: 'absent',
      reason: 'nxdomain',
      secure: false,
      ttlSeconds: 60,
    })
    server.fail('text.test', { kind: 'rcode', rcode: 'SERVFAIL' }, { type: 'A' })
    resolver = createStubResolver({ servers: [server], trust: 'ad' })
    assert.equal((await addresses(name('text.test'))).kind, 'failure')
    server.heal('text.test')
  })

  test('have the least TTL of both families', async () => {
    const found = await addresses(name('mx2.test'))
    assert.equal(found.kind === 'addresses' && found.ttlSeconds, 20)
  })

  test('SMTP-44: our own address is us; its level and worse are cut', async () => {
    covers('SMTP-44', { observe: 'dns' })
    const nextHop = await resolve('example.test')
    assert(nextHop.kind === 'hosts')
    const rules = {
      exceptions: [network('198.51.100.0/24')],
      ownListeners: [{ address: '198.51.100.7', port: 25 }],
      port: 25,
    }
    const guard = (address: string) => judgeAddress(address, rules)
    const hosts = await Promise.all(
      nextHop.candidates.map(async (candidate) => ({
        candidate,
        addresses: await resolveAddresses({ resolver, host: candidate.mxHostname, guard, preferFamily: 6 }),
      })),
    )
    const cut = cutAtOurselves(hosts)
    assert.deepEqual(
      cut.kept.map(({ candidate }) => candidate.mxHostname),
      ['mx1.test'],
    )
    assert.equal(cut.ourselves?.mxHostname, 'mx2.test')
    assert.deepEqual(cutAtOurselves(hosts.slice(1)).kept, [])
    assert.deepEqual(cutAtOurselves(hosts.slice(0, 1)), { kept: hosts.slice(0, 1), ourselves: undefined })
  })
})

function resolve(domain: string): Promise<NextHop> {
  return resolveNextHop({ resolver, domain: name(domain), self, random: () => 0 })
}

function addresses(host: DomainName, preferFamily: 4 | 6 = 6): Promise<HostAddresses> {
  const rules = { exceptions: [network('198.51.100.0/24'), network('2001:db8::/32')], ownListeners: [], port: 25 }
  return resolveAddresses({ resolver, host, guard: (address) => judgeAddress(address, rules), preferFamily })
}

function asked(): readonly string[] {
  return server.queries.map((query) => `${query.type} ${query.name}`).sort()
}

function hostnames(nextHop: NextHop): readonly string[] {
  assert(nextHop.kind === 'hosts', nextHop.kind)
  return nextHop.candidates.map(({ mxHostname }) => mxHostname)
}

function allowed(found: HostAddresses): readonly string[] {
  assert(found.kind === 'addresses', found.kind)
  return found.allowed.map(({ address }) => address)
}

function network(text: string) {
  const parsed = parseCidr(text)
  assert(parsed.ok, text)
  return parsed.value
}

function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok, text)
  return parsed.value
}
