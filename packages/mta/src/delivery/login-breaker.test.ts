import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TurnEnd } from '../schedule/lane-scheduler.ts'
import type { DeliveryEvent } from './events.ts'
import type { LaneId } from './lane.ts'
import { LoginBreaker, suspensionOf } from './login-breaker.ts'

const SHOP = 'route:shop@smart.test:587' as LaneId
const SHOP_BULK = 'route:shop@smart.test:587/bulk' as LaneId
const OTHER = 'route:other@smart.test:587' as LaneId
const SAID = '535 5.7.8 no'
const MINUTE = 60_000
const RAN: TurnEnd = { kind: 'idle' }

function breaker() {
  const clock = { now: 0 }
  const events: DeliveryEvent[] = []
  const woken: LaneId[] = []
  const logins = new LoginBreaker({
    now: () => clock.now,
    random: () => 0,
    wake: (lane) => woken.push(lane),
    emit: (event) => events.push(event),
  })
  const guard = (lane: LaneId) => logins.guard(lane, async () => RAN)
  return { clock, events, woken, logins, guard }
}

test('every lane of a refused login waits, whatever its source pool; another login at the host does not', async () => {
  const { logins, guard } = breaker()
  assert.equal(logins.refused(SHOP, SAID), MINUTE)
  for (const lane of [SHOP, SHOP_BULK]) assert.deepEqual(await guard(lane), { kind: 'backoff', until: MINUTE })
  assert.deepEqual(await guard(OTHER), RAN)
  assert.deepEqual(logins.suspended(), [{ route: SHOP, since: 0, until: MINUTE, refusals: 1, said: SAID }])
})

test('sessions that are refused at the same moment are one refusal', () => {
  const { logins, events } = breaker()
  for (const lane of [SHOP, SHOP_BULK, SHOP]) assert.equal(logins.refused(lane, SAID), MINUTE)
  assert.equal(events.length, 1)
})

test('when the time is over one turn tries, and the others wait for it', async () => {
  const { logins, clock, guard, woken, events } = breaker()
  logins.refused(SHOP, SAID)
  await guard(SHOP_BULK)
  clock.now = MINUTE
  const end = await logins.guard(SHOP, async () => {
    assert.deepEqual(await guard(SHOP_BULK), { kind: 'backoff', until: MINUTE + 5_000 })
    logins.accepted(SHOP)
    assert.deepEqual(await guard(SHOP_BULK), RAN)
    return RAN
  })
  assert.deepEqual([end, woken, logins.suspended()], [RAN, [SHOP, SHOP_BULK], []])
  assert.deepEqual(events.at(-1), {
    ...{ event: 'route-reopened', route: SHOP, by: 'login' },
    ...{ afterMs: MINUTE, suspended: 0 },
  })
})

test('refused again, it waits longer: up to a quarter of an hour', async () => {
  const { logins, clock, guard } = breaker()
  let until = logins.refused(SHOP, SAID)
  const waits: number[] = []
  for (let round = 0; round < 5; round += 1) {
    clock.now = until
    await logins.guard(SHOP, async () => {
      until = logins.refused(SHOP, SAID)
      return RAN
    })
    waits.push((until - clock.now) / MINUTE)
    assert.deepEqual(await guard(SHOP), { kind: 'backoff', until })
  }
  assert.deepEqual(waits, [2, 4, 8, 15, 15])
  assert.deepEqual(
    logins.suspended().map(({ since, refusals }) => [since, refusals]),
    [[0, 6]],
  )
})

test('a turn that tried nothing leaves the try to the next one', async () => {
  const { logins, clock, guard } = breaker()
  logins.refused(SHOP, SAID)
  clock.now = MINUTE
  assert.deepEqual(await guard(SHOP), RAN)
  await assert.rejects(logins.guard(SHOP, async () => Promise.reject(new Error('no store'))))
  assert.deepEqual(await guard(SHOP_BULK), RAN)
  assert.equal(logins.suspended().length, 1)
})

test('an order opens all of them, and wakes what waits', async () => {
  const { logins, guard, woken, events } = breaker()
  for (const lane of [SHOP, OTHER]) logins.refused(lane, SAID)
  logins.reopenAll()
  assert.deepEqual(woken, [SHOP, OTHER])
  assert.deepEqual(await guard(SHOP), RAN)
  const told = events.flatMap((event) => (event.event === 'route-reopened' ? [[event.by, event.suspended]] : []))
  assert.deepEqual(told, [
    ['order', 1],
    ['order', 0],
  ])
  assert.equal(logins.refused(SHOP, SAID), MINUTE, 'it begins anew')
})

test('the mail of every lane of a suspended login waits for it, and no other mail', () => {
  const suspended = [{ route: SHOP, since: 1, until: 2, refusals: 1, said: SAID }]
  assert.equal(suspensionOf(SHOP_BULK, suspended)?.route, SHOP)
  assert.equal(suspensionOf(OTHER, suspended), undefined)
  assert.equal(suspensionOf('mx:smart.test:587' as LaneId, suspended), undefined)
})
