import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeadHosts, isDeath, placeOf } from './dead-hosts.ts'
import type { DeliveryCause } from './outcome.ts'

const SILENT: DeliveryCause = { kind: 'timeout', phase: 'connect' }
const HOST = placeOf({ address: '192.0.2.1', port: 25 })

function memory(settings: { readonly forMs?: number; readonly longestMs?: number } = {}) {
  const clock = { now: 0 }
  const dead = new DeadHosts({ monotonic: () => clock.now, forMs: 60, longestMs: 200, probeMs: 10, ...settings })
  return { dead, clock, die: () => dead.died(HOST, { cause: SILENT, at: clock.now }) }
}

test('a host that is silent is passed by for a while, with what was seen of it', () => {
  const { dead, clock, die } = memory()
  assert.equal(dead.passBy(HOST), undefined)
  clock.now = 5
  die()
  clock.now = 64
  assert.deepEqual(dead.passBy(HOST), { cause: SILENT, at: 5 })
  clock.now = 65
  assert.equal(dead.passBy(HOST), undefined)
})

test('when the time is over one caller dials, and the others pass by as long as that may take', () => {
  const { dead, clock, die } = memory()
  die()
  clock.now = 60
  assert.equal(dead.passBy(HOST), undefined)
  assert.notEqual(dead.passBy(HOST), undefined)
  clock.now = 70
  assert.equal(dead.passBy(HOST), undefined, 'who dialled has not come back: the next one may')
})

test('further silences count double, up to a bound', () => {
  const { dead, clock, die } = memory()
  const waits = Array.from({ length: 4 }, () => {
    die()
    const from = clock.now
    while (dead.seen(HOST) !== undefined) clock.now += 1
    return clock.now - from
  })
  assert.deepEqual(waits, [60, 120, 200, 200])
})

test('a host that answers is forgotten, with its silences', () => {
  const { dead, clock, die } = memory()
  die()
  die()
  dead.answered(HOST)
  assert.equal(dead.passBy(HOST), undefined)
  die()
  clock.now += 60
  assert.equal(dead.passBy(HOST), undefined)
})

test('another port or another source pool is another place', () => {
  const { dead, die } = memory()
  die()
  assert.equal(dead.passBy(placeOf({ address: '192.0.2.1', port: 2525 })), undefined)
  assert.equal(dead.passBy(placeOf({ address: '192.0.2.1', port: 25, pool: 'bulk' })), undefined)
})

test('only so many are remembered, the latest', () => {
  const { dead } = memory()
  for (let index = 0; index <= 10_000; index += 1) dead.died(`host ${index}`, { cause: SILENT, at: 0 })
  assert.equal(dead.size, 10_000)
  assert.equal(dead.passBy('host 0'), undefined)
  assert.notEqual(dead.passBy('host 10000'), undefined)
})

test('nothing is remembered for no time', () => {
  const { dead, die } = memory({ forMs: 0 })
  die()
  assert.equal(dead.passBy(HOST), undefined)
})

for (const [cause, dead] of [
  [{ kind: 'connect-failed', code: 'ECONNREFUSED' }, true],
  [{ kind: 'connect-failed', code: 'EHOSTUNREACH' }, true],
  [{ kind: 'timeout', phase: 'greeting' }, true],
  [{ kind: 'connect-failed', code: 'EADDRNOTAVAIL' }, false],
  [{ kind: 'connect-failed', code: 'ENETUNREACH' }, false],
  [{ kind: 'connect-failed', code: 'EMFILE' }, false],
  [{ kind: 'timeout', phase: 'rcpt' }, false],
  [{ kind: 'connection-lost', phase: 'greeting', code: 'ECONNRESET' }, false],
  [{ kind: 'reply', phase: 'greeting', reply: { code: 554, lines: ['no'] } }, false],
] as const) {
  test(`${JSON.stringify(cause)} is ${dead ? 'a silence' : 'no silence'} of the host`, () => {
    assert.equal(isDeath(cause), dead)
  })
}
