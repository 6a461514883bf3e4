/** RFC 8461 §3.3, §10.2: curiosity does not turn into load on policy hosts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { err, ok } from '../result.ts'
import { DOMAIN, NOW, name, peer, policy } from './explain.fixture.ts'
import { PolicyExaminer, type PolicyExaminerOptions } from './policy-examiner.ts'

const document = { body: new Uint8Array(), address: '192.0.2.7', peer: peer(), passedOver: [] }
const good = ok({ policy: policy(), policyHost: name(`mta-sts.${DOMAIN}`), document })

function examiner(answer: () => Awaited<ReturnType<PolicyExaminerOptions['fetch']>> = () => good) {
  const bed = { now: NOW, fetches: 0 }
  const one = new PolicyExaminer({
    now: () => bed.now,
    fetch: async () => {
      bed.fetches += 1
      return answer()
    },
  })
  return { bed, one }
}

test('what was served is believed for a minute', async () => {
  const { bed, one } = examiner()
  assert.equal((await one.examine(DOMAIN)).kind, 'served')
  bed.now += 59_999
  await one.examine(DOMAIN)
  assert.equal(bed.fetches, 1)
  bed.now += 1
  await one.examine(DOMAIN)
  assert.equal(bed.fetches, 2)
})

test('after a failure nobody asks again for five minutes', async () => {
  const { bed, one } = examiner(() => err({ kind: 'no-address', reason: 'nodata' }))
  const examined = await one.examine(DOMAIN)
  assert.deepEqual(examined, { kind: 'failed', at: NOW, error: { kind: 'no-address', reason: 'nodata' } })
  bed.now += 299_999
  assert.deepEqual(await one.examine(DOMAIN), examined)
  assert.equal(bed.fetches, 1)
  bed.now += 1
  await one.examine(DOMAIN)
  assert.equal(bed.fetches, 2)
})

test('what our own limits prevented is not remembered as a failure of the host', async () => {
  const { bed, one } = examiner(() => err({ kind: 'own-limit' }))
  await one.examine(DOMAIN)
  await one.examine(DOMAIN)
  assert.equal(bed.fetches, 2)
})

test('those who ask at the same time share one fetch', async () => {
  const { bed, one } = examiner()
  await Promise.all([one.examine(DOMAIN), one.examine(DOMAIN), one.examine(DOMAIN)])
  assert.equal(bed.fetches, 1)
})

test('what was fetched for mail is not fetched again to be shown, and mail is never answered from here', async () => {
  const { bed, one } = examiner()
  await one.fetch(DOMAIN)
  await one.examine(DOMAIN)
  assert.equal(bed.fetches, 1)
  await one.fetch(DOMAIN)
  assert.equal(bed.fetches, 2)
})
