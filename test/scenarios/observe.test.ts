/** Observing: policies are looked at and told, and refuse nothing; and where that must never be so. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { StsFacts } from '@hermetic/policy'
import { deliveryRecord } from '../../packages/mta/src/observability/delivery-record.ts'
import { covers } from '../conformance/covers.ts'
import { runHermetic } from '../lab/command-lab.ts'
import { type DaneWorldOptions, DOMAIN, MX, startDaneWorld } from '../lab/dane-world.ts'
import { domain } from '../lab/override-lab.ts'
import { LISTED, mailsAt, startTaggedWorld, submitTagged } from '../lab/requiretls-world.ts'
import { RouteWorld } from '../lab/route-world.ts'
import { StsWorld } from '../lab/sts-world.ts'
import { SmtpDialogue } from '../lab/submit.ts'

const UNAVAILABLE: StsFacts = {
  kind: 'unavailable',
  because: 'cache',
  policyDomain: domain(DOMAIN),
  ...{ record: undefined, uncounted: undefined, validUntil: 0 },
}
const OBSERVE = { enforcement: 'observe' } as const

function judged({ relay }: StsWorld) {
  const told = relay.eventsOf('would-have-refused').map(({ mechanisms, reasons }) => `${mechanisms}: ${reasons}`)
  const [record] = relay.eventsOf('attempt-finished').map(deliveryRecord)
  return { told, would: record?.tlsWouldRefuse, result: record?.tlsResult }
}

describe('what would be refused is delivered and recorded', () => {
  const rows: readonly (readonly [
    rule: string,
    options: DaneWorldOptions,
    told: string | undefined,
    result: string,
  ])[] = [
    [
      'no TLSA record means the certificate',
      { tlsa: 'other' },
      'dane: tlsa-mismatch',
      'tlsa: certificate-not-trusted (dane-no-matching-tlsa)',
    ],
    [
      'no STARTTLS where there are TLSA records',
      { host: { tls: 'none' } },
      'dane: not-encrypted',
      'tlsa: starttls-not-supported',
    ],
    [
      'TLSA records that cannot be looked up',
      { tlsa: 'fails' },
      'dane: tlsa-lookup-failed',
      'tlsa: dnssec-invalid (tlsa-lookup-failed)',
    ],
    [
      'a host that the policy does not name',
      { tlsa: 'none', policy: { mode: 'enforce', mx: ['other.test'] } },
      'mta-sts: sts-mx-mismatch',
      'sts: validation-failure (sts-mx-mismatch)',
    ],
    [
      'a certificate that the policy does not allow, beside DANE that holds',
      { certificate: 'self-signed', policy: { mode: 'enforce', mx: [MX] } },
      'mta-sts: certificate-untrusted',
      'tlsa: success; sts: certificate-not-trusted (DEPTH_ZERO_SELF_SIGNED_CERT)',
    ],
    ['nothing, when all is well', { policy: { mode: 'enforce', mx: [MX] } }, undefined, 'tlsa: success; sts: success'],
  ]
  for (const [rule, options, told, result] of rows) {
    test(`DANE-84: audit only: ${rule}`, async () => {
      covers('DANE-84', { observe: 'smtp' })
      await using world = await startDaneWorld({ ...options, delivery: OBSERVE })
      await world.send(DOMAIN)
      assert.equal(world.relay.mx(MX).messages.length, 1)
      assert.deepEqual(judged(world), {
        told: told === undefined ? [] : [told],
        would: told?.replace(/^.*: /, ''),
        result,
      })
    })
  }

  test('a broken handshake: mail goes in clear, as it would without policies', async () => {
    const host = { script: { STARTTLS: { reply: '220 go', handshake: 'garbage' } } } as const
    await using world = await startDaneWorld({ host, delivery: OBSERVE })
    await world.send(DOMAIN)
    assert.equal(world.relay.mx(MX).messages[0]?.inTls, false)
    assert.equal(judged(world).would, 'not-encrypted')
  })

  test('a policy cache that does not answer keeps nothing back', async () => {
    const sts = { policyFor: async () => UNAVAILABLE, refetch: async () => assert.fail('nothing failed') }
    await using world = await startDaneWorld({ tlsa: 'none', delivery: { ...OBSERVE, sts } })
    await world.send(DOMAIN)
    assert.equal(world.relay.mx(MX).messages.length, 1)
  })
})

describe('where observing never reaches', () => {
  test('a REQUIRETLS message waits while the policy cannot be had, though other mail goes', async () => {
    const sts = { policyFor: async () => UNAVAILABLE, refetch: async () => assert.fail('nothing failed') }
    await using world = await startTaggedWorld({
      host: { capabilitiesInTls: LISTED },
      delivery: { ...OBSERVE, sts },
    })
    const id = await submitTagged(world, 'requiretls')
    const { lastOutcome } = await world.relay.recipient(id, `bob@${DOMAIN}`)
    assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.cause.kind, 'policy-unavailable')
    assert.deepEqual(mailsAt(world, MX), [])
  })

  test('one domain that is observed leaves the others enforced, and the other way round', async () => {
    const hosts = { [MX]: { tls: 'self-signed' } } as const
    const policy = { mode: 'enforce', mx: [MX] } as const
    for (const observed of ['one.test', 'two.test']) {
      await using world = await StsWorld.start({
        ...{ hosts, mx: { 'one.test': [[10, MX]], 'two.test': [[10, MX]] } },
        policies: { 'one.test': policy, 'two.test': policy },
        delivery:
          observed === 'one.test'
            ? { overrides: [{ kind: 'enforcement', domain: domain('one.test'), enforcement: 'observe' }] }
            : { ...OBSERVE, overrides: [{ kind: 'enforcement', domain: domain('one.test'), enforcement: 'enforce' }] },
      })
      await world.send('one.test')
      await world.send('two.test')
      const to = world.relay.mx(MX).messages.map(({ recipients }) => recipients[0]?.address)
      assert.deepEqual(to, [`bob@${observed}`])
    }
  })

  test('require is enforced while everything else is observed', async () => {
    const overrides = [{ kind: 'require', domain: domain(DOMAIN), demand: 'pkix' }] as const
    await using world = await startDaneWorld({ certificate: 'self-signed', delivery: { ...OBSERVE, overrides } })
    await world.send(DOMAIN)
    assert.equal(world.relay.mx(MX).messages.length, 0)
  })

  test('a REQUIRETLS message that is already queued is refused by the policy as ever', async () => {
    await using world = await startDaneWorld({
      ...{ tlsa: 'other', host: { capabilitiesInTls: ['REQUIRETLS'] }, delivery: OBSERVE },
    })
    const id = await world.relay.submit({ to: [`bob@${DOMAIN}`], envelope: { tls: 'requiretls' } })
    await world.relay.settled(id)
    assert.equal(world.relay.mx(MX).messages.length, 0)
  })

  test('a smarthost proves itself, and gets no password before', async () => {
    await using world = await RouteWorld.start({
      hosts: { 'smart.test': { tls: 'self-signed', credentials: { username: 'shop', password: 'secret' } } },
      routes: (port) => `enforcement = "observe"
[[route]]
domain = "*"
host = "smart.test"
port = ${port('smart.test')}
username = "shop"
password = "secret"
`,
    })
    await world.send('bob@example.test')
    const { messages, connections } = world.host('smart.test')
    assert.equal(messages.length, 0)
    assert.ok(connections.every(({ commands }) => !commands.some((line) => line.startsWith('AUTH'))))
  })

  test('REQUIRETLS is not offered while everything is observed', async () => {
    const offered = async (settings: string): Promise<boolean> => {
      await using world = await RouteWorld.start({
        routes: () => `${settings}\n[[listener]]\nkind = "submission"\nport = 0\ntls = "implicit"\n`,
      })
      return (await keywordsOf(world)).includes('REQUIRETLS')
    }
    assert.deepEqual([await offered(''), await offered('enforcement = "observe"')], [true, false])
  })
})

async function keywordsOf({ relay }: RouteWorld): Promise<readonly string[]> {
  const port = relay.relay.listeners[1]?.listener.port
  assert.ok(port !== undefined)
  const client = await SmtpDialogue.open({ port, tls: {} })
  await client.reply()
  const { lines } = await client.command('EHLO client.example.test')
  await client.quit()
  return lines.map((line) => line.slice(4))
}

test('the summary tells exactly what happened: by domain, host and reason, beside all mail', async () => {
  const policy = { mode: 'enforce', mx: ['mx.test'] } as const
  await using world = await RouteWorld.start({
    hosts: { 'mx.test': { tls: 'self-signed' } },
    ...{ mailExchanger: 'mx.test', policies: { 'kept.test': policy, 'required.test': policy } },
    mx: { 'kept.test': [[10, 'mx.test']], 'plain.test': [[10, 'mx.test']], 'required.test': [[10, 'mx.test']] },
    routes: () => 'enforcement = "observe"\n[[policy_override]]\ndomain = "required.test"\nrequire = "pkix"\n',
  })
  for (const to of ['a@kept.test', 'b@kept.test', 'c@plain.test', 'd@required.test']) await world.send(to)
  const { file } = world.relay
  const { out, code } = await runHermetic(file, 'observe', 'summary')
  const [count, verdict, , head, row, reach, ...rest] = out.split('\n')
  assert.deepEqual([code, rest], [0, ['']])
  assert.match(reach ?? '', /^The history begins at .*Z: before that nothing is known\.$/)
  assert.equal(count, 'In the last 1d: 3 deliveries to mail exchangers of 2 domains.')
  assert.equal(verdict, 'Enforcing MTA-STS and DANE would have refused 2 of them, at 1 domain.')
  assert.match(head ?? '', /^DOMAIN +REFUSED +OF +LAST +HOSTS +REASONS$/)
  assert.match(row ?? '', /^kept\.test +2 +2 +\d+s ago +mx\.test \(2\) +certificate of no trusted authority \(2\)$/)
  const json = (await runHermetic(file, 'observe', 'summary', '--json')).out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    json.map(({ domain: name, deliveries, would_have_refused: refused, reasons, hosts }) => {
      return [name, deliveries, refused, reasons, hosts]
    }),
    [
      [
        ...['kept.test', 2, 2, { 'certificate-untrusted': 2 }],
        [{ mx_hostname: 'mx.test', deliveries: 2, would_have_refused: 2 }],
      ],
      [...['plain.test', 1, 0, {}], [{ mx_hostname: 'mx.test', deliveries: 1, would_have_refused: 0 }]],
    ],
  )
  assert.match(await world.metrics(), /^hermetic_would_have_refused_total\{reason="certificate-untrusted"\} 2$/m)
  assert.deepEqual(
    world.relay.eventsOf('policies-only-observed').map(({ everywhere }) => everywhere),
    [true],
  )
  const traced = await runHermetic(file, 'trace', 'a@kept.test')
  assert.match(traced.out, /observed +would have been refused: certificate-untrusted/)
  const usage = await runHermetic(file, 'observe', 'summary', '--since', 'yesterday')
  assert.equal(usage.code, 2)
})
