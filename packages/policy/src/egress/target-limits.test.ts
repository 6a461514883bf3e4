/** Who gets a turn when, by a clock that the test moves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type TargetClock, type TargetLimitSizes, TargetLimits } from './target-limits.ts'

const never = new AbortController().signal

test('one at a time for one address, however it is written', async () => {
  const { granted, ask } = scene()
  const [first] = [ask('192.0.2.1'), ask('::ffff:192.0.2.1'), ask('192.0.2.1'), ask('192.0.2.2')]
  await settled()
  assert.deepEqual(granted, ['192.0.2.1', '192.0.2.2'])
  first()
  await settled()
  assert.deepEqual(granted, ['192.0.2.1', '192.0.2.2', '::ffff:192.0.2.1'])
})

test('a turn that is ended twice frees one place', async () => {
  const { granted, ask } = scene()
  const first = ask('192.0.2.1')
  ask('192.0.2.1')
  ask('192.0.2.1')
  await settled()
  first()
  first()
  await settled()
  assert.equal(granted.length, 2)
})

test('32 at once in all; who waits for a busy address does not hold up the others', async () => {
  const { granted, ask } = scene()
  const ends = Array.from({ length: 33 }, (_, at) => ask(`192.0.2.${at}`))
  await settled()
  assert.equal(granted.length, 32)
  ask('192.0.2.1')
  ask('192.0.2.40')
  ends[5]?.()
  ends[6]?.()
  await settled()
  assert.deepEqual(granted.slice(32), ['192.0.2.32', '192.0.2.40'])
})

test('30 a minute for one address; the 31st comes when the first is a minute old', async () => {
  const { granted, ask, clock } = scene()
  for (let at = 0; at < 31; at++) {
    const end = ask('192.0.2.1')
    await settled()
    end()
    clock.advance(10)
  }
  await settled()
  assert.equal(granted.length, 30)
  clock.advance(60_000 - 31 * 10 - 1)
  await settled()
  assert.equal(granted.length, 30)
  clock.advance(1)
  await settled()
  assert.equal(granted.length, 31)
})

test('a signal ends the wait, before and during it', async () => {
  const limits = new TargetLimits()
  assert.equal(await limits.turn('192.0.2.1', AbortSignal.abort()), undefined)
  const end = await limits.turn('192.0.2.1', never)
  const controller = new AbortController()
  const waiting = limits.turn('192.0.2.1', controller.signal)
  controller.abort()
  assert.equal(await waiting, undefined)
  end?.()
  assert.notEqual(await limits.turn('192.0.2.1', never), undefined)
})

test('nobody joins a queue that is full', async () => {
  const { granted, ask } = scene({ waitingMax: 1 })
  ask('192.0.2.1')
  ask('192.0.2.1')
  ask('192.0.2.1')
  await settled()
  assert.deepEqual(granted, ['192.0.2.1', 'refused'])
})

test('whatever the order of asking and ending, no limit is passed and nobody is forgotten', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 4 }), { maxLength: 60 }), fc.nat({ max: 3 }), async (targets, most) => {
      const clock = manualClock()
      const limits = new TargetLimits({ atOnceMax: most + 1, perAddressAndMinuteMax: 3 }, clock)
      const running: { readonly target: number; readonly end: () => void }[] = []
      const starts = new Map<number, number[]>()
      for (const target of targets) {
        void limits.turn(`192.0.2.${target}`, never).then((end) => {
          starts.set(target, [...(starts.get(target) ?? []), clock.now()])
          running.push({ target, end: () => end?.() })
        })
      }
      for (let given = 0; given < targets.length; ) {
        await settled()
        assert(running.length <= most + 1)
        assert.equal(new Set(running.map(({ target }) => target)).size, running.length)
        given += running.length
        for (const { end } of running.splice(0)) end()
        // Turns that this has given are noted before the clock moves.
        await settled()
        clock.advance(1000)
      }
      for (const times of starts.values()) {
        for (const [at, start] of times.entries()) assert(start - (times[at - 3] ?? -60_000) >= 60_000)
      }
    }),
    { numRuns: 50 },
  )
})

interface ManualClock extends TargetClock {
  advance(ms: number): void
}

function manualClock(): ManualClock {
  let time = 0
  const timers = new Set<{ readonly at: number; readonly run: () => void }>()
  return {
    now: () => time,
    after: (ms, run) => {
      const timer = { at: time + ms, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(ms) {
      time += ms
      for (const timer of [...timers].filter(({ at }) => at <= time)) {
        timers.delete(timer)
        timer.run()
      }
    },
  }
}

function scene(sizes: Partial<TargetLimitSizes> = {}) {
  const clock = manualClock()
  const limits = new TargetLimits(sizes, clock)
  const granted: string[] = []
  const ask = (address: string) => {
    let end = () => {}
    void limits.turn(address, never).then((turn) => {
      granted.push(turn === undefined ? 'refused' : address)
      end = turn ?? end
    })
    return () => end()
  }
  return { clock, granted, ask }
}

/** Lets everything happen that needs no further event. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
