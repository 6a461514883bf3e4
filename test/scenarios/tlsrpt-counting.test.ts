/** RFC 8460 §3 and §4.2: which sessions count, for whom, and how often. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { retrySuspects } from '../../packages/mta/src/delivery/suspect-retry.ts'
import { covers } from '../conformance/covers.ts'
import { DOMAIN, MX } from '../lab/dane-world.ts'
import { ReportWorld, tlsrptRecord } from '../lab/report-world.ts'
import type { PolicyOptions } from '../lab/sts-world.ts'

const ENFORCE: PolicyOptions = { mode: 'enforce', mx: [MX] }
const UNNAMED: PolicyOptions = { mode: 'enforce', mx: ['other.test'] }
const WITHOUT_DANE = { tlsa: 'none' } as const

describe('whose sessions', () => {
  test('RPT-01, RPT-14: a domain is asked for its record, off the way of its mail, and needs no other policy', async () => {
    covers('RPT-01', { observe: 'dns' })
    covers('RPT-14', { observe: 'store' })
    await using world = await ReportWorld.start(WITHOUT_DANE)
    world.sts.relay.dns.fail(`_smtp._tls.${DOMAIN}`, { kind: 'drop' }, { times: 1 })
    const id = await world.sts.send(DOMAIN)
    assert.equal((await world.sts.relay.spool.admin.show(id)) === undefined, true, 'delivered before the answer')
    assert.deepEqual(await world.sums(), ['no-policy-found: 1 good'])
    assert.equal(world.recordQueries(), 1)
  })

  test('an absence is asked for once, and nothing is kept', async () => {
    await using world = await ReportWorld.start({ ...WITHOUT_DANE, record: [] })
    for (let number = 0; number < 3; number += 1) await world.sts.send(DOMAIN)
    assert.deepEqual(await world.sums(), [])
    assert.equal(world.recordQueries(), 1)
  })

  test('EAI-10: everything is asked for and kept by A-labels', async () => {
    covers('EAI-10', { observe: 'dns' })
    const [domain, mx] = ['xn--bcher-kva.test', 'xn--mx-xka.test']
    await using world = await ReportWorld.start({
      ...WITHOUT_DANE,
      others: { hosts: { [mx]: {} }, mx: { [domain]: [[10, mx]] }, records: tlsrptRecord(domain) },
    })
    await world.sts.send('bücher.test')
    const [entry] = (await world.entries(domain)) ?? []
    assert.equal(entry?.policy['policy-domain'], domain)
    const asked = world.sts.relay.dns.queries.map(({ name }) => name)
    for (const name of [domain, `_mta-sts.${domain}`, `_smtp._tls.${domain}`, mx]) {
      // Policies are asked for only where there are policy hosts in this world.
      if (!name.startsWith('_mta-sts')) assert.ok(asked.includes(name), name)
    }
    assert.ok(asked.every((name) => /^[\x21-\x7e]*$/.test(name)))
  })

  test('STS-105: a policy that is tested is delivered by, and without a record nothing is kept of it', async () => {
    covers('STS-105', { observe: 'smtp' })
    const policy: PolicyOptions = { mode: 'testing', mx: ['other.test'] }
    await using world = await ReportWorld.start({ ...WITHOUT_DANE, policy, record: [], host: { tls: 'expired' } })
    await world.sts.send(DOMAIN)
    assert.equal(world.mx(MX).messages.length, 1)
    assert.deepEqual(await world.sums(), [])
  })
})

describe('how often', () => {
  test('RPT-61: the messages of one connection are one session', async () => {
    covers('RPT-61', { observe: 'smtp' })
    await using world = await ReportWorld.start({ policy: ENFORCE })
    for (let number = 0; number < 10; number += 1) await world.sts.send(DOMAIN)
    assert.equal(world.mx(MX).messages.length, 10)
    assert.equal(world.mx(MX).connections.length, 1)
    assert.deepEqual(await world.sums(), ['tlsa: 1 good', 'sts: 1 good'])
  })

  test('RPT-61: each connection is a session of its own', async () => {
    covers('RPT-61', { observe: 'smtp' })
    const reuse = { idleMs: 0, ageMs: 0, transactions: 1 }
    await using world = await ReportWorld.start({ ...WITHOUT_DANE, delivery: { reuse } })
    for (let number = 0; number < 3; number += 1) await world.sts.send(DOMAIN)
    assert.equal(world.mx(MX).connections.length, 3)
    assert.deepEqual(await world.sums(), ['no-policy-found: 3 good'])
  })

  for (const [what, handshake, connections, reason] of [
    ['in clear after a broken handshake', 'garbage', 2, 'not-tls'],
    ['with classic groups and then in clear', 'reset', 3, 'reset'],
  ] as const) {
    test(`RPT-61: what is tried again ${what} adds nothing`, async () => {
      covers('RPT-61', { observe: 'smtp' })
      const script = { STARTTLS: { reply: '220 go', handshake } } as const
      await using world = await ReportWorld.start({ ...WITHOUT_DANE, host: { script } })
      await world.sts.send(DOMAIN)
      assert.equal(world.mx(MX).connections.length, connections)
      assert.deepEqual(
        world.mx(MX).messages.map(({ inTls }) => inTls),
        [false],
      )
      assert.deepEqual(await world.sums(), [`no-policy-found: 1 failed (validation-failure: ${reason})`])
    })
  }

  test('RPT-62: each host that a policy does not name is one failed session of an attempt', async () => {
    covers('RPT-62', { observe: 'store' })
    await using world = await ReportWorld.start({
      ...WITHOUT_DANE,
      policy: UNNAMED,
      others: {
        hosts: { 'mx2.example.test': {} },
        mx: {
          [DOMAIN]: [
            [10, MX],
            [20, 'mx2.example.test'],
          ],
        },
      },
    })
    await world.sts.send(DOMAIN)
    const [entry] = (await world.entries()) ?? []
    assert.deepEqual(entry?.summary, { 'total-successful-session-count': 0, 'total-failure-session-count': 2 })
    assert.deepEqual(
      entry?.['failure-details'].map((detail) => [detail['receiving-mx-hostname'], detail['failed-session-count']]),
      [
        [MX, 1],
        ['mx2.example.test', 1],
      ],
    )
  })

  for (const [what, host] of [
    ['a refused connection', undefined],
    ['a greeting of 4yz', { script: { CONNECT: '450 4.3.2 later' } }],
    ['a greeting of 421', { script: { CONNECT: { reply: '421 4.3.2 later', after: 'close' } } }],
    ['no reply to EHLO', { script: { EHLO: { silent: true, after: 'close' } } }],
  ] as const) {
    test(`RPT-52: ${what} is no session`, async () => {
      covers('RPT-52', { observe: 'store' })
      const dead = { others: { deadHosts: [MX] } }
      await using world = await ReportWorld.start({ ...WITHOUT_DANE, ...(host === undefined ? dead : { host }) })
      await world.sts.send(DOMAIN)
      assert.deepEqual(await world.sums(), [])
      assert.equal(world.recordQueries(), 0)
    })
  }

  test('RPT-67: only successes are a sum too, and without a session there is none', async () => {
    covers('RPT-67', { observe: 'store' })
    await using world = await ReportWorld.start()
    assert.equal(await world.entries(), undefined)
    await world.sts.send(DOMAIN)
    assert.deepEqual(await world.sums(), ['tlsa: 1 good'])
  })
})

describe('what is left out', () => {
  test('RTLS-39, RPT-68: sessions of messages for which policies are ignored, as those with reports are', async () => {
    covers(['RTLS-39', 'RPT-68'], { observe: 'store' })
    await using world = await ReportWorld.start({ policy: UNNAMED, tlsa: 'other', host: { tls: 'expired' } })
    const { relay } = world.sts
    const id = await relay.submit({ to: [`reports@${DOMAIN}`], envelope: { tls: 'tls-optional' } })
    await relay.settled(id)
    assert.equal(world.mx(MX).messages.length, 1)
    assert.deepEqual(await world.sums(), [])
    assert.equal(world.recordQueries(), 0)
    await world.sts.send(DOMAIN)
    assert.deepEqual(await world.sums(), ['sts: 1 failed (validation-failure: sts-mx-mismatch)'])
  })

  test('RPT-68: a policy that only a report mail needed and did not get', async () => {
    covers('RPT-68', { observe: 'store' })
    await using world = await ReportWorld.start({ ...WITHOUT_DANE, policy: ENFORCE })
    const { relay } = world.sts
    world.sts.policyHost(DOMAIN).answer = { status: 404 }
    await relay.settled(await relay.submit({ to: [`reports@${DOMAIN}`], envelope: { tls: 'tls-optional' } }))
    assert.deepEqual(await world.sums(), [])
    await world.sts.send(DOMAIN)
    assert.deepEqual(await world.sums(), [
      'sts: 1 failed (sts-policy-fetch-error: status-404)',
      'no-policy-found: 1 good',
    ])
  })

  test('RPT-70: addresses, ids and hosts of ours are in no report', async () => {
    covers('RPT-70', { observe: 'store' })
    await using world = await ReportWorld.start({ policy: { mode: 'testing', mx: [MX] }, host: { tls: 'expired' } })
    const { relay } = world.sts
    const id = await relay.submit({
      from: 'marker-sender@sender.test',
      to: [`marker-recipient@${DOMAIN}`],
      content: 'Message-ID: <marker-id@sender.test>\r\nSubject: marker-subject\r\n\r\nmarker-body\r\n',
    })
    await relay.settled(id)
    const text = JSON.stringify(await world.entries())
    assert.match(text, /certificate-expired/)
    assert.doesNotMatch(text, /marker|sender\.test|relay\.lab\.test|127\.\d/)
    assert.ok(!text.includes(id))
  })
})

test('a session in the child process of a suspect counts as well', async () => {
  await using world = await ReportWorld.start({
    policy: { mode: 'testing', mx: [MX] },
    host: { tls: 'expired' },
    others: { crashedWith: [{ to: [`bob@${DOMAIN}`] }] },
  })
  const { spool, deliveryOptions: delivery } = world.sts.relay
  const { signal } = new AbortController()
  await retrySuspects({ suspects: spool.suspects, spool, delivery, setAsideAfterDeaths: 1, signal })
  assert.deepEqual(await world.sums(), [
    'tlsa: 1 failed (certificate-not-trusted: dane-no-matching-tlsa)',
    'sts: 1 failed (certificate-expired)',
  ])
})
