/** RFC 8689 §4.2.1 on the wire, item by item: which host a REQUIRETLS message may be offered to, and how. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QueueId } from '../../packages/mta/src/spool/queue-id.ts'
import { covers } from '../conformance/covers.ts'
import { clientHelloAt, FORWARD_SECRET } from '../lab/client-hello.ts'
import { type DaneWorldOptions, DOMAIN, MX } from '../lab/dane-world.ts'
import { LISTED, MX20, mailsAt, SENDER_MX, startTaggedWorld, submitTagged } from '../lab/requiretls-world.ts'
import { DEFAULT_CAPABILITIES } from '../lab/scripted-mx.ts'
import type { StsWorld } from '../lab/sts-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

const LISTING: HostOptions = { capabilitiesInTls: LISTED }
const BOTH = [
  [10, MX],
  [20, MX20],
] as const
const second = (host: HostOptions) => ({ hosts: { [MX20]: host }, mx: { [DOMAIN]: BOTH } })

/** The MAIL commands that the host saw of one REQUIRETLS message. */
async function mailsOf(options: DaneWorldOptions): Promise<readonly string[]> {
  await using world = await startTaggedWorld(options)
  await submitTagged(world, 'requiretls')
  return mailsAt(world, MX)
}

async function isSent(options: DaneWorldOptions): Promise<void> {
  assert.deepEqual((await mailsOf(options)).map(hasParameter), [true])
}

async function isNotSent(options: DaneWorldOptions): Promise<void> {
  assert.deepEqual(await mailsOf(options), [])
}

const hasParameter = (mail: string): boolean => / REQUIRETLS(?: |$)/.test(mail)

test('RTLS-15: the hosts are those of any other message, in the same order', async () => {
  covers('RTLS-15', { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: LISTING, others: second(LISTING) })
  for (const tls of ['requiretls', 'default'] as const) await submitTagged(world, tls)
  assert.deepEqual([world.relay.mx(MX).messages.length, world.relay.mx(MX20).connections.length], [2, 0])
})

test('RTLS-16: a host that unsigned MX records name, and no policy, is not even contacted', async () => {
  covers('RTLS-16', { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: LISTING, insecureMx: true, others: second(LISTING) })
  await submitTagged(world, 'requiretls')
  for (const host of [MX, MX20]) assert.equal(world.relay.mx(host).connections.length, 0)
})

test('RTLS-17: a policy in mode testing proves the name of a host; mode none does not, nor one for other hosts', async () => {
  covers('RTLS-17', { observe: 'smtp' })
  const unsigned = { host: LISTING, insecureMx: true }
  await isSent({ ...unsigned, policy: { mode: 'testing', mx: [MX] } })
  await isNotSent({ ...unsigned, policy: { mode: 'testing', mx: ['other.test'] } })
  await isNotSent({ ...unsigned, policy: { mode: 'none', mx: [MX] } })
})

test('RTLS-18: without MX records an unsigned name needs no proof but the certificate, for that very name', async () => {
  covers('RTLS-18', { observe: 'smtp' })
  for (const [tls, sent] of [
    ['trusted', 1],
    ['wrong-name', 0],
  ] as const) {
    const others = { hosts: { [DOMAIN]: { ...LISTING, tls } }, mx: { [DOMAIN]: [] } }
    await using world = await startTaggedWorld({ insecureMx: true, others })
    await submitTagged(world, 'requiretls')
    assert.equal(world.relay.mx(DOMAIN).messages.length, sent, tls)
  }
})

test('RTLS-19: a certificate that neither PKIX nor DANE proves gets nothing', async () => {
  covers('RTLS-19', { observe: 'smtp' })
  await isNotSent({ host: LISTING, certificate: 'self-signed' })
  await isSent({ host: LISTING, certificate: 'self-signed', tlsa: 'match' })
  await isSent({ host: LISTING, certificate: 'trusted' })
})

test('RTLS-20: nor does one for another name', async () => {
  covers('RTLS-20', { observe: 'smtp' })
  await isNotSent({ host: { ...LISTING, tls: 'wrong-name' } })
})

test('RTLS-21: DANE-EE needs no name, DANE-TA one of the reference identifiers', async () => {
  covers('RTLS-21', { observe: 'smtp' })
  await isSent({ host: LISTING, certificate: 'self-signed-other-name', tlsa: 'match' })
  await isSent({ host: LISTING, certificate: 'ta-good', tlsa: 'match' })
  await isNotSent({ host: LISTING, certificate: 'ta-other-name', tlsa: 'match' })
})

test('RTLS-22: a DANE failure skips the host although PKIX passes', async () => {
  covers('RTLS-22', { observe: 'smtp' })
  await isNotSent({ host: LISTING, tlsa: 'other' })
})

test('RTLS-23: where no TLSA record can be used PKIX has to do', async () => {
  covers('RTLS-23', { observe: 'smtp' })
  await isSent({ host: LISTING, tlsa: 'unusable' })
  await isNotSent({ host: LISTING, tlsa: 'unusable', certificate: 'self-signed' })
})

test('RTLS-24: what is listed before TLS does not count', async () => {
  covers('RTLS-24', { observe: 'smtp' })
  await isNotSent({ host: { capabilities: LISTED, capabilitiesInTls: DEFAULT_CAPABILITIES } })
  await isSent({ host: { capabilities: DEFAULT_CAPABILITIES, capabilitiesInTls: LISTED } })
})

test('RTLS-25: the parameter is never said in clear or to a peer that is not proven', async () => {
  covers('RTLS-25', { observe: 'smtp' })
  const everywhere: HostOptions = { capabilities: LISTED, capabilitiesInTls: LISTED }
  await isNotSent({ host: { ...everywhere, tls: 'none' } })
  await isNotSent({ host: { ...everywhere, script: { STARTTLS: '454 4.7.0 no' } } })
  await isNotSent({ host: { ...everywhere, script: { STARTTLS: { reply: '220 go', handshake: 'reset' } } } })
  await isNotSent({ host: { ...everywhere, tls: 'expired' } })
  // An untagged message crosses there: not by a shared connection either.
  await using world = await startTaggedWorld({ host: everywhere, certificate: 'self-signed' })
  const plain = await world.relay.submit({ to: [`bob@${DOMAIN}`], quiet: true })
  const tagged = await submitTagged(world, 'requiretls')
  await world.relay.settled(plain)
  assert.deepEqual(mailsAt(world, MX).map(hasParameter), [false])
  assert.equal(world.relay.failure(tagged)?.status, '5.7.10')
})

test('RTLS-26: a host that does not list it gets QUIT, and the next one the message', async () => {
  covers('RTLS-26', { observe: 'smtp' })
  await using world = await startTaggedWorld({ others: second(LISTING) })
  await submitTagged(world, 'requiretls')
  assert.deepEqual(mailsAt(world, MX), [])
  assert.deepEqual(mailsAt(world, MX20).map(hasParameter), [true])
  await world.relay.stop()
  await world.relay.mx(MX).connection.ended
  assert.equal(world.relay.mx(MX).connection.commands.at(-1), 'QUIT')
})

test('RTLS-26: so does one whose certificate fails, before anything else is said', async () => {
  covers('RTLS-26', { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: { ...LISTING, tls: 'expired' }, others: second(LISTING) })
  await submitTagged(world, 'requiretls')
  assert.deepEqual(world.relay.mx(MX).connection.commands.slice(-2), ['STARTTLS', 'QUIT'])
  assert.equal(world.relay.mx(MX20).messages.length, 1)
})

test('RTLS-27: an untagged message goes over the very session that was not good enough for a tagged one', async () => {
  covers('RTLS-27', { observe: 'smtp' })
  await using world = await startTaggedWorld({})
  const tagged = await world.relay.submit({ to: [`bob@${DOMAIN}`], envelope: { tls: 'requiretls' }, quiet: true })
  const plain = await submitTagged(world, 'default')
  await world.relay.settled(tagged)
  await world.relay.stop()
  const { commands } = world.relay.mx(MX).connection
  assert.deepEqual(mailsAt(world, MX).map(hasParameter), [false])
  assert.equal(commands.at(-1), 'QUIT')
  assert.equal(world.relay.failure(tagged)?.status, '5.7.30')
  assert.equal(world.relay.failure(plain), undefined)
})

test('a proven session that lists REQUIRETLS carries tagged and untagged messages, each by its own demand', async () => {
  await using world = await startTaggedWorld({ host: LISTING })
  const submission = { to: [`bob@${DOMAIN}`], quiet: true }
  for (let n = 0; n < 4; n += 1) {
    await world.relay.submit({ ...submission, envelope: { tls: n % 2 === 0 ? 'requiretls' : 'default' } })
  }
  await submitTagged(world, 'requiretls')
  await world.relay.until(() => world.relay.eventsOf('attempt-finished').length >= 5)
  assert.equal(world.relay.mx(MX).connections.length, 1)
  assert.deepEqual(mailsAt(world, MX).map(hasParameter).sort(), [false, false, true, true, true])
  const records = world.relay.eventsOf('attempt-finished').map(({ requirement: { message, pkix } }) => [message, pkix])
  assert.deepEqual(new Set(records.map(String)), new Set(['requiretls,true', ',false']))
})

test('RTLS-30: with one host that might do later the message waits; when all will never do it comes back', async () => {
  covers('RTLS-30', { observe: 'store' })
  const others = { deadHosts: [MX20], mx: { [DOMAIN]: BOTH } }
  for (const first of [{}, { ...LISTING, tls: 'expired' } as const]) {
    await using world = await startTaggedWorld({ host: first, others })
    const id = await submitTagged(world, 'requiretls')
    const { state, lastOutcome } = await world.relay.recipient(id, `bob@${DOMAIN}`)
    assert.deepEqual([state, lastOutcome?.kind], ['open', 'deferred'])
    assert.equal(world.relay.eventsOf('dsn-queued').length, 0)
  }
})

test('RTLS-30: what waited too long comes back with what was last in its way', async () => {
  covers('RTLS-30', { observe: 'store' })
  await using world = await startTaggedWorld({ host: LISTING, tlsa: 'other' })
  const id = await submitTagged(world, 'requiretls', { receivedAt: Date.now() - 1000, expiresAt: Date.now() - 1 })
  assert.equal(world.relay.failure(id)?.cause.kind, 'expired')
  assert.deepEqual(mailsAt(world, MX), [])
})

const NOT_NAMED = { mode: 'enforce', mx: ['other.test'] } as const

test('RTLS-31: where an enforced policy is the cause DNS is asked for another one before the message comes back', async () => {
  covers('RTLS-31', { observe: 'dns' })
  await using world = await startTaggedWorld({ host: LISTING, policy: NOT_NAMED })
  await warmUp(world)
  const before = world.recordQueries(DOMAIN)
  const id = await tagged(world)
  assert.ok(world.recordQueries(DOMAIN) > before)
  assert.equal(world.relay.failure(id)?.status, '5.7.10')
  assert.equal(world.relay.eventsOf('candidate-skipped').length, 3, 'the hosts were looked at once more')
})

test('RTLS-31: and a better one is believed at once', async () => {
  covers('RTLS-31', { observe: 'dns' })
  await using world = await startTaggedWorld({ host: LISTING, policy: NOT_NAMED })
  await warmUp(world)
  const before = world.recordQueries(DOMAIN)
  world.publish(DOMAIN, { mode: 'enforce', mx: [MX], id: '2' })
  await tagged(world)
  assert.ok(world.recordQueries(DOMAIN) > before)
  assert.deepEqual(mailsAt(world, MX).map(hasParameter), [true])
  assert.equal(world.relay.mx(SENDER_MX).messages.length, 0)
})

/** The policy is fetched and remembered, with a message that nobody has to take; then the lane rests. */
async function warmUp(world: StsWorld): Promise<void> {
  const id = await world.send(DOMAIN)
  await world.relay.spool.admin.change([id], { kind: 'cancel' })
  await world.fetched(2)
}

/** One message, although the lane rests. */
async function tagged(world: StsWorld): Promise<QueueId> {
  const id = await world.relay.submit({ to: [`bob@${DOMAIN}`], envelope: { tls: 'requiretls' }, quiet: true })
  await world.again(id, DOMAIN, 1)
  return id
}

test('RTLS-32: the ClientHello offers TLS 1.2 and 1.3, forward secrecy first', async () => {
  covers('RTLS-32', { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: LISTING })
  await submitTagged(world, 'requiretls')
  const hello = clientHelloAt(world.relay.mx(MX).connection)
  assert.deepEqual([...hello.supportedVersions].sort(), [0x0303, 0x0304])
  assert.ok(hello.cipherSuites.slice(0, 3).every((suite) => FORWARD_SECRET.has(suite)))
})

test('RTLS-33: the next hop is bound too: MAIL carries REQUIRETLS, also for each of several recipients and hosts', async () => {
  covers('RTLS-33', { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: LISTING })
  const id = await submitTagged(world, 'requiretls', { to: [`a@${DOMAIN}`, `b@${DOMAIN}`, 'c@sender.test'] })
  await world.relay.settled(id, 2)
  for (const host of [MX, SENDER_MX]) assert.deepEqual(mailsAt(world, host).map(hasParameter), [true])
  assert.equal(world.relay.mx(MX).messages[0]?.recipients.length, 2)
})
