import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswersBed, plainHosts, signedHosts, tlsa } from './answers.fixture.ts'
import { ZONE_DEFAULTS } from './zone.ts'

test('an enforced policy becomes the names of the hosts, and Postfix is told to send SNI', async (t) => {
  const bed = await AnswersBed.start(t)
  bed.publish(plainHosts('example.test', 'mx1.example.test', 'mx2.example.test'))
  await bed.policy('example.test', 'enforce', '*.example.test')
  assert.equal(
    await bed.ask('policy example.test'),
    'OK secure match=mx1.example.test:mx2.example.test servername=hostname',
  )
  assert.match(await bed.ask('policy-tlsrpt example.test'), / policy_type=sts policy_domain=example\.test /)
})

test('TLSA of every host behind a secure MX: dane-only; of one: dane; behind an insecure MX: dane', async (t) => {
  const bed = await AnswersBed.start(t)
  bed.publish({
    ...signedHosts('all.test', 'mx1.all.test', 'mx2.all.test'),
    '_25._tcp.mx1.all.test': tlsa,
    '_25._tcp.mx2.all.test': tlsa,
    ...signedHosts('one.test', 'mx1.one.test', 'mx2.one.test'),
    '_25._tcp.mx1.one.test': tlsa,
    ...signedHosts('insecure.test', 'mx1.all.test'),
    'insecure.test': { MX: [[10, 'mx1.all.test']], secure: false },
  })
  assert.equal(await bed.ask('policy all.test'), 'OK dane-only')
  assert.equal(await bed.ask('policy one.test'), 'OK dane')
  assert.equal(await bed.ask('policy insecure.test'), 'OK dane')
})

test('a failed TLSA lookup waits, and is asked again the next time', async (t) => {
  const bed = await AnswersBed.start(t)
  bed.publish({ ...signedHosts('example.test', 'mx.example.test'), '_25._tcp.mx.example.test': tlsa })
  bed.sources.dns.fail('_25._tcp.mx.example.test', { kind: 'rcode', rcode: 'SERVFAIL' })
  assert.equal(await bed.ask('policy example.test'), 'TEMP tlsa-lookup-failed')
  bed.sources.dns.heal('_25._tcp.mx.example.test')
  assert.equal(await bed.ask('policy example.test'), 'OK dane-only')
})

test('a failed MX lookup waits; a failed lookup of the record goes without, or waits where the zone says so', async (t) => {
  const bed = await AnswersBed.start(t, { zones: [{ ...ZONE_DEFAULTS, name: 'careful', uncertain: 'defer' }] })
  bed.publish(plainHosts('example.test', 'mx.example.test'))
  bed.sources.dns.fail('_mta-sts.example.test', { kind: 'rcode', rcode: 'SERVFAIL' })
  assert.equal(await bed.ask('policy example.test'), 'NOTFOUND ')
  assert.equal(await bed.ask('careful example.test'), 'TEMP policy-uncertain')
  bed.sources.dns.fail('other.test', { kind: 'rcode', rcode: 'SERVFAIL' })
  assert.equal(await bed.ask('policy other.test'), 'TEMP mx-lookup-failed')
})

test('brackets: no MX is asked for, TLSA are those of the port, and the policy is that of the host', async (t) => {
  const bed = await AnswersBed.start(t)
  bed.publish({
    'relay.test': { A: ['127.0.0.1'], MX: [[10, 'mx.other.test']], secure: true },
    '_587._tcp.relay.test': tlsa,
  })
  assert.equal(await bed.ask('policy [relay.test]:587'), 'OK dane-only')
  assert.equal(await bed.ask('policy [relay.test]'), 'NOTFOUND ')
  assert.equal(bed.asked('MX', 'relay.test'), 0)
  await bed.policy('relay.test', 'enforce', 'relay.test')
  bed.sources.later()
  assert.equal(await bed.ask('policy [relay.test]'), 'OK secure match=relay.test servername=hostname')
})

test('parents, addresses and paths are answered without asking DNS', async (t) => {
  const bed = await AnswersBed.start(t)
  for (const key of ['.example.test', '[192.0.2.1]:25', '[2001:db8::1]', '/var/run/lmtp']) {
    assert.equal(await bed.ask(`policy ${key}`), 'NOTFOUND ', key)
  }
  assert.deepEqual(bed.sources.dns.queries, [])
})

test('what cannot be understood is PERM, so that the configuration of Postfix is looked at', async (t) => {
  const bed = await AnswersBed.start(t)
  assert.equal(await bed.ask('policy'), 'PERM malformed-request')
  assert.equal(await bed.ask('policy exa mple'), 'PERM malformed-next-hop')
  assert.equal(await bed.ask('postfix example.test'), 'PERM unknown-name')
})

test('a destination is looked up once for all that ask at the same time, under any name', async (t) => {
  const bed = await AnswersBed.start(t)
  bed.publish(plainHosts('example.test', 'mx.example.test'))
  await bed.policy('example.test', 'enforce', 'mx.example.test')
  const asked = Array.from({ length: 20 }, (_, index) =>
    bed.ask(`${index % 2 ? 'policy' : 'policy-tlsrpt'} example.test`),
  )
  assert.equal(new Set(await Promise.all(asked)).size, 2)
  assert.equal(bed.asked('MX', 'example.test'), 1)
})

test('a reply is remembered until its facts are over', async (t) => {
  const bed = await AnswersBed.start(t)
  bed.publish(plainHosts('example.test', 'mx.example.test'))
  assert.equal(await bed.ask('policy example.test'), 'NOTFOUND ')
  await bed.policy('example.test', 'enforce', 'mx.example.test')
  const asked = bed.sources.dns.queries.length
  assert.equal(await bed.ask('policy example.test'), 'NOTFOUND ')
  assert.equal(bed.sources.dns.queries.length, asked)
  bed.sources.later()
  assert.match(await bed.ask('policy example.test'), /^OK secure /)
})

test('who waits too long is told to come again', async (t) => {
  const bed = await AnswersBed.start(t, { answerMsMax: 20 })
  bed.publish(plainHosts('example.test', 'mx.example.test'))
  bed.sources.dns.fail('example.test', { kind: 'delay', ms: 100 })
  assert.equal(await bed.ask('policy example.test'), 'TEMP too-slow')
})

test('a defect of ours lets Postfix wait, and is told', async (t) => {
  const bed = await AnswersBed.start(t, {
    sts: {
      policyFor: () => {
        throw new Error('broken')
      },
    },
  })
  assert.equal(await bed.ask('policy example.test'), 'TEMP defect')
  assert.deepEqual(
    bed.events.map(({ event }) => event),
    ['socketmap-defect', 'socketmap-decided'],
  )
})

test('each decision is told with its reason', async (t) => {
  const bed = await AnswersBed.start(t)
  bed.publish({ ...signedHosts('example.test', 'mx.example.test'), '_25._tcp.mx.example.test': tlsa })
  await bed.ask('policy example.test')
  const [decided] = bed.events
  assert(decided?.event === 'socketmap-decided')
  const { zone, key, answer, because, reply } = decided
  assert.deepEqual(
    { zone, key, answer, because, reply },
    { zone: 'policy', key: 'example.test', answer: 'dane-only', because: 'tlsa-of-every-host', reply: 'OK dane-only' },
  )
  assert(decided.validForMs > 0 && decided.validForMs <= 300_000)
})
