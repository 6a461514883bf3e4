/**
 * What every `DnsResolver` promises, in tests against a real name server. An adapter's test is one call to this:
 * `open` gives a resolver that asks the given server and believes its AD bit.
 */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type DnsServer, startDnsServer, zone } from '../../../../test/lab/dns-server.ts'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import type { DnsAnswer } from './answer.ts'
import type { DnsResolver } from './resolver.ts'

const ZONE = zone({
  'example.test': {
    MX: [
      [20, 'b.example.test'],
      [10, 'A.example.test'],
    ],
    ttl: 120,
  },
  'a.example.test': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] },
  'alias.test': { CNAME: 'second.test', ttl: 30 },
  'second.test': { CNAME: '_odd.example.test', ttl: 90 },
  '_odd.example.test': { MX: [[10, 'a.example.test']], ttl: 600 },
  'dangling.test': { CNAME: 'nowhere.test' },
  'loop.test': { CNAME: 'pool.test' },
  'pool.test': { CNAME: 'loop.test' },
  'wild.test': { CNAME: 'a b.test' },
  'strange.test': {
    MX: [
      [1, '.'],
      [2, 'bad_host.test'],
      [3, '192.0.2.1'],
      [4, 'bücher.test'],
      [5, 'fine.test'],
    ],
  },
  'bytes.test': { TXT: [Buffer.from([0xe4, 0x00, 0xff]), ['one', 'two']] },
  '1.2.0.192.in-addr.arpa': { CNAME: '1.0/25.2.0.192.in-addr.arpa' },
  '1.0/25.2.0.192.in-addr.arpa': { PTR: ['a.example.test'] },
})
const SIGNED = zone({ 'signed.test': { A: ['192.0.2.3'] } }, { secure: true })

export function dnsResolverContract(
  open: (server: { readonly address: string; readonly port: number }) => DnsResolver,
): void {
  let server: DnsServer
  let resolver: DnsResolver

  before(async () => {
    server = await startDnsServer({ zones: [ZONE, SIGNED] })
  })
  beforeEach(() => {
    resolver = open(server)
  })
  after(() => server.close())

  describe('records', () => {
    test('come with the owner, the least TTL and the status of their answer', async () => {
      assert.deepEqual(await resolver.mx(name('example.test')), {
        kind: 'records',
        records: [
          { preference: 20, exchange: 'b.example.test' },
          { preference: 10, exchange: 'a.example.test' },
        ],
        secure: false,
        canonicalName: 'example.test',
        ttlSeconds: 120,
      })
    })

    test('are reached through CNAMEs, which count for the TTL', async () => {
      assert.deepEqual(await resolver.mx(name('alias.test')), {
        kind: 'records',
        records: [{ preference: 10, exchange: 'a.example.test' }],
        secure: false,
        canonicalName: '_odd.example.test',
        ttlSeconds: 30,
      })
    })

    test('of an alias itself are its target, not followed further', async () => {
      assert.deepEqual(recordsOf(await resolver.cname(name('alias.test'))), ['second.test'])
      assert.deepEqual(recordsOf(await resolver.cname(name('second.test'))), ['_odd.example.test'])
    })

    test('of other owners are not returned', async () => {
      server.fail('a.example.test', {
        kind: 'rewrite',
        rewrite: (packet) => ({
          ...packet,
          answers: [{ type: 'A', name: 'evil.test', ttl: 9, data: '203.0.113.66' }, ...(packet.answers ?? [])],
        }),
      })
      assert.deepEqual(recordsOf(await resolver.address(name('a.example.test'), 4)), ['192.0.2.1', '192.0.2.2'])
      server.heal('a.example.test')
    })

    test('of MX keep exchanges that are no hostname as unusable, and the root as the root', async () => {
      assert.deepEqual(recordsOf(await resolver.mx(name('strange.test'))), [
        { preference: 1, exchange: '.' },
        { preference: 2, exchange: undefined },
        { preference: 3, exchange: undefined },
        { preference: 4, exchange: undefined },
        { preference: 5, exchange: 'fine.test' },
      ])
    })

    test('of TXT keep every octet and every string apart', async () => {
      assert.deepEqual(recordsOf(await resolver.txt(name('bytes.test'))), [['\u00e4\u0000\u00ff'], ['one', 'two']])
    })

    test('of reverse zones may lie behind names with slashes (RFC 2317)', async () => {
      assert.deepEqual(recordsOf(await resolver.reverse('192.0.2.1')), ['a.example.test'])
    })
  })

  describe('the four answers are never mixed', () => {
    test('secure and insecure', async () => {
      const [signed, unsigned] = [name('signed.test'), name('a.example.test')]
      const secure = async (answer: Promise<DnsAnswer<unknown>>) => ((await answer) as { secure?: boolean }).secure
      assert.equal(await secure(resolver.address(signed, 4)), true)
      assert.equal(await secure(resolver.address(signed, 6)), true, 'absence too')
      assert.equal(await secure(resolver.address(unsigned, 4)), false)
    })

    test('a name that does not exist, and one without such records', async () => {
      const absent = { kind: 'absent', secure: false, ttlSeconds: 60 }
      assert.deepEqual(await resolver.address(name('none.example.test'), 4), {
        ...absent,
        reason: 'nxdomain',
        canonicalName: 'none.example.test',
      })
      assert.deepEqual(await resolver.address(name('example.test'), 4), {
        ...absent,
        reason: 'nodata',
        canonicalName: 'example.test',
      })
      assert.deepEqual(await resolver.mx(name('dangling.test')), {
        ...absent,
        reason: 'nxdomain',
        canonicalName: 'nowhere.test',
      })
    })

    test('one family of addresses and the failure of the other', async () => {
      server.fail('a.example.test', { kind: 'rcode', rcode: 'SERVFAIL' }, { type: 'AAAA' })
      const reason = { kind: 'rcode', rcode: 'SERVFAIL' }
      assert.deepEqual(await resolver.address(name('a.example.test'), 6), { kind: 'failure', reason })
      assert.equal((await resolver.address(name('a.example.test'), 4)).kind, 'records')
      server.heal('a.example.test')
    })

    test('a chain that loops, or leads out of the hostname alphabet, is a failure', async () => {
      const loop = await resolver.mx(name('loop.test'))
      assert.deepEqual(loop, { kind: 'failure', reason: { kind: 'cname-chain' } })
      for (const answer of [await resolver.mx(name('wild.test')), await resolver.cname(name('wild.test'))]) {
        assert.equal(answer.kind === 'failure' && answer.reason.kind, 'malformed')
      }
    })
  })
}

function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok, text)
  return parsed.value
}

function recordsOf<T>(answer: DnsAnswer<T>): readonly T[] {
  assert(answer.kind === 'records', JSON.stringify(answer))
  return answer.records
}
