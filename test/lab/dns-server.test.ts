/** The lab's name server answers like one: c-ares, by way of `node:dns`, is the judge. */
import assert from 'node:assert/strict'
import { Resolver } from 'node:dns/promises'
import { after, before, test } from 'node:test'
import { type DnsServer, startDnsServer, zone } from './dns-server.ts'

let server: DnsServer
let resolver: Resolver

before(async () => {
  server = await startDnsServer({
    zones: [
      zone({
        'example.test': { MX: [[10, 'mx.example.test']], TXT: ['one', ['two', 'three']] },
        'mx.example.test': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] },
        'alias.example.test': { CNAME: 'mx.example.test' },
        'big.example.test': { TXT: Array.from({ length: 20 }, (_, index) => `${index}`.repeat(100)) },
        'deep.below.example.test': { A: ['192.0.2.3'] },
        '_25._tcp.mx.example.test': { TLSA: [{ usage: 3, selector: 1, matchingType: 1, data: new Uint8Array(32) }] },
      }),
    ],
  })
  resolver = new Resolver({ timeout: 500, tries: 1 })
  resolver.setServers([`${server.address}:${server.port}`])
})

after(() => server.close())

test('answers with the records of the zone', async () => {
  const [mx] = await resolver.resolveMx('example.test')
  assert.deepEqual([mx?.priority, mx?.exchange], [10, 'mx.example.test'])
  assert.deepEqual(await resolver.resolve4('alias.example.test'), ['192.0.2.1', '192.0.2.2'])
  assert.deepEqual(await resolver.resolve6('mx.example.test'), ['2001:db8::1'])
  assert.deepEqual(await resolver.resolveTxt('example.test'), [['one'], ['two', 'three']])
  assert.equal((await resolver.resolveTlsa('_25._tcp.mx.example.test'))[0]?.certUsage, 3)
})

test('tells NODATA from NXDOMAIN, empty non-terminals included', async () => {
  await assert.rejects(resolver.resolve4('example.test'), { code: 'ENODATA' })
  await assert.rejects(resolver.resolve4('below.example.test'), { code: 'ENODATA' })
  await assert.rejects(resolver.resolve4('nothing.example.test'), { code: 'ENOTFOUND' })
})

test('truncates what is too long for UDP and gives it whole over TCP', async () => {
  server.forget()
  assert.equal((await resolver.resolveTxt('big.example.test')).length, 20)
  assert.deepEqual(
    server.queries.map(({ transport }) => transport),
    ['udp', 'tcp'],
  )
})

test('fails where told, as often as told', async () => {
  server.fail('mx.example.test', { kind: 'rcode', rcode: 'SERVFAIL' }, { type: 'A', times: 1 })
  await assert.rejects(resolver.resolve4('mx.example.test'), { code: 'ESERVFAIL' })
  assert.equal((await resolver.resolve4('mx.example.test')).length, 2)
  server.fail('example.test', { kind: 'drop' })
  await assert.rejects(resolver.resolveMx('example.test'), { code: 'ETIMEOUT' })
  server.heal('example.test')
  assert.equal((await resolver.resolveMx('example.test')).length, 1)
})
