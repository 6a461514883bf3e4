/** The preload list through the running delivery: it protects the first contact, and yields to the domain's own word. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PreloadList, parsePreloadList } from '@hermetic/policy'
import { deliveryRecord } from '../../packages/mta/src/observability/delivery-record.ts'
import { domain } from '../lab/override-lab.ts'
import { StsWorld, type StsWorldOptions } from '../lab/sts-world.ts'

const DOMAIN = 'example.test'
const MX = 'mx.example.test'
const ROGUE = 'rogue.test'

function listed(text: string, expiresAt?: number): () => PreloadList {
  const list = parsePreloadList(text)
  assert.ok(list.ok)
  return () => ({ ...list.value, expiresAt })
}

const LIST = listed(`${DOMAIN} ${MX}\n`)

async function start(options: StsWorldOptions & { readonly preload?: () => PreloadList }): Promise<StsWorld> {
  const { preload = LIST, delivery = {}, ...rest } = options
  return StsWorld.start({
    hosts: { [MX]: {}, [ROGUE]: {} },
    mx: { [DOMAIN]: [[10, MX]] },
    ...rest,
    delivery: { preload, ...delivery },
  })
}

const taken = ({ relay }: StsWorld, host = MX): number => relay.mx(host).messages.length

test('mail goes to the host of the list, and the record says by whose word', async () => {
  await using world = await start({})
  await world.send(DOMAIN)
  assert.equal(taken(world), 1)
  const [record] = world.relay.eventsOf('attempt-finished').map(deliveryRecord)
  const { stsPolicy, stsFrom, stsId, stsMatched, tlsRequirement } = record ?? {}
  assert.deepEqual(
    { stsPolicy, stsFrom, stsId, stsMatched, tlsRequirement },
    { stsPolicy: 'enforce', stsFrom: 'preload', stsId: undefined, stsMatched: MX, tlsRequirement: 'pkix' },
  )
})

test('whoever forges the MX record and hides the policy gets nothing at the first contact', async () => {
  await using world = await start({ mx: { [DOMAIN]: [[10, ROGUE]] } })
  const id = await world.send(DOMAIN)
  assert.equal(world.relay.mx(ROGUE).connections.length, 0)
  const [skipped] = world.relay.eventsOf('candidate-skipped')
  assert.deepEqual(skipped?.policy, { kind: 'preload', mode: 'enforce' })
  assert.deepEqual(skipped?.results, [], 'a list of ours is no policy of theirs: nothing is reported')
  const { lastOutcome } = await world.relay.recipient(id, `bob@${DOMAIN}`)
  assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.status, '4.7.5')
})

test('nor does a host with the right name and a certificate that nobody vouches for', async () => {
  await using world = await start({ hosts: { [MX]: { tls: 'self-signed' } } })
  await world.send(DOMAIN)
  assert.equal(taken(world), 0)
})

test('a policy that was fetched goes before the list: what the domain says now counts', async () => {
  await using world = await start({
    mx: { [DOMAIN]: [[10, ROGUE]] },
    policies: { [DOMAIN]: { mode: 'enforce', mx: [ROGUE] } },
  })
  await world.send(DOMAIN)
  assert.equal(taken(world, ROGUE), 1)
  assert.equal(world.relay.eventsOf('attempt-finished').map(deliveryRecord)[0]?.stsFrom, 'fresh')
})

test('so does the word of the domain that it has no policy', async () => {
  await using world = await start({
    hosts: { [MX]: { tls: 'self-signed' } },
    policies: { [DOMAIN]: { mode: 'none' } },
  })
  await world.send(DOMAIN)
  assert.equal(taken(world), 1)
})

test('a list that is over is not believed, from its very end on', async () => {
  let now = Date.now()
  const ends = now + 3_600_000
  await using world = await start({
    hosts: { [MX]: { tls: 'self-signed' } },
    ...{ preload: listed(`${DOMAIN} ${MX}\n`, ends), delivery: { now: () => now } },
  })
  const kept = await world.send(DOMAIN)
  assert.equal(taken(world), 0)
  now = ends
  await world.again(kept, DOMAIN)
  assert.equal(taken(world), 1)
})

test('a waiver of MTA-STS takes the list out of force as well', async () => {
  await using world = await start({
    mx: { [DOMAIN]: [[10, ROGUE]] },
    delivery: {
      overrides: [
        {
          ...{ kind: 'waive', domain: domain(DOMAIN), mechanisms: ['mta-sts'], until: Date.now() + 3_600_000 },
          ...{ reason: 'they moved', author: 'the lab' },
        },
      ],
    },
  })
  await world.send(DOMAIN)
  assert.equal(taken(world, ROGUE), 1)
})

test('an observed list refuses nothing, and what it would have refused is told', async () => {
  await using world = await start({ mx: { [DOMAIN]: [[10, ROGUE]] }, delivery: { enforcement: 'observe' } })
  await world.send(DOMAIN)
  assert.equal(taken(world, ROGUE), 1)
  assert.deepEqual(
    world.relay.eventsOf('would-have-refused').map(({ reasons }) => reasons),
    ['sts-mx-mismatch'],
  )
})
