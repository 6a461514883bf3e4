/**
 * The whole of trusted DNS in front of a name server on loopback that sets AD, stops to, falls silent and comes back.
 * Real signatures and a real unbound are in `test/interop/dnssec-*.test.ts`.
 */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { type DnsServer, startDnsServer, zone } from '../../../../test/lab/dns-server.ts'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import type { PolicyEvent } from '../ports/policy-events.ts'
import { openTrustedDns, type TrustedDns, type TrustedDnsOptions } from './trusted-dns.ts'

const ZONES = [
  zone({ '.': { SOA: true }, 'signed.test': { A: ['192.0.2.1'] } }, { secure: true, ttl: 0 }),
  zone({ 'plain.test': { A: ['192.0.2.2'], ttl: 0 } }),
]

let server: DnsServer
let events: PolicyEvent[] = []
let memory: string[] = []

before(async () => {
  server = await startDnsServer({ zones: ZONES })
})
beforeEach(() => {
  for (const name of ['.', 'signed.test', 'plain.test']) server.heal(name)
  server.forget()
  events = []
  memory = []
})
after(() => server.close())

async function withDns(options: Partial<TrustedDnsOptions>, use: (dns: TrustedDns) => Promise<void>): Promise<void> {
  const dns = await openTrustedDns({
    ...{ servers: [server], serversNamed: true, trust: 'ad', dane: 'auto', remembered: false },
    remember: async (dane) => void memory.push(dane),
    unbound: { directory: '/nonexistent/unbound', folders: [] },
    emit: (event) => events.push(event),
    timing: { periodMs: 60_000, retryMs: 20, freshMs: 0, patienceMs: 0 },
    ...options,
  })
  try {
    await use(dns)
  } finally {
    await dns.close()
  }
}

function domain(text: string): DomainName {
  const name = parseDomainName(text)
  assert(name.ok)
  return name.value
}

const look = (dns: TrustedDns, name: string) => dns.resolver.address(domain(name), 4)

async function status(dns: TrustedDns, name: string): Promise<string> {
  const answer = await look(dns, name)
  if (answer.kind === 'failure') return answer.reason.kind
  return answer.secure ? 'secure' : 'insecure'
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + 5_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 5)))
    assert.ok(performance.now() < end, condition.toString())
}

const names = () => events.map(({ event }) => event)

describe('a server that the operator believes', () => {
  test('DANE-03: its AD bit makes answers secure; without a word of the operator it does not', async () => {
    covers('DANE-03', { observe: 'dns' })
    await withDns({}, async (dns) => {
      assert.deepEqual(dns.state(), { kind: 'validating', by: 'configured' })
      assert.equal(await status(dns, 'signed.test'), 'secure')
      assert.equal(await status(dns, 'plain.test'), 'insecure')
      assert.equal(dns.danePossible(), true)
    })
    assert.deepEqual(memory, ['on'])
    await withDns({ trust: 'none' }, async (dns) => {
      assert.equal(dns.state().kind, 'off')
      assert.equal(await status(dns, 'signed.test'), 'insecure')
      assert.equal(dns.danePossible(), false)
    })
  })

  test('DANE-02: one that does not validate turns DANE off at a first start, and that is told', async () => {
    covers('DANE-02', { observe: 'dns' })
    server.fail('.', { kind: 'ad', ad: false })
    await withDns({}, async (dns) => {
      const problem = { kind: 'does-not-validate', server }
      const problems = [{ candidate: 'servers', problem }]
      assert.deepEqual(dns.state(), { kind: 'off', because: { kind: 'no-validator', problems } })
      assert.equal(await status(dns, 'signed.test'), 'insecure', 'AD is not believed from whom it failed the test')
      await dns.released
    })
    assert.deepEqual(names(), ['dnssec-off'])
    assert.deepEqual(memory, [])
  })
})

describe('validation that is lost while mail is delivered', () => {
  test('DANE-01: an insecure answer of a server that stopped to validate is a failed lookup', async () => {
    covers('DANE-01', { observe: 'dns' })
    await withDns({}, async (dns) => {
      assert.equal(await status(dns, 'plain.test'), 'insecure')
      server.fail('.', { kind: 'ad', ad: false })
      server.fail('signed.test', { kind: 'ad', ad: false })
      assert.equal(await status(dns, 'signed.test'), 'unvalidated')
      assert.equal(await status(dns, 'plain.test'), 'unvalidated')
      assert.equal(dns.state().kind, 'lost')
      assert.equal(dns.danePossible(), true, 'it is never turned off')
      server.heal('.')
      server.heal('signed.test')
      await until(() => dns.state().kind === 'validating')
      assert.equal(await status(dns, 'signed.test'), 'secure')
      assert.equal(await status(dns, 'plain.test'), 'insecure')
    })
    assert.deepEqual(names(), ['dnssec-validating', 'dnssec-lost', 'dnssec-validating'])
  })

  test('a secure answer is worth as much as before: the word of a server that is believed', async () => {
    await withDns({ timing: { periodMs: 60_000, retryMs: 60_000, freshMs: 0, patienceMs: 0 } }, async (dns) => {
      server.fail('.', { kind: 'rcode', rcode: 'SERVFAIL' })
      assert.equal(await status(dns, 'plain.test'), 'unvalidated')
      assert.equal(await status(dns, 'signed.test'), 'secure')
    })
  })

  test('an answer kept from better times is not passed off as insecure either', async () => {
    server.serve(zone({ '.': { SOA: true } }, { secure: true }), zone({ 'plain.test': { A: ['192.0.2.2'], ttl: 300 } }))
    await withDns({}, async (dns) => {
      assert.equal(await status(dns, 'plain.test'), 'insecure')
      server.fail('.', { kind: 'ad', ad: false })
      assert.equal(await status(dns, 'plain.test'), 'unvalidated')
      assert.equal(server.queries.filter(({ name }) => name === 'plain.test').length, 1)
    })
    server.serve(...ZONES)
  })

  test('a burst of insecure answers costs one self-test', async () => {
    await withDns({ timing: { periodMs: 60_000, retryMs: 20, freshMs: 500, patienceMs: 0 } }, async (dns) => {
      await Promise.all(Array.from({ length: 50 }, () => status(dns, 'plain.test')))
      assert.ok(server.queries.filter(({ name }) => name === '.').length <= 2)
    })
  })

  test('nobody has to ask: the periodic test finds it', async () => {
    await withDns({ timing: { periodMs: 20, retryMs: 20, freshMs: 0, patienceMs: 0 } }, async (dns) => {
      server.fail('.', { kind: 'ad', ad: false })
      await until(() => dns.state().kind === 'lost')
      server.heal('.')
      await until(() => dns.state().kind === 'validating')
    })
  })
})

describe('a start without a validator where DANE was on', () => {
  for (const [why, options] of [
    ['the data_dir remembers', { remembered: true }],
    ['the operator demands it', { dane: true }],
  ] as const) {
    test(`holds deliveries until somebody validates: ${why}`, async () => {
      server.fail('.', { kind: 'ad', ad: false })
      await withDns(
        { ...options, timing: { periodMs: 60_000, retryMs: 20, freshMs: 0, patienceMs: 0 } },
        async (dns) => {
          let released = false
          void dns.released.then(() => {
            released = true
          })
          const state = dns.state()
          assert.equal(state.kind === 'lost' && state.delivery, 'held')
          assert.equal(await status(dns, 'signed.test'), 'unvalidated')
          assert.deepEqual(memory, [])
          server.heal('.')
          await until(() => released)
          assert.deepEqual(dns.state(), { kind: 'validating', by: 'configured' })
          assert.deepEqual(memory, ['on'])
          assert.equal(await status(dns, 'signed.test'), 'secure')
        },
      )
    })
  }

  test('only false ends that, and is remembered', async () => {
    await withDns({ remembered: true, dane: false }, async (dns) => {
      assert.deepEqual(dns.state(), { kind: 'off', because: { kind: 'disabled' } })
      await dns.released
    })
    assert.deepEqual(memory, ['off'])
  })
})

describe('without a word of the operator', () => {
  test('a resolver on this machine is believed when there is no unbound, with a warning that says why', async () => {
    await withDns({ trust: 'auto' }, async (dns) => {
      assert.deepEqual(dns.state(), { kind: 'validating', by: 'loopback-resolver' })
      assert.equal(await status(dns, 'signed.test'), 'secure')
    })
    assert.deepEqual(events.slice(0, 2), [
      {
        event: 'dnssec-loopback-believed',
        problems: [{ candidate: 'private-unbound', problem: { kind: 'not-installed' } }],
      },
      { event: 'dnssec-validating', by: 'loopback-resolver' },
    ])
  })

  test('DANE-03: a resolver across a network is not believed, whatever it says', async () => {
    covers('DANE-03', { observe: 'dns' })
    // The address is in documentation space: nobody is asked for a self-test.
    await withDns({ trust: 'auto', servers: [{ address: '192.0.2.53', port: 53 }] }, async (dns) => {
      const state = dns.state()
      assert.ok(state.kind === 'off' && state.because.kind === 'no-validator')
      assert.deepEqual(
        state.because.problems.map(({ problem }) => problem.kind),
        ['not-installed', 'remote-resolver'],
      )
    })
  })
})
