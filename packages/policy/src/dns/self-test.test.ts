/** The self-test against real servers on loopback: who validates, who does not, who says nothing. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { type DnsServer, startDnsServer, zone } from '../../../../test/lab/dns-server.ts'
import { selfTest } from './self-test.ts'
import type { NameServer } from './transport.ts'

const ROOT = zone({ '.': { SOA: true } }, { secure: true })
let servers: readonly [DnsServer, DnsServer]

before(async () => {
  servers = [await startDnsServer({ zones: [ROOT] }), await startDnsServer({ zones: [ROOT] })]
})
beforeEach(() => {
  for (const server of servers) {
    server.heal('.')
    server.forget()
  }
})
after(() => Promise.all(servers.map((server) => server.close())))

const run = (first: NameServer, ...more: readonly NameServer[]) =>
  selfTest([first, ...more], {
    ...{ now: () => performance.now(), random: Math.random, timeoutMs: 150 },
    signal: new AbortController().signal,
  })

describe('the self-test of a server', () => {
  test('DANE-02: it passes when the SOA record of the root comes with AD, asked for with AD and DO', async () => {
    covers('DANE-02', { observe: 'dns' })
    const [server] = servers
    assert.deepEqual(await run(server), { kind: 'passed' })
    const [query] = server.queries
    assert.deepEqual([query?.name, query?.type, query?.ad, query?.dnssecOk], ['.', 'SOA', true, true])
    server.fail('.', { kind: 'ad', ad: false })
    const problem = { kind: 'does-not-validate', server }
    assert.deepEqual(await run(server), { kind: 'failed', problem })
  })

  test('a server that cannot validate the root itself has failed, with its reason', async () => {
    const [server] = servers
    server.fail('.', { kind: 'rcode', rcode: 'SERVFAIL', ede: { infoCode: 9, extraText: 'no DNSKEY' } })
    const reason = { kind: 'rcode', rcode: 'SERVFAIL', extendedError: { infoCode: 9, extraText: 'no DNSKEY' } }
    assert.deepEqual(await run(server), { kind: 'failed', problem: { kind: 'no-answer', server, reason } })
  })

  test('silence is a failure, after a second try', async () => {
    const [server] = servers
    server.fail('.', { kind: 'drop' })
    const reason = { kind: 'timeout' }
    assert.deepEqual(await run(server), { kind: 'failed', problem: { kind: 'no-answer', server, reason } })
    assert.equal(server.queries.length, 2)
  })

  test('a server that claims AD and has no root is not believed', async () => {
    const [server] = servers
    server.serve(zone({ 'example.test': { A: ['192.0.2.1'] } }, { secure: true }))
    server.fail('.', { kind: 'ad', ad: true })
    const outcome = await run(server)
    server.serve(ROOT)
    assert.equal(outcome.kind === 'failed' && outcome.problem.kind, 'no-answer')
  })

  test('one of several may be silent', async () => {
    const [first, second] = servers
    first.fail('.', { kind: 'drop' })
    assert.deepEqual(await run(first, second), { kind: 'passed' })
  })

  test('none of those that answer may be without validation: it could be the one that is asked', async () => {
    const [first, second] = servers
    second.fail('.', { kind: 'ad', ad: false })
    const problem = { kind: 'does-not-validate', server: second }
    assert.deepEqual(await run(first, second), { kind: 'failed', problem })
  })
})
