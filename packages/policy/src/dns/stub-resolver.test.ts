import assert from 'node:assert/strict'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import net from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type DnsServer, type NameRecords, startDnsServer, zone } from '../../../../test/lab/dns-server.ts'
import { type DomainName, ownerName, parseDomainName } from '../domain-name.ts'
import type { PolicyEvent } from '../ports/policy-events.ts'
import type { DnsAnswer } from './answer.ts'
import { dnsResolverContract } from './resolver.contract.ts'
import { createStubResolver, type StubResolver, type StubResolverOptions } from './stub-resolver.ts'

const ASSOCIATION = new Uint8Array(32).fill(7)
const RECORDS: Readonly<Record<string, NameRecords>> = {
  'example.test': {
    MX: [
      [20, 'b.example.test'],
      [10, 'A.example.test'],
    ],
    TXT: ['v=spf1 -all', ['one', 'two']],
    ttl: 120,
  },
  'a.example.test': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1', '2001:db8::2:1'] },
  '_25._tcp.a.example.test': { TLSA: [{ usage: 3, selector: 1, matchingType: 1, data: ASSOCIATION }] },
  'alias.test': { CNAME: 'second.test', ttl: 30 },
  'second.test': { CNAME: '_odd.example.test', ttl: 90 },
  '_odd.example.test': { MX: [[10, 'a.example.test']], ttl: 600 },
  'dangling.test': { CNAME: 'nowhere.test' },
  'loop.test': { CNAME: 'pool.test' },
  'pool.test': { CNAME: 'loop.test' },
  'big.test': { TXT: Array.from({ length: 30 }, (_, index) => `${index} ${'x'.repeat(100)}`) },
  '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': { PTR: ['a.example.test'] },
}
for (let link = 0; link < 13; link++)
  Object.assign(RECORDS, { [`link${link}.test`]: { CNAME: `link${link + 1}.test` } })
Object.assign(RECORDS, { 'link13.test': { A: ['192.0.2.13'] } })

let server: DnsServer
const open: StubResolver[] = []
const events: PolicyEvent[] = []

before(async () => {
  server = await startDnsServer({
    zones: [
      zone(RECORDS),
      zone({ 'signed.test': { A: ['192.0.2.3'], CNAME: 'other.test' }, 'other.test': {} }, { secure: true }),
    ],
  })
})
beforeEach(() => {
  server.forget()
  events.length = 0
})
after(async () => {
  for (const resolver of open) resolver.close()
  await server.close()
})

function resolver(options: Partial<StubResolverOptions> = {}): StubResolver {
  const made = createStubResolver({ servers: [server], trust: 'ad', emit: (event) => events.push(event), ...options })
  open.push(made)
  return made
}

/** For tests in which silence is what is expected. */
const IMPATIENT = { timeoutMs: 60, attempts: 1 } as const

describe('the port', () => dnsResolverContract((asked) => resolver({ servers: [asked] })))

describe('queries on the wire', () => {
  test('ask for recursion and validation, with EDNS of 1232 octets', async () => {
    await resolver().mx(name('example.test'))
    const [query] = server.queries
    assert.deepEqual(
      [query?.recursionDesired, query?.ad, query?.dnssecOk, query?.udpSize, query?.transport],
      [true, true, true, 1232, 'udp'],
    )
  })

  test('have a source port and an id of their own (RFC 5452 §9)', async () => {
    const asking = resolver()
    await Promise.all(Array.from({ length: 32 }, (_, index) => asking.txt(name(`n${index}.test`))))
    assert.equal(server.queries.length, 32)
    assert(new Set(server.queries.map(({ sourcePort }) => sourcePort)).size >= 30)
    assert(new Set(server.queries.map(({ id }) => id)).size >= 30)
  })
})

describe('answers', () => {
  test('are the records that c-ares finds', async () => {
    const [ours, theirs] = [resolver(), new Resolver()]
    theirs.setServers([`${server.address}:${server.port}`])
    const mx = await theirs.resolveMx('example.test')
    assert.deepEqual(
      records(await ours.mx(name('example.test'))),
      mx.map(({ priority, exchange }) => ({ preference: priority, exchange: exchange.toLowerCase() })),
    )
    assert.deepEqual(records(await ours.address(name('a.example.test'), 4)), await theirs.resolve4('a.example.test'))
    assert.deepEqual(records(await ours.address(name('a.example.test'), 6)), await theirs.resolve6('a.example.test'))
    assert.deepEqual(records(await ours.txt(name('example.test'))), await theirs.resolveTxt('example.test'))
    assert.deepEqual(records(await ours.cname(name('dangling.test'))), await theirs.resolveCname('dangling.test'))
    assert.deepEqual(records(await ours.reverse('2001:db8::1')), await theirs.reverse('2001:db8::1'))
    const owner = ownerName(['_25', '_tcp'], name('a.example.test'))
    assert(owner.ok)
    const [tlsa] = await theirs.resolveTlsa('_25._tcp.a.example.test')
    assert.deepEqual(records(await ours.tlsa(owner.value)), [
      {
        usage: tlsa?.certUsage,
        selector: tlsa?.selector,
        matchingType: tlsa?.match,
        associationData: new Uint8Array(tlsa?.data ?? new ArrayBuffer()),
      },
    ])
  })

  test('that are too long for UDP are fetched over TCP', async () => {
    assert.equal(records(await resolver().txt(name('big.test'))).length, 30)
    assert.deepEqual(transports(), ['udp', 'tcp'])
    assert.notEqual(server.queries[0]?.id, server.queries[1]?.id)
  })
})

describe('absence', () => {
  test('a referral is no absence: an implicit MX would follow from it', async () => {
    server.fail('example.test', {
      kind: 'rewrite',
      rewrite: (packet) => ({ ...packet, answers: [], authorities: [{ type: 'NS', name: 'test', data: 'ns.test' }] }),
    })
    assert.deepEqual(await resolver().mx(name('example.test')), failed({ kind: 'malformed', detail: 'a referral' }))
    server.heal('example.test')
  })
})

describe('CNAME chains', () => {
  const expected = {
    kind: 'records',
    records: [{ preference: 10, exchange: 'a.example.test' }],
    secure: false,
    canonicalName: '_odd.example.test',
    ttlSeconds: 30,
  }

  test('are followed inside an answer, the least TTL counts', async () => {
    assert.deepEqual(await resolver().mx(name('alias.test')), expected)
    assert.equal(server.queries.length, 1)
  })

  test('are followed by further queries where the server does not', async () => {
    const terse = await startDnsServer({ zones: [zone(RECORDS)], followAliases: false })
    assert.deepEqual(await resolver({ servers: [terse] }).mx(name('alias.test')), expected)
    assert.deepEqual(
      terse.queries.map((query) => query.name),
      ['alias.test', 'second.test', '_odd.example.test'],
    )
    assert.deepEqual(await resolver({ servers: [terse] }).mx(name('loop.test')), failed({ kind: 'cname-chain' }))
    await terse.close()
  })

  test('that loop or never end are failures, and cost a bounded number of queries', async () => {
    assert.deepEqual(await resolver().mx(name('loop.test')), failed({ kind: 'cname-chain' }))
    assert.deepEqual(await resolver().address(name('link0.test'), 4), failed({ kind: 'cname-chain' }))
    assert.deepEqual(records(await resolver().address(name('link5.test'), 4)), ['192.0.2.13'])
    assert.equal(server.queries.length, 3)
  })
})

describe('security', () => {
  test('is the AD bit, where the servers are trusted', async () => {
    assert.equal(isSecure(await resolver().address(name('signed.test'), 4)), true)
    assert.equal(isSecure(await resolver().address(name('signed.test'), 6)), true)
    assert.equal(isSecure(await resolver({ trust: 'none' }).address(name('signed.test'), 4)), false)
    assert.equal(isSecure(await resolver().address(name('a.example.test'), 4)), false)
  })

  test('of a chain needs every response of it', async () => {
    const terse = await startDnsServer({
      zones: [zone({ 'first.test': { CNAME: 'last.test', secure: true }, 'last.test': { A: ['192.0.2.1'] } })],
      followAliases: false,
    })
    const answer = await resolver({ servers: [terse] }).address(name('first.test'), 4)
    assert.deepEqual([records(answer), isSecure(answer)], [['192.0.2.1'], false])
    await terse.close()
  })

  test('forged answers are not believed: wrong id, wrong question, wrong port', async () => {
    for (const kind of ['wrong-id', 'wrong-question', 'wrong-port'] as const) {
      server.fail('a.example.test', { kind })
      const answer = await resolver(IMPATIENT).address(name('a.example.test'), 4)
      assert.deepEqual(answer, failed({ kind: 'timeout' }), kind)
      server.heal('a.example.test')
    }
    assert.equal(events.filter(({ event }) => event === 'dns-message-ignored').length, 2)
  })

  test('forged answers do not keep the right one out', async () => {
    for (const kind of ['wrong-id', 'wrong-question', 'wrong-port'] as const) {
      server.fail('a.example.test', { kind, thenRight: true })
      assert.equal(records(await resolver().address(name('a.example.test'), 4)).length, 2, kind)
      server.heal('a.example.test')
    }
  })
})

describe('failure', () => {
  test('keeps RCODE and extended error (RFC 8914)', async () => {
    server.fail('bogus.test', { kind: 'rcode', rcode: 'SERVFAIL', ede: { infoCode: 6, extraText: 'no RRSIG' } })
    const extendedError = { infoCode: 6, extraText: 'no RRSIG' }
    assert.deepEqual(
      await resolver().mx(name('bogus.test')),
      failed({ kind: 'rcode', rcode: 'SERVFAIL', extendedError }),
    )
    assert.equal(server.queries.length, 1, 'an error is not asked for again')
    server.heal('bogus.test')
  })

  test('of one server is answered by the next', async () => {
    const other = await startDnsServer({ zones: [zone(RECORDS)] })
    const faults = [
      { kind: 'drop' },
      { kind: 'rcode', rcode: 'REFUSED' },
      { kind: 'garbage' },
      { kind: 'tcp-close' },
    ] as const
    for (const fault of faults) {
      server.fail('a.example.test', fault)
      const answer = await resolver({ servers: [server, other], timeoutMs: 250, attempts: 4 }).address(
        name('a.example.test'),
        4,
      )
      assert.equal(records(answer).length, 2, fault.kind)
      server.heal('a.example.test')
    }
    assert.deepEqual(
      events.flatMap((event) => (event.event === 'dns-server-failed' ? [event.reason.kind] : [])),
      ['timeout', 'rcode', 'malformed', 'network'],
    )
    await other.close()
  })

  test('of a server that is not there is a network failure', async () => {
    const closed = { address: '127.0.0.1', port: await unusedPort() }
    const answer = await resolver({ servers: [closed], timeoutMs: 1_000 }).mx(name('example.test'))
    assert.deepEqual(answer, failed({ kind: 'network', code: 'ECONNREFUSED' }))
    assert.equal(records(await resolver({ servers: [closed, server] }).mx(name('example.test'))).length, 2)
  })

  test('by silence is tried again, as often as told', async () => {
    server.fail('quiet.test', { kind: 'drop' })
    assert.deepEqual(await resolver({ timeoutMs: 30, attempts: 3 }).mx(name('quiet.test')), failed({ kind: 'timeout' }))
    assert.equal(server.queries.length, 3)
    server.heal('quiet.test')
  })

  test('comes no later than the deadline of the whole question', async () => {
    server.fail('quiet.test', { kind: 'drop' })
    const asking = resolver({ timeoutMs: 40, attempts: 1_000, deadlineMs: 100 })
    assert.deepEqual(await asking.mx(name('quiet.test')), failed({ kind: 'timeout' }))
    assert(server.queries.length <= 4)
    server.heal('quiet.test')
  })

  test('is what closing means for lookups that run, and for those that come after', async () => {
    server.fail('quiet.test', { kind: 'drop' })
    const closing = resolver()
    const running = closing.mx(name('quiet.test'))
    closing.close()
    assert.deepEqual(await running, failed({ kind: 'network', code: 'ECANCELED' }))
    assert.deepEqual(await closing.mx(name('quiet.test')), failed({ kind: 'network', code: 'ECANCELED' }))
    server.heal('quiet.test')
  })
})

describe('the cache', () => {
  test('asks once for a burst, and once per TTL', async () => {
    let nowMs = 0
    const asking = resolver({ now: () => nowMs })
    await Promise.all(Array.from({ length: 50 }, () => asking.mx(name('example.test'))))
    assert.equal(server.queries.length, 1)
    nowMs = 100_500
    const later = await asking.mx(name('example.test'))
    assert.equal(later.kind === 'records' && later.ttlSeconds, 19)
    nowMs = 120_000
    await asking.mx(name('example.test'))
    assert.equal(server.queries.length, 2)
  })

  test('keeps absence, but no failure', async () => {
    const asking = resolver()
    await asking.mx(name('none.test'))
    await asking.mx(name('none.test'))
    assert.equal(server.queries.length, 1)
    server.fail('a.example.test', { kind: 'rcode', rcode: 'SERVFAIL' }, { times: 1 })
    assert.equal((await asking.address(name('a.example.test'), 4)).kind, 'failure')
    assert.equal((await asking.address(name('a.example.test'), 4)).kind, 'records')
  })

  test('is passed over when asked to, and keeps what that brings', async () => {
    const asking = resolver()
    await asking.txt(name('example.test'))
    await asking.txt(name('example.test'), { afresh: true })
    assert.equal(server.queries.length, 2)
    await asking.txt(name('example.test'), { afresh: false })
    assert.equal(server.queries.length, 2)
  })

  test('is bounded, in entries and in time', async () => {
    const asking = resolver({ cache: { entries: 1, positiveTtlSeconds: 10, negativeTtlSeconds: 5 } })
    const first = await asking.mx(name('example.test'))
    assert.equal(first.kind === 'records' && first.ttlSeconds, 10)
    const absent = await asking.mx(name('none.test'))
    assert.equal(absent.kind === 'absent' && absent.ttlSeconds, 5)
    await asking.mx(name('example.test'))
    assert.equal(server.queries.length, 3)
  })
})

function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok, text)
  return parsed.value
}

function records<T>(answer: DnsAnswer<T>): readonly T[] {
  assert.equal(answer.kind, 'records', JSON.stringify(answer))
  return answer.kind === 'records' ? answer.records : []
}

function isSecure(answer: DnsAnswer<unknown>): boolean | undefined {
  return answer.kind === 'failure' ? undefined : answer.secure
}

function failed(reason: unknown): unknown {
  return { kind: 'failure', reason }
}

function transports(): readonly string[] {
  return server.queries.map(({ transport }) => transport)
}

async function unusedPort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  assert(address !== null && typeof address === 'object')
  return address.port
}
