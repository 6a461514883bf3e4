/** A claim whose answer got lost with its connection: nobody has what it gave out, so it is free as soon as that is known. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimAll, lane } from '../../packages/mta/src/spool/spool.fixture.ts'
import type { Spool } from '../../packages/mta/src/spool/spool.ts'
import { messageNow, RedisSpoolLab, Wire } from './redis-spool-lab.ts'

/** Far longer than this test. */
const LEASE_MS = 60_000

test('what was claimed without an answer is free within seconds of the new connection, not when its lease ends', async (t) => {
  const lab = await RedisSpoolLab.start(t)
  const wire = await Wire.between(t, lab)
  const { spool } = await lab.open({ address: { url: wire.path } })
  const others = await lab.open()
  const sent = [messageNow(), messageNow()]
  for (const one of sent) await spool.accept(one)
  const [kept] = await others.spool.claim(lane(), { limit: 1, leaseMs: LEASE_MS })
  assert.ok(kept !== undefined)
  // The claim is the next thing that names its lane.
  wire.lose('answer', lane())
  assert.deepEqual(await spool.claim(lane(), { limit: 10, leaseMs: LEASE_MS }), [])
  const left = sent.map(({ id }) => id).filter((id) => id !== kept.id)
  assert.deepEqual(await idsWithin(10_000, others.spool), left, 'and what others hold stays theirs')
})

test('what could not be given back is given back as soon as there is a connection', async (t) => {
  const lab = await RedisSpoolLab.start(t)
  const wire = await Wire.between(t, lab)
  const { spool } = await lab.open({ address: { url: wire.path } })
  const others = await lab.open()
  const sent = messageNow()
  await spool.accept(sent)
  const [claim] = await spool.claim(lane(), { limit: 1, leaseMs: LEASE_MS })
  assert.ok(claim !== undefined)
  wire.lose('question', sent.id)
  await assert.rejects(spool.release([claim.token]))
  assert.deepEqual(await idsWithin(10_000, others.spool), [sent.id])
})

async function idsWithin(ms: number, spool: Spool): Promise<readonly string[]> {
  const giveUpAt = Date.now() + ms
  for (;;) {
    const found = (await claimAll(spool).catch(() => [])).map(({ id }) => id)
    if (found.length > 0 || Date.now() > giveUpAt) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
