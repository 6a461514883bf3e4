/** `hermetic explain`, asked of a running relay and without one: the same story as delivery's, and nothing disturbed. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type ExplainedDomain, ExplainWorld } from '../lab/explain-world.ts'
import type { PolicyOptions } from '../lab/sts-world.ts'

const WEEKS = 1_209_600

function enforced(domain: string): PolicyOptions {
  return { mode: 'enforce', mx: [`mx.${domain}`], maxAge: WEEKS }
}

interface Story {
  readonly what: string
  readonly domain: string
  readonly world: ExplainedDomain
  readonly code: number
  readonly conclusion: string
  readonly advice: readonly string[]
  /** In the text. */
  readonly says: RegExp
}

const STORIES: readonly Story[] = [
  {
    ...{ what: 'a good domain', domain: 'good.test', code: 0, conclusion: 'deliverable', advice: [] },
    world: { policy: enforced('good.test') },
    says: /^✓ Mail for good\.test is delivered to mx\.good\.test: it proves its name/,
  },
  {
    ...{ what: 'a stripped STARTTLS', domain: 'stripped.test', code: 1, conclusion: 'refused' },
    world: { policy: enforced('stripped.test'), hosts: { 'mx.stripped.test': { tls: 'none' } } },
    advice: ['mx-without-starttls'],
    says: /^✗ Mail for stripped\.test waits: mx\.stripped\.test is refused, because STARTTLS is not offered\.$/m,
  },
  {
    ...{ what: 'a certificate for another name', domain: 'wrong.test', code: 1, conclusion: 'refused' },
    world: { policy: enforced('wrong.test'), hosts: { 'mx.wrong.test': { tls: 'wrong-name' } } },
    advice: ['mx-certificate-wrong-name'],
    says: /The certificate is not for mx\.wrong\.test: it is for other\.mx\.wrong\.test\./,
  },
  {
    ...{ what: 'an MX that the policy does not name', domain: 'unnamed.test', code: 1, conclusion: 'refused' },
    world: { policy: { mode: 'enforce', mx: ['other.test'], maxAge: WEEKS } },
    advice: ['mx-not-in-policy', 'policy-mx-unused'],
    says: /^✗ Mail for unnamed\.test waits: its MTA-STS policy names none of the hosts in its MX records\.$/m,
  },
  {
    ...{ what: 'an expired certificate', domain: 'expired.test', code: 1, conclusion: 'refused' },
    world: { policy: enforced('expired.test'), hosts: { 'mx.expired.test': { tls: 'expired' } } },
    advice: ['mx-certificate-expired'],
    says: /it has expired \(CERT_HAS_EXPIRED\)/,
  },
  {
    ...{ what: 'a policy in mode testing', domain: 'testing.test', code: 0, conclusion: 'deliverable' },
    world: {
      policy: { mode: 'testing', mx: ['mx.testing.test'], maxAge: WEEKS },
      hosts: { 'mx.testing.test': { tls: 'none' } },
    },
    advice: ['mx-without-starttls', 'policy-mode-testing'],
    says: /^✓ Mail for testing\.test is delivered to mx\.testing\.test: it goes without TLS\.$/m,
  },
  {
    ...{ what: 'a policy host that redirects', domain: 'redirect.test', code: 0, conclusion: 'deliverable' },
    world: {
      policy: enforced('redirect.test'),
      answer: { status: 301, fields: { Location: 'https://elsewhere.test/' } },
    },
    advice: ['policy-host-status-301'],
    says: /^Policy: no MTA-STS: one is announced, cannot be fetched, and none is cached$/m,
  },
  {
    ...{ what: 'a vanished record with a cached policy', domain: 'vanished.test', code: 0, conclusion: 'deliverable' },
    world: {
      record: 'none',
      policy: enforced('vanished.test'),
      cached: { ...enforced('vanished.test'), ageMs: 3_600_000 },
    },
    advice: ['record-vanished'],
    says: /^ {2}id +1, from the cache, fetched 1h ago$/m,
  },
  {
    ...{ what: 'a domain without a policy', domain: 'plain.test', code: 0, conclusion: 'deliverable', advice: [] },
    world: {},
    says: /^Policy: no MTA-STS: the domain publishes none$/m,
  },
]

for (const by of ['relay', 'command-line'] as const) {
  describe(`hermetic explain, by the ${by}`, () => {
    let world: ExplainWorld
    before(async () => {
      const domains = Object.fromEntries(STORIES.map(({ domain, world: explained }) => [domain, explained]))
      world = await ExplainWorld.start({ relay: by === 'relay', domains })
    })
    after(() => world[Symbol.asyncDispose]())

    for (const { what, domain, code, conclusion, advice, says } of STORIES) {
      test(`${what}: verdict, advice and exit code`, async () => {
        const json = await world.explained(domain, '--connect')
        const { explanation } = json
        assert.equal(json.code, code)
        assert.equal(explanation.version, 1)
        assert.equal(explanation.by, by)
        assert.equal(explanation.conclusion.kind, conclusion)
        assert.deepEqual(
          explanation.advice.map((one) => one.code),
          advice,
        )
        const text = await world.run(['explain', domain, '--connect'])
        assert.equal(text.code, code)
        assert.match(text.out, says)
      })
    }

    test('hosts hear EHLO, STARTTLS and QUIT, and nothing of a message', () => {
      for (const { domain } of STORIES) {
        const host = world.mx(`mx.${domain}`)
        for (const { commands } of host.connections) {
          assert.deepEqual(
            commands.filter((line) => !/^(?:EHLO|STARTTLS|QUIT)\b/.test(line)),
            [],
          )
        }
      }
      assert.ok(world.mx('mx.good.test').connections.length > 0)
    })

    test('a host that the policy forbids is not contacted', () => {
      assert.deepEqual(world.mx('mx.unnamed.test').connections, [])
    })

    test('a policy host is asked once, however often somebody wants an explanation', async () => {
      const host = world.policyHost('good.test')
      const before = host.requests.length
      for (let times = 0; times < 3; times += 1) assert.equal((await world.run(['explain', 'good.test'])).code, 0)
      assert.equal(host.requests.length - before, by === 'relay' ? 0 : 3)
    })

    test('without --connect no host is contacted, and what it must show is said', async () => {
      const { connections } = world.mx('mx.stripped.test')
      const before = connections.length
      const { code, out } = await world.run(['explain', 'stripped.test'])
      assert.equal(connections.length, before)
      assert.equal(code, 0)
      assert.match(out, /^✓ Mail for stripped\.test goes only to a host that proves its name over TLS\.$/m)
      assert.match(out, /^ {4}must show +TLS and a certificate for its name$/m)
      assert.match(out, /hermetic explain stripped\.test --connect shows what the hosts prove/)
    })

    test('a mail address, an upper-case name and a trailing dot mean the domain', async () => {
      for (const text of ['jane@good.test', 'GOOD.test', 'good.test.', '"odd one"@good.test']) {
        const { out } = await world.run(['explain', text])
        assert.match(out, /^✓ Mail for good\.test /, text)
      }
    })

    test('an address in brackets has no MX and no policy', async () => {
      const { address } = world.mx('mx.plain.test')
      const { code, explanation } = await world.explained(`[${address}]`, '--connect')
      assert.equal(code, 0)
      assert.equal(explanation.route.kind, 'literal')
      assert.deepEqual(explanation.mta_sts, { state: 'not-consulted', because: 'address' })
      assert.equal(explanation.hosts[0]?.addresses[0]?.session?.verdict, 'proven')
    })
  })
}

test('without a relay nothing is written: no cache appears', async () => {
  await using world = await ExplainWorld.start({
    relay: false,
    domains: { 'good.test': { policy: enforced('good.test') } },
  })
  assert.equal((await world.run(['explain', 'good.test'])).code, 0)
  assert.equal(existsSync(join(world.directory, 'data')), false)
})

test('what the relay fetches for an explanation is in its cache, as for mail', async () => {
  await using world = await ExplainWorld.start({
    relay: true,
    domains: { 'good.test': { policy: enforced('good.test') } },
  })
  await world.run(['explain', 'good.test'])
  const { explanation } = await world.explained('good.test')
  assert.equal(explanation.mta_sts.policy?.from, 'cache')
})

describe('who takes no mail, and who cannot be asked', () => {
  let world: ExplainWorld
  before(async () => {
    world = await ExplainWorld.start({
      relay: true,
      domains: { 'plain.test': {} },
      records: {
        'null.test': { MX: [[0, '.']] },
        'private.test': { MX: [[10, 'mx.private.test']] },
        'mx.private.test': { A: ['10.0.0.1'] },
        'dead.test': { MX: [[10, 'mx.dead.test']] },
        'mx.dead.test': { A: ['127.0.0.99'] },
        'mute.test': { MX: [[10, 'mx.mute.test']] },
        'xn--mnchen-3ya.test': { MX: [[10, 'mx.plain.test']] },
        'alias.test': { CNAME: 'plain.test' },
        'addressless.test': { MX: [[10, 'mx.addressless.test']] },
        'mx.addressless.test': { TXT: ['nothing else'] },
      },
    })
    world.dns.fail('mute.test', { kind: 'rcode', rcode: 'SERVFAIL' })
  })
  after(() => world[Symbol.asyncDispose]())

  for (const [domain, code, kind, advice, says] of [
    ['null.test', 1, 'undeliverable', [], /^✗ null\.test takes no mail/],
    ['nowhere.invalid', 1, 'undeliverable', [], /^✗ nowhere\.invalid does not exist/],
    ['private.test', 1, 'undeliverable', ['mx-address-not-public'], /10\.0\.0\.1, not contacted: private/],
    ['addressless.test', 1, 'undeliverable', ['mx-without-address'], /no host has an address/],
    ['dead.test', 3, 'unreachable', ['mx-unreachable'], /none of its hosts can be reached now/],
    ['mute.test', 3, 'unknown', [], /^\? Mail for mute\.test waits: DNS does not say where it goes/],
  ] as const) {
    test(`${domain}: ${kind}, exit code ${code}`, async () => {
      const { code: exit, explanation } = await world.explained(domain, '--connect')
      assert.equal(explanation.conclusion.kind, kind)
      assert.equal(exit, code)
      assert.deepEqual(
        explanation.advice.map((one) => one.code),
        advice,
      )
      assert.match((await world.run(['explain', domain, '--connect'])).out, says)
    })
  }

  test('an IDN is read and shown in both of its forms', async () => {
    const { out } = await world.run(['explain', 'münchen.test'])
    assert.match(out, /^✓ Mail for xn--mnchen-3ya\.test goes over TLS where it is offered; nothing demands it\.$/m)
    assert.match(out, /xn--mnchen-3ya\.test is münchen\.test;/)
  })

  test('a domain that is an alias of another is told as that', async () => {
    assert.match((await world.run(['explain', 'alias.test'])).out, /^Route: the domain is an alias of plain\.test$/m)
  })
})

test('behind a route the smarthost counts, and the policy of the domain does not', async () => {
  await using world = await ExplainWorld.start({
    relay: true,
    domains: { 'good.test': { policy: enforced('good.test') }, 'plain.test': {} },
    settings: (port) => `[[route]]\ndomain = "good.test"\nhost = "mx.plain.test"\nport = ${port}\n`,
  })
  const { code, explanation } = await world.explained('good.test', '--connect')
  assert.equal(code, 0)
  assert.equal(explanation.route.kind, 'smarthost')
  assert.equal(world.policyHost('good.test').connections, 0)
  const { out } = await world.run(['explain', 'good.test'])
  assert.match(out, /^Route: by the settings of this relay to mx\.plain\.test/m)
  assert.match(out, /our own settings demand a proven certificate/)
})

test('behind a route mail waits for whatever keeps us from the smarthost, as in delivery', async () => {
  await using world = await ExplainWorld.start({
    relay: true,
    domains: { 'good.test': {}, 'plain.test': { hosts: { 'mx.plain.test': { script: { CONNECT: '554 no' } } } } },
    settings: (port) =>
      `[[route]]\ndomain = "good.test"\nhost = "gone.test"\n[[route]]\ndomain = "plain.test"\nhost = "mx.plain.test"\nport = ${port}\n`,
  })
  for (const domain of ['good.test', 'plain.test']) {
    const { code, out } = await world.run(['explain', domain, '--connect'])
    assert.equal(code, 3, out)
    assert.match(out, /^. Mail for \S+ waits: /)
  }
})

test('what peers and DNS write cannot act on a terminal, nor in JSON', async () => {
  const evil = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202eevil\u2028'
  await using world = await ExplainWorld.start({
    relay: true,
    domains: {
      'evil.test': {
        hosts: { 'mx.evil.test': { script: { CONNECT: { reply: `554 ${evil}` } } } },
        record: { TXT: [`v=STSv1; id=1; x=${evil}`, Buffer.from(`v=sts1 ${evil}`)] },
        policy: { mode: 'enforce', mx: ['mx.evil.test'] },
        answer: { body: `version: STSv1\nmode: ${evil}\nmax_age: 1\n` },
      },
      'evil2.test': {
        record: { TXT: [`v=STSv1; id=${evil}`] },
        policy: { mode: 'enforce', mx: ['mx.evil2.test'] },
        answer: { fields: { 'Content-Type': 'text/h\u009b31mtml' }, body: '' },
        cached: { mode: 'enforce', mx: ['mx.evil2.test'], ageMs: 1_000 },
      },
    },
  })
  for (const domain of ['evil.test', 'evil2.test']) {
    for (const args of [
      ['explain', domain, '--connect'],
      ['explain', domain, '--connect', '--json'],
    ]) {
      const { out } = await world.run(args)
      assert.doesNotMatch(
        out.replaceAll('\n', ''),
        /[\p{Cc}\p{Cf}\u2028\u2029]/u,
        `${args.join(' ')}: ${JSON.stringify(out)}`,
      )
    }
    assert.doesNotThrow(async () => JSON.parse((await world.run(['explain', domain, '--json'])).out))
  }
})

test('colours only on a terminal, and lines as wide as it is', async () => {
  await using world = await ExplainWorld.start({
    relay: false,
    domains: { 'good.test': { policy: enforced('good.test') } },
  })
  const args = ['explain', 'good.test', '--connect']
  const plain = await world.run(args, { columns: 60 })
  assert.equal(plain.out.includes('\u001b'), false)
  assert.deepEqual(
    plain.out.split('\n').filter((line) => line.length > 60 && line.trim().includes(' ')),
    [],
  )
  const colourful = await world.run(args, { columns: 60, colours: true })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequence is what is looked for
  assert.match(colourful.out, /^\u001b\[32m✓/)
})
