/** Which lanes get how many of the slots: those without progress, those that are silent, those with urgent mail. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWorld, gate, idle, lane, more, type OpenScheduler, type World } from './lane-scheduler.fixture.ts'

export function laneShareRules(open: OpenScheduler): void {
  test('lanes without progress hold at most half of all slots', async () => {
    await using world = await createWorld(open)
    let stuck = 0
    const held = gate()
    world.turn = async (id, context) => {
      if (id.includes('good')) {
        context.progressed()
        return idle
      }
      stuck += 1
      await held.passed
      return idle
    }
    await world.run(4)
    world.scheduler.wake(lane('good'))
    await world.until(() => world.runs('good') === 1)
    for (const name of 'abcdef') world.scheduler.wake(lane(name))
    await world.until(() => stuck === 2)
    world.scheduler.wake(lane('good'))
    await world.until(() => world.runs('good') === 2)
    assert.equal(stuck, 2)
    held.open()
    await world.until(() => stuck === 6)
  })

  test('a lane that nobody knows is not kept waiting by silent ones: they yield after a moment, and come again', async () => {
    await using world = await createWorld(open)
    world.turn = async (id, context) => {
      if (!id.includes('silent')) {
        context.progressed()
        return idle
      }
      await aborted(context.yielding)
      return more
    }
    await world.run(4)
    for (let number = 0; number < 6; number += 1) world.scheduler.wake(lane(`silent${number}`))
    await world.until(() => world.running === 2)
    for (const name of ['new1', 'new2', 'new3']) world.scheduler.wake(lane(name))
    await world.until(() => ['new1', 'new2', 'new3'].every((name) => world.runs(name) === 1))
    await world.until(() => [0, 1, 2, 3, 4, 5].every((number) => world.runs(`silent${number}`) >= 1))
    assert.ok(world.running <= 2, `${world.running} silent lanes at once`)
  })

  test('a host that has greeted us is not asked to yield, nor one for whose slot nobody waits', async () => {
    await using world = await createWorld(open)
    const asked: string[] = []
    const held = gate()
    world.turn = async (id, context) => {
      if (id.includes('greeted')) context.heard()
      context.yielding.addEventListener('abort', () => asked.push(id))
      await held.passed
      return idle
    }
    await world.run(2)
    world.scheduler.wake(lane('silent'))
    await world.until(() => world.running === 1)
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    assert.deepEqual(asked, [])
    world.scheduler.wake(lane('greeted'))
    await world.until(() => asked.length === 1)
    assert.deepEqual(asked, [lane('silent')])
    held.open()
    await world.until(() => world.running === 0)
  })

  test('a tenth of the slots is for lanes with urgent mail, which go first', async () => {
    await using world = await createWorld(open)
    const held = gate()
    world.turn = async (id, context) => {
      context.progressed()
      if (id.includes('busy')) await held.passed
      return idle
    }
    await known(world, 20)
    for (let number = 0; number < 12; number += 1) world.scheduler.wake(lane(`busy${number}`))
    await world.until(() => world.running === 9)
    world.scheduler.wake(lane('urgent'), undefined, 'urgent')
    await world.until(() => world.runs('urgent') === 1)
    assert.equal(world.running, 9)
    held.open()
    await world.until(() => world.running === 0)
  })
}

/** Ten slots, and lanes that are known to move. */
async function known(world: World, lanes: number): Promise<void> {
  const { turn } = world
  world.turn = async (_id, context) => {
    context.progressed()
    return idle
  }
  await world.run(10)
  const names = Array.from({ length: lanes }, (_, number) => `busy${number}`)
  for (const name of names) world.scheduler.wake(lane(name))
  await world.until(() => names.every((name) => world.runs(name) === 1) && world.running === 0)
  world.turn = turn
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve())
  })
}
