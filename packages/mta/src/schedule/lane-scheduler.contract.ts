/**
 * The full meaning of the `LaneScheduler` promises: every adapter's test is one call to this. Runs in real time,
 * in fractions of a second.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createWorld, GRACE_MS, gate, idle, lane, more, type OpenScheduler, pause } from './lane-scheduler.fixture.ts'
import { laneShareRules } from './lane-scheduler-shares.contract.ts'

/** A due lane is run within a second. */
/** A second is promised, and a machine that has more to do gets another. */
const LATE_MS = 2_000

export function laneSchedulerContract(open: OpenScheduler): void {
  describe('lane scheduler: due lanes', () => dueLaneRules(open))
  describe('lane scheduler: wakes', () => wakeRules(open))
  describe('lane scheduler: slots', () => slotRules(open))
  describe('lane scheduler: shares of the slots', () => laneShareRules(open))
  describe('lane scheduler: ends of turns', () => endRules(open))
  describe('lane scheduler: pause', () => pauseRules(open))
  describe('lane scheduler: stop', () => stopRules(open))
}

function dueLaneRules(open: OpenScheduler): void {
  test('lanes that are due at the start are run', async () => {
    await using world = await createWorld(open)
    await world.spool.put(lane('a'), Date.now() - 5_000)
    await world.spool.put(lane('b'), Date.now())
    await world.run()
    await world.until(() => world.runs('a') === 1 && world.runs('b') === 1)
  })

  test('a lane that becomes due after the start is run within a second of its time', async () => {
    await using world = await createWorld(open)
    const dueAt = Date.now() + 300
    await world.spool.put(lane('a'), dueAt)
    await world.run()
    await world.until(() => world.runs('a') === 1)
    const ranAt = world.turns[0]?.startedAt ?? 0
    assert.ok(ranAt >= dueAt && ranAt < dueAt + LATE_MS, `ran ${ranAt - dueAt} ms after its time`)
  })

  test('the next due time of a lane that only the spool knows is not missed', async () => {
    await using world = await createWorld(open)
    await world.spool.put(lane('a'), Date.now())
    world.turn = async () => {
      await world.spool.put(lane('a'), Date.now() + 200)
      return idle
    }
    await world.run()
    await world.until(() => world.runs('a') >= 2)
    await world.spool.clear(lane('a'))
  })

  test('a spool that cannot answer is asked again', async () => {
    await using world = await createWorld(open)
    await world.spool.put(lane('a'), Date.now())
    await world.spool.failOnce()
    await world.run()
    await world.until(() => world.runs('a') === 1)
  })
}

function wakeRules(open: OpenScheduler): void {
  test('a wake runs the lane at once', async () => {
    await using world = await createWorld(open)
    await world.run()
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 1)
  })

  test('a wake before the start is kept', async () => {
    await using world = await createWorld(open)
    world.scheduler.wake(lane('a'))
    await world.run()
    await world.until(() => world.runs('a') === 1)
  })

  test('wakes that come together are one turn', async () => {
    await using world = await createWorld(open)
    await world.run()
    for (let n = 0; n < 100; n += 1) world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 1)
    await pause(50)
    assert.equal(world.runs('a'), 1)
  })

  test("a wake during the lane's last empty claim is not lost", async () => {
    await using world = await createWorld(open)
    world.turn = async () => {
      if (world.runs('a') === 1) world.scheduler.wake(lane('a'))
      return idle
    }
    await world.run()
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 2)
  })

  test('a far wake does not hide a near one', async () => {
    await using world = await createWorld(open)
    await world.run()
    world.scheduler.wake(lane('a'), Date.now() + 600_000)
    world.scheduler.wake(lane('a'), Date.now() + 50)
    await world.until(() => world.runs('a') === 1)
  })

  test('a near wake does not swallow a later one', async () => {
    await using world = await createWorld(open)
    await world.run()
    const later = Date.now() + 400
    world.scheduler.wake(lane('a'), later)
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 2)
    assert.ok((world.turns[1]?.startedAt ?? 0) >= later)
  })
}

function slotRules(open: OpenScheduler): void {
  test('never more turns than slots', async () => {
    await using world = await createWorld(open)
    let most = 0
    world.turn = async (_lane, context) => {
      context.progressed()
      most = Math.max(most, world.running)
      await pause(20)
      return idle
    }
    await world.run(3)
    for (const name of 'abcdefgh') world.scheduler.wake(lane(name))
    await world.until(() => world.turns.length === 8 && world.running === 0)
    assert.ok(most <= 3, `${most} turns at once`)
  })

  test('a busy lane does not starve others: lanes take turns', async () => {
    await using world = await createWorld(open)
    world.turn = async (id, context) => {
      context.progressed()
      await pause(1)
      return id === lane('busy') && world.turns.length < 200 ? more : idle
    }
    await world.run(1)
    world.scheduler.wake(lane('busy'))
    await world.until(() => world.runs('busy') > 3)
    const before = world.turns.length
    for (const name of 'abc') world.scheduler.wake(lane(name))
    await world.until(() => world.runs('c') === 1)
    const between = world.turns.slice(before).filter((turn) => turn.lane === lane('busy')).length
    assert.ok(between <= 6, `${between} turns of the busy lane came before three others had one`)
  })

  test('a turn learns that another lane waits for its slot', async () => {
    await using world = await createWorld(open)
    const heard: boolean[] = []
    world.turn = async (id, context) => {
      if (id !== lane('a')) return idle
      heard.push(context.othersWaiting())
      world.scheduler.wake(lane('b'))
      await world.until(() => context.othersWaiting())
      heard.push(context.othersWaiting())
      return idle
    }
    await world.run(1)
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('b') === 1)
    assert.deepEqual(heard, [false, true])
  })

  test('a lane with more work than one worker takes gets another slot', async () => {
    await using world = await createWorld(open)
    const slots: number[] = []
    world.turn = async (_lane, context) => {
      context.progressed()
      slots.push(context.slot)
      if (context.slot === 0) context.wakeAnother()
      await world.until(() => slots.length === 2)
      return idle
    }
    await world.run(4)
    world.scheduler.wake(lane('a'))
    await world.until(() => slots.length === 2)
    assert.deepEqual(slots, [0, 1])
  })
}

function endRules(open: OpenScheduler): void {
  test('a lane with work left is run again', async () => {
    await using world = await createWorld(open)
    world.turn = async () => (world.runs('a') < 3 ? more : idle)
    await world.run()
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 3)
  })

  test('a turn that throws leaves its lane due, and the others alone', async () => {
    await using world = await createWorld(open)
    world.turn = async (id) => {
      if (id === lane('a') && world.runs('a') === 1) throw new Error('a defect')
      return idle
    }
    await world.run(1)
    world.scheduler.wake(lane('a'))
    world.scheduler.wake(lane('b'))
    await world.until(() => world.runs('a') === 2 && world.runs('b') === 1)
  })

  test('a parked lane is run when it is woken', async () => {
    await using world = await createWorld(open)
    world.turn = async () => (world.runs('a') === 1 ? { kind: 'parked', retryAfterMs: 60_000 } : idle)
    await world.run()
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 1)
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 2)
  })

  test('a parked lane that nobody wakes is run when its time is over', async () => {
    await using world = await createWorld(open)
    world.turn = async () => (world.runs('a') === 1 ? { kind: 'parked', retryAfterMs: 100 } : idle)
    await world.run()
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 2)
  })

  test('a lane that backs off is not run before its time, woken or not, and then it is', async () => {
    await using world = await createWorld(open)
    let until = 0
    world.turn = async () => {
      if (world.runs('a') > 1) return idle
      until = Date.now() + 300
      return { kind: 'backoff', until }
    }
    await world.run()
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 1)
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 2)
    assert.ok((world.turns[1]?.startedAt ?? 0) >= until)
  })

  test('a lane that was woken while its turn ran backs off all the same', async () => {
    await using world = await createWorld(open)
    let until = 0
    world.turn = async () => {
      if (world.runs('a') > 1) return idle
      world.scheduler.wake(lane('a'))
      await pause(40)
      until = Date.now() + 200
      return { kind: 'backoff', until }
    }
    await world.run()
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 2)
    assert.ok((world.turns[1]?.startedAt ?? 0) >= until)
  })

  test("an operator's wake ends a back-off", async () => {
    await using world = await createWorld(open)
    world.turn = async () => (world.runs('a') === 1 ? { kind: 'backoff', until: Date.now() + 60_000 } : idle)
    await world.run()
    world.scheduler.wake(lane('a'))
    await world.until(() => world.runs('a') === 1 && world.running === 0)
    world.scheduler.wake(lane('a'), undefined, 'operator')
    await world.until(() => world.runs('a') === 2)
  })
}

function pauseRules(open: OpenScheduler): void {
  test('a pause aborts the signals of running turns and waits for them; afterwards their lanes go on', async () => {
    await using world = await createWorld(open)
    let finished = 0
    world.turn = async (_lane, { signal }) => {
      if (world.runs('a') > 1) return idle
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      await pause(20)
      finished += 1
      return more
    }
    await world.run()
    world.scheduler.wake(lane('a'))
    await world.until(() => world.running === 1)
    await world.scheduler.pause(GRACE_MS)
    assert.deepEqual([finished, world.running], [1, 0])
    await pause(50)
    assert.equal(world.runs('a'), 1)
    world.scheduler.resume()
    await world.until(() => world.runs('a') === 2)
  })

  test('wakes of a pause are heard when it ends, and a start in it waits for that', async () => {
    await using world = await createWorld(open)
    await world.scheduler.pause(GRACE_MS)
    await world.spool.put(lane('due'), Date.now())
    await world.run()
    world.scheduler.wake(lane('woken'))
    await pause(50)
    assert.equal(world.turns.length, 0)
    world.scheduler.resume()
    await world.until(() => world.runs('due') === 1 && world.runs('woken') === 1)
  })

  test('a pause waits no longer than its grace, and a resume does not wait for it', async () => {
    await using world = await createWorld(open)
    const held = gate()
    world.turn = async (id) => {
      if (id === lane('held')) await held.passed
      return idle
    }
    await world.run()
    world.scheduler.wake(lane('held'))
    await world.until(() => world.running === 1)
    const started = Date.now()
    await world.scheduler.pause(50)
    assert.ok(Date.now() - started < LATE_MS)
    const paused = world.scheduler.pause(60_000)
    world.scheduler.resume()
    world.scheduler.wake(lane('b'))
    await world.until(() => world.runs('b') === 1)
    held.open()
    await paused
  })
}

function stopRules(open: OpenScheduler): void {
  test('stop aborts the signals of running turns, waits for them and starts no other', async () => {
    const world = await createWorld(open)
    let finished = false
    world.turn = async (_lane, { signal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      await pause(20)
      finished = true
      return more
    }
    await world.run(1)
    world.scheduler.wake(lane('a'))
    world.scheduler.wake(lane('b'))
    await world.until(() => world.running === 1)
    await world.scheduler.stop(GRACE_MS)
    assert.ok(finished)
    world.scheduler.wake(lane('c'))
    await pause(30)
    assert.equal(world.turns.length, 1)
  })

  test('stop waits no longer than its grace', async () => {
    const world = await createWorld(open)
    const held = gate()
    world.turn = async () => {
      await held.passed
      return idle
    }
    await world.run(1)
    world.scheduler.wake(lane('a'))
    await world.until(() => world.running === 1)
    const started = Date.now()
    await world.scheduler.stop(50)
    assert.ok(Date.now() - started < LATE_MS)
    held.open()
  })
}
