/** RFC 8460 §4.3.1 and §4.3.2.1 on the wire: each kind of host, what it saw, and what is counted of it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { type DaneWorldOptions, DOMAIN, MX } from '../lab/dane-world.ts'
import { ReportWorld } from '../lab/report-world.ts'
import type { PolicyOptions } from '../lab/sts-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

const TESTING: PolicyOptions = { mode: 'testing', mx: [MX] }
const ENFORCE: PolicyOptions = { mode: 'enforce', mx: [MX] }
const NO_STARTTLS: HostOptions = { tls: 'none' }
const REFUSED: HostOptions = { script: { STARTTLS: '454 4.7.0 not now' } }
const broken = (handshake: 'garbage' | 'reset'): HostOptions => ({
  script: { STARTTLS: { reply: '220 go', handshake } },
})
const WITHOUT_DANE = { tlsa: 'none' } as const
const UNTRUSTED = 'certificate-not-trusted: DEPTH_ZERO_SELF_SIGNED_CERT'
const NO_MATCH = 'certificate-not-trusted: dane-no-matching-tlsa'

interface Row {
  readonly what: string
  readonly world: DaneWorldOptions
  readonly sums: readonly string[]
  /** Messages that arrived: `tls` or `clear` each; the empty list: it waits. */
  readonly arrived: readonly string[]
  /** Connections that the host saw; one unless a test says otherwise. */
  readonly connections?: number
}

async function check({ world: options, sums, arrived, connections = 1 }: Row): Promise<void> {
  await using world = await ReportWorld.start(options)
  await world.sts.send(DOMAIN)
  assert.deepEqual(await world.sums(), sums)
  const mx = world.mx(MX)
  assert.deepEqual(
    mx.messages.map(({ inTls }) => (inTls ? 'tls' : 'clear')),
    arrived,
  )
  assert.equal(mx.connections.length, connections)
}

const group = (
  what: string,
  world: DaneWorldOptions,
  sums: readonly string[],
  arrived: readonly string[] = [],
): Row => ({
  ...{ what, world, sums, arrived },
})

describe('RPT-39: starttls-not-supported', () => {
  for (const row of [
    group(
      'EHLO does not offer it',
      { ...WITHOUT_DANE, host: NO_STARTTLS },
      ['no-policy-found: 1 failed (starttls-not-supported)'],
      ['clear'],
    ),
    group('the reply to STARTTLS is its reason', { ...WITHOUT_DANE, policy: ENFORCE, host: REFUSED }, [
      'sts: 1 failed (starttls-not-supported: 454)',
    ]),
    group(
      'also one that ends the session',
      {
        ...WITHOUT_DANE,
        policy: ENFORCE,
        host: { script: { STARTTLS: { reply: '421 4.3.2 later', after: 'close' } } },
      },
      ['sts: 1 failed (starttls-not-supported: 421)'],
    ),
  ]) {
    test(row.what, async () => {
      covers('RPT-39', { observe: 'smtp' })
      await check(row)
    })
  }
})

describe('RPT-40: certificate-host-mismatch', () => {
  for (const row of [
    group(
      'STS: the name of the host',
      { ...WITHOUT_DANE, policy: TESTING, host: { tls: 'wrong-name' } },
      ['sts: 1 failed (certificate-host-mismatch)'],
      ['tls'],
    ),
    group('DANE-TA: any reference identifier', { certificate: 'ta-other-name' }, [
      'tlsa: 1 failed (certificate-host-mismatch)',
    ]),
  ]) {
    test(row.what, async () => {
      covers('RPT-40', { observe: 'smtp' })
      await check(row)
    })
  }
})

describe('RPT-41: certificate-expired', () => {
  for (const row of [
    group('STS', { ...WITHOUT_DANE, policy: ENFORCE, host: { tls: 'expired' } }, [
      'sts: 1 failed (certificate-expired)',
    ]),
    group('DANE-TA', { certificate: 'ta-expired' }, ['tlsa: 1 failed (certificate-expired)']),
    group('one that is not valid yet is not trusted', { certificate: 'ta-not-yet-valid' }, [
      'tlsa: 1 failed (certificate-not-trusted: certificate-not-yet-valid)',
    ]),
    group('never for DANE-EE', { certificate: 'self-signed' }, ['tlsa: 1 good'], ['tls']),
  ]) {
    test(row.what, async () => {
      covers('RPT-41', { observe: 'smtp' })
      await check(row)
    })
  }
})

describe('RPT-42: certificate-not-trusted', () => {
  for (const row of [
    group('STS: an unknown issuer', { ...WITHOUT_DANE, policy: ENFORCE, certificate: 'self-signed' }, [
      `sts: 1 failed (${UNTRUSTED})`,
    ]),
    group('DANE: no record is of this chain', { tlsa: 'other' }, [`tlsa: 1 failed (${NO_MATCH})`]),
  ]) {
    test(row.what, async () => {
      covers('RPT-42', { observe: 'smtp' })
      await check(row)
    })
  }
})

describe('RPT-43: validation-failure', () => {
  for (const row of [
    {
      ...group('what follows the 220 is no TLS', { ...WITHOUT_DANE, policy: ENFORCE, host: broken('garbage') }, [
        'sts: 1 failed (validation-failure: not-tls)',
      ]),
      connections: 1,
    },
    {
      ...group('a reset in the handshake, also tried with classic groups', { host: broken('reset') }, [
        'tlsa: 1 failed (validation-failure: reset)',
      ]),
      connections: 2,
    },
    {
      ...group(
        'TLS 1.1 only: the alert or the version',
        { ...WITHOUT_DANE, policy: ENFORCE, host: { tls: 'old-protocol' } },
        ['sts: 1 failed (validation-failure: alert-protocol-version)'],
      ),
      connections: 1,
    },
  ]) {
    test(row.what, async () => {
      covers('RPT-43', { observe: 'smtp' })
      await check(row)
    })
  }
})

describe('RPT-44: a host that the policy does not name', () => {
  for (const [mode, arrived] of [
    ['enforce', []],
    ['testing', ['tls']],
  ] as const) {
    test(`${mode}: told by its name, without addresses`, async () => {
      covers('RPT-44', { observe: 'smtp' })
      await using world = await ReportWorld.start({ ...WITHOUT_DANE, policy: { mode, mx: ['other.test'] } })
      await world.sts.send(DOMAIN)
      const [entry, ...more] = (await world.entries()) ?? []
      assert.equal(more.length, 0)
      assert.deepEqual(entry?.['failure-details'], [
        {
          'result-type': 'validation-failure',
          'receiving-mx-hostname': MX,
          'failed-session-count': 1,
          'failure-reason-code': 'sts-mx-mismatch',
        },
      ])
      assert.equal(world.mx(MX).messages.length, arrived.length)
      if (mode === 'enforce') assert.equal(world.mx(MX).connections.length, 0)
    })
  }
})

describe('RPT-45, RPT-63: records of which none is usable', () => {
  test('are a failure although the mail was delivered over TLS, each record listed', async () => {
    covers(['RPT-45', 'RPT-63'], { observe: 'smtp' })
    await using world = await ReportWorld.start({ tlsa: 'unusable' })
    await world.sts.send(DOMAIN)
    assert.deepEqual(await world.sums(), ['tlsa: 1 failed (tlsa-invalid)'])
    assert.deepEqual(
      world.mx(MX).messages.map(({ inTls }) => inTls),
      [true],
    )
    const [entry] = (await world.entries()) ?? []
    assert.match(entry?.policy['policy-string'][0] ?? '', /^1 1 1 [0-9A-F]{64}$/)
  })
})

describe('RPT-46: dnssec-invalid', () => {
  const BOGUS = { kind: 'rcode', rcode: 'SERVFAIL', ede: { infoCode: 6 } } as const
  const SERVFAIL = { kind: 'rcode', rcode: 'SERVFAIL' } as const

  test('bogus TLSA records: an entry for the host, without records, and nothing is dialled', async () => {
    covers('RPT-46', { observe: 'dns' })
    await using world = await ReportWorld.start()
    world.sts.relay.dns.fail(`_${world.sts.relay.port}._tcp.${MX}`, BOGUS)
    await world.sts.send(DOMAIN)
    assert.deepEqual(await world.sums(), ['tlsa: 1 failed (dnssec-invalid: tlsa-lookup-bogus-ede-6)'])
    const [entry] = (await world.entries()) ?? []
    assert.deepEqual(entry?.policy, { 'policy-type': 'tlsa', 'policy-string': [], 'policy-domain': MX })
    assert.equal(world.mx(MX).connections.length, 0)
  })

  for (const [what, fault, type, sums] of [
    ['bogus MX records: of the domain', BOGUS, 'MX', ['tlsa: 1 failed (dnssec-invalid: mx-lookup-bogus-ede-6)']],
    ['MX records that a server cannot give', SERVFAIL, 'MX', []],
    ['bogus addresses: of the host', BOGUS, 'A', ['tlsa: 1 failed (dnssec-invalid: address-lookup-bogus-ede-6)']],
    ['addresses that a server cannot give', SERVFAIL, 'A', []],
  ] as const) {
    test(`${what}${sums.length === 0 ? ': not counted' : ''}`, async () => {
      covers('RPT-46', { observe: 'dns' })
      await using world = await ReportWorld.start()
      const { dns } = world.sts.relay
      const name = type === 'MX' ? DOMAIN : MX
      for (const one of type === 'MX' ? (['MX'] as const) : (['A', 'AAAA'] as const))
        dns.fail(name, fault, { type: one })
      await world.sts.send(DOMAIN)
      assert.deepEqual(await world.sums(), sums)
      const [entry] = (await world.entries()) ?? []
      if (sums.length > 0) assert.equal(entry?.policy['policy-domain'], name)
      assert.equal(world.mx(MX).connections.length, 0)
    })
  }
})

test('RPT-47: a TLSA question that nobody answers is told as that', async () => {
  covers('RPT-47', { observe: 'dns' })
  await using world = await ReportWorld.start({ others: { dnsTimeoutMs: 500 } })
  const owner = `_${world.sts.relay.port}._tcp.${MX}`
  world.sts.relay.dns.fail(owner, { kind: 'drop' })
  await world.sts.send(DOMAIN)
  assert.deepEqual(await world.sums(), ['tlsa: 1 failed (dnssec-invalid: tlsa-lookup-timeout)'])
  assert.equal(world.mx(MX).connections.length, 0)
})

describe('RPT-48: dane-required', () => {
  for (const [what, delivery, sums] of [
    ['where the operator demands DANE', { demandFor: () => 'dane' as const }, ['tlsa: 1 failed (dane-required)']],
    ['never where nobody does', {}, ['no-policy-found: 1 good']],
  ] as const) {
    test(what, async () => {
      covers('RPT-48', { observe: 'smtp' })
      await using world = await ReportWorld.start({ ...WITHOUT_DANE, delivery })
      await world.sts.send(DOMAIN)
      assert.deepEqual(await world.sums(), sums)
      const [entry] = (await world.entries()) ?? []
      assert.equal(entry?.policy['policy-domain'], sums[0]?.startsWith('tlsa') ? MX : DOMAIN)
    })
  }
})

describe('RPT-56, RPT-57, RPT-58, RPT-59, RPT-60: successes and failures, policy by policy', () => {
  for (const row of [
    group(
      'no policy: any TLS is a success',
      { ...WITHOUT_DANE, host: { tls: 'expired' } },
      ['no-policy-found: 1 good'],
      ['tls'],
    ),
    group(
      'testing and expired: a failure, and delivered',
      { ...WITHOUT_DANE, policy: TESTING, host: { tls: 'expired' } },
      ['sts: 1 failed (certificate-expired)'],
      ['tls'],
    ),
    group('both policies hold', { policy: ENFORCE }, ['tlsa: 1 good', 'sts: 1 good'], ['tls']),
    group('DANE holds and MTA-STS does not', { policy: ENFORCE, certificate: 'self-signed' }, [
      'tlsa: 1 good',
      `sts: 1 failed (${UNTRUSTED})`,
    ]),
    group('MTA-STS holds and DANE does not', { policy: ENFORCE, tlsa: 'other' }, [
      `tlsa: 1 failed (${NO_MATCH})`,
      'sts: 1 good',
    ]),
    group('DANE only: nothing of no policy', {}, ['tlsa: 1 good'], ['tls']),
    group(
      'two failures of one session are one failed session',
      { ...WITHOUT_DANE, policy: { mode: 'testing', mx: ['other.test'] }, host: { tls: 'wrong-name' } },
      ['sts: 1 failed (certificate-host-mismatch, validation-failure: sts-mx-mismatch)'],
      ['tls'],
    ),
  ]) {
    test(row.what, async () => {
      covers(['RPT-56', 'RPT-57', 'RPT-58', 'RPT-59', 'RPT-60'], { observe: 'smtp' })
      await check(row)
    })
  }
})
