/** RFC 8461 §5: candidates in their order, retries, new policies, and what comes before mail is given up. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { type PolicyOptions, StsWorld, type StsWorldOptions } from '../lab/sts-world.ts'

const MX = 'mx.example.test'
const MX2 = 'mx2.example.test'
const ENFORCE: PolicyOptions = { mode: 'enforce', mx: [MX, MX2] }
const TESTING: PolicyOptions = { ...ENFORCE, mode: 'testing' }
const ONE_BAD: StsWorldOptions = {
  hosts: { [MX]: { tls: 'self-signed' } },
  mx: { 'example.test': [[10, MX]] },
  policies: { 'example.test': ENFORCE },
}
const DAY = 86_400_000

test('STS-98: a host that fails is skipped, and the next one in preference gets the mail', async () => {
  covers('STS-98', { observe: 'smtp' })
  await using world = await StsWorld.start({
    hosts: { [MX]: { tls: 'self-signed' }, [MX2]: {} },
    mx: {
      'example.test': [
        [10, MX],
        [20, MX2],
      ],
    },
    policies: { 'example.test': ENFORCE },
  })
  await world.send('example.test')
  assert.deepEqual(world.relay.mx(MX).connection.commands.slice(-1), ['QUIT'])
  assert.equal(world.relay.mx(MX2).messages.length, 1)
})

test('STS-98: so is one that the policy does not name', async () => {
  covers('STS-98', { observe: 'smtp' })
  await using world = await StsWorld.start({
    hosts: { [MX]: {}, [MX2]: {} },
    mx: {
      'example.test': [
        [10, MX],
        [20, MX2],
      ],
    },
    policies: { 'example.test': { mode: 'enforce', mx: [MX2] } },
  })
  await world.send('example.test')
  assert.equal(world.relay.mx(MX).connections.length, 0)
  assert.equal(world.relay.mx(MX2).messages.length, 1)
})

test('STS-99: the list is cut at ourselves before the policy is looked at: a worse host is not used', async () => {
  covers('STS-99', { observe: 'smtp' })
  await using world = await StsWorld.start({
    hosts: { [MX]: {}, [MX2]: {} },
    mx: {
      'example.test': [
        [10, MX],
        [20, 'relay.lab.test'],
        [30, MX2],
      ],
    },
    policies: { 'example.test': { mode: 'enforce', mx: [MX2] } },
  })
  await world.send('example.test')
  assert.equal(world.relay.mx(MX).connections.length, 0)
  assert.equal(world.relay.mx(MX2).connections.length, 0)
  assert.equal(world.relay.eventsOf('message-settled')[0]?.summary.deferred, 1)
})

test('STS-100: a message that the policy forbids waits with 4.7.x, and nobody is told of a failure', async () => {
  covers('STS-100', { observe: 'store' })
  await using world = await StsWorld.start(ONE_BAD)
  const id = await world.send('example.test')
  const { lastOutcome } = await world.relay.recipient(id, 'bob@example.test')
  assert.ok(lastOutcome?.kind === 'deferred')
  assert.match(lastOutcome.problem.status, /^4\.7\./)
  assert.deepEqual(lastOutcome.problem.cause, {
    kind: 'tls-policy',
    reason: 'certificate-untrusted (UNABLE_TO_VERIFY_LEAF_SIGNATURE)',
    policyDomain: 'example.test',
    mechanism: 'mta-sts',
  })
  assert.equal(world.relay.eventsOf('dsn-queued').length, 0)
})

test('STS-101: before a message is given up because of a policy, DNS is asked for a new one', async () => {
  covers('STS-101', { observe: 'dns' })
  await using world = await StsWorld.start(ONE_BAD)
  const expiresAt = Date.now() + 800
  const id = await world.relay.submit({ to: ['bob@example.test'], from: '', expiresAt })
  await world.relay.settled(id)
  await world.fetched(2)
  const asked = world.recordQueries('example.test')
  let askedBeforeLast = 0
  world.relay.mx(MX).script = {
    CONNECT: () => {
      askedBeforeLast = world.recordQueries('example.test')
      return undefined
    },
  }
  await world.relay.until(() => Date.now() >= expiresAt)
  await world.again(id, 'example.test')
  assert.equal(world.relay.failure(id)?.cause.kind, 'expired')
  assert.equal(world.relay.failure(id)?.status, '4.7.5')
  assert.ok(askedBeforeLast > asked, 'although the last answer was still valid')
})

test('STS-102: a new policy found at the end of patience is followed: the message is delivered, not returned', async () => {
  covers('STS-102', { observe: 'smtp' })
  await using world = await StsWorld.start(ONE_BAD)
  await world.send('example.test')
  await world.fetched(2)
  const receivedAt = Date.now() - 6 * DAY
  world.publish('example.test', { ...TESTING, id: '2' })
  const late = await world.relay.submit({ to: ['late@example.test'], receivedAt, expiresAt: receivedAt + 5 * DAY })
  await world.again(late, 'example.test', 1)
  const arrived = world.relay.mx(MX).messages.flatMap(({ recipients }) => recipients.map(({ address }) => address))
  assert.ok(arrived.includes('late@example.test'))
  assert.equal(world.relay.failure(late), undefined)
  assert.equal(world.relay.eventsOf('dsn-queued').length, 0)
})

test('STS-103: testing lets a host pass that is not named and has no TLS, and reports it', async () => {
  covers('STS-103', { observe: 'smtp' })
  await using world = await StsWorld.start({
    hosts: { [MX]: { tls: 'none' } },
    mx: { 'example.test': [[10, MX]] },
    policies: { 'example.test': { mode: 'testing', mx: ['other.test'] } },
  })
  await world.send('example.test')
  assert.equal(world.relay.mx(MX).messages[0]?.inTls, false)
  assert.equal(world.results[0]?.policyType, 'sts')
  assert.equal(world.results[0]?.outcome.kind, 'failure')
})

test('STS-104: testing changes no order: the best host gets the mail although only the other one would pass', async () => {
  covers('STS-104', { observe: 'smtp' })
  await using world = await StsWorld.start({
    hosts: { [MX]: { tls: 'self-signed' }, [MX2]: {} },
    mx: {
      'example.test': [
        [10, MX],
        [20, MX2],
      ],
    },
    policies: { 'example.test': { mode: 'testing', mx: [MX2] } },
  })
  await world.send('example.test')
  assert.equal(world.relay.mx(MX).messages.length, 1)
  assert.equal(world.relay.mx(MX2).connections.length, 0)
})

test('STS-109: a policy that is weakened under a new id sets waiting mail free at the next attempt', async () => {
  covers('STS-109', { observe: 'smtp' })
  await using world = await StsWorld.start(ONE_BAD)
  const id = await world.send('example.test')
  await world.fetched(2)
  assert.equal(world.relay.mx(MX).messages.length, 0)
  world.publish('example.test', { ...TESTING, id: '2' })
  // The last answer of DNS is still valid: this attempt fails, and finds the new id.
  await world.again(id, 'example.test', 2)
  await world.fetched(3)
  await world.again(id, 'example.test', 3)
  assert.equal(world.relay.mx(MX).messages.length, 1)
})

test('decision 3: a policy that changed under its old id is fetched when delivery fails, and the next attempt knows it', async () => {
  await using world = await StsWorld.start({
    ...ONE_BAD,
    hosts: { [MX]: {} },
    policies: { 'example.test': { mode: 'enforce', mx: ['old.example.test'] } },
  })
  const host = world.policyHost('example.test')
  const text = host.answer
  host.answer = (request) => {
    host.answer = { body: 'version: STSv1\nmode: enforce\nmx: *.example.test\nmax_age: 86400\n' }
    return typeof text === 'function' ? text(request) : text
  }
  const id = await world.send('example.test')
  assert.equal(world.relay.mx(MX).connections.length, 0)
  await world.fetched(2)
  await world.again(id, 'example.test')
  assert.equal(world.relay.mx(MX).messages[0]?.inTls, true)
})

test('decision 3: a policy that stays as it is is fetched once, however often delivery fails', async () => {
  await using world = await StsWorld.start(ONE_BAD)
  const id = await world.send('example.test')
  for (const attempt of [2, 3, 4]) await world.again(id, 'example.test', attempt)
  await world.fetched(2)
  assert.equal(world.policyHost('example.test').requests.length, 2)
})

test('SMTP-62: a host that fails the policy of one domain takes the mail of another without delay', async () => {
  covers('SMTP-62', { observe: 'smtp' })
  await using world = await StsWorld.start({
    ...ONE_BAD,
    mx: { 'example.test': [[10, MX]], 'free.test': [[10, MX]] },
    permitsPerSite: 1,
  })
  await world.send('example.test')
  await world.send('free.test')
  assert.equal(world.relay.mx(MX).messages.length, 1)
  const [failed] = world.relay.eventsOf('next-hop-failed')
  assert.equal(failed?.lane, world.relay.lane('example.test'))
  assert.equal(world.relay.eventsOf('next-hop-failed').length, 1)
})

test('STS-79: the first message to a domain waits for its policy', async () => {
  covers('STS-79', { observe: 'smtp' })
  await using world = await StsWorld.start(ONE_BAD)
  await world.send('example.test')
  assert.equal(world.relay.mx(MX).messages.length, 0)
})

test('STS-21: DNS does not answer for the record, nothing is cached: the mail goes out, and the next attempt asks again', async () => {
  covers('STS-21', { observe: 'smtp' })
  await using world = await StsWorld.start(ONE_BAD)
  world.relay.dns.fail('_mta-sts.example.test', { kind: 'rcode', rcode: 'SERVFAIL' })
  await world.send('example.test')
  assert.equal(world.relay.mx(MX).messages.length, 1)
  assert.equal(world.results[0]?.policyType, 'no-policy-found')
  assert.deepEqual(world.relay.eventsOf('attempt-finished')[0]?.policy, {
    kind: 'none',
    because: 'record-lookup-failed',
  })
})

test('STS-54: a policy without an age counts for the attempt that fetched it, and for no other', async () => {
  covers('STS-54', { observe: 'smtp' })
  await using world = await StsWorld.start({
    ...ONE_BAD,
    records: { '_mta-sts.example.test': { TXT: ['v=STSv1; id=1'], ttl: 0 } },
    policies: { 'example.test': { mode: 'enforce', mx: ['other.test'], maxAge: 0 } },
  })
  const id = await world.send('example.test')
  assert.equal(world.relay.mx(MX).connections.length, 0)
  assert.equal(world.policyHost('example.test').requests.length, 1)
  world.serve({ '_mta-sts.example.test': {} })
  await world.again(id, 'example.test')
  assert.equal(world.relay.mx(MX).messages.length, 1)
})

test('STS-75: after a restart with record and policy host blocked, the cached policy still forbids', async () => {
  covers('STS-75', { observe: 'smtp' })
  const cacheDir = await mkdtemp(join(tmpdir(), 'sts-cache-'))
  try {
    {
      await using before = await StsWorld.start({ ...ONE_BAD, cacheDir })
      await before.send('example.test')
    }
    await using world = await StsWorld.start({ ...ONE_BAD, cacheDir, dnsTimeoutMs: 200 })
    world.relay.dns.fail('_mta-sts.example.test', { kind: 'drop' })
    world.policyHost('example.test').fault = 'close-at-accept'
    await world.send('example.test')
    assert.equal(world.relay.mx(MX).messages.length, 0)
    assert.equal(world.relay.eventsOf('session-failed')[0]?.problem.status, '4.7.5')
  } finally {
    await rm(cacheDir, { recursive: true, force: true })
  }
})

test('architecture, decision 2: a cache that cannot answer defers the mail; nothing is dialled', async () => {
  const unavailable = { record: undefined, uncounted: undefined, validUntil: 0, because: 'cache' } as const
  await using world = await StsWorld.start({
    ...ONE_BAD,
    delivery: {
      sts: {
        policyFor: async (policyDomain) => ({ kind: 'unavailable', policyDomain, ...unavailable }),
        refetch: async () => ({ kind: 'unavailable', because: 'cache' }),
      },
    },
  })
  const id = await world.send('example.test')
  assert.equal(world.relay.mx(MX).connections.length, 0)
  const { lastOutcome } = await world.relay.recipient(id, 'bob@example.test')
  assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.cause.kind, 'policy-unavailable')
})
