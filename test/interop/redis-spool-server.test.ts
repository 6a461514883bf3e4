/**
 * What only a real server can do to the spool: lose its scripts, the connection in the middle of a call, its memory,
 * its role or its life; and several processes on one queue.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { SpoolFaults } from '../../packages/mta/src/spool/faults.ts'
import {
  claimAll,
  claimOne,
  deferred,
  delivered,
  envelope,
  eventually,
  failed,
  lane,
  settlement,
} from '../../packages/mta/src/spool/spool.fixture.ts'
import type { Spool } from '../../packages/mta/src/spool/spool.ts'
import { messageNow, RedisSpoolLab, Wire } from './redis-spool-lab.ts'

async function recovered(spool: Spool): Promise<void> {
  await eventually('the store works again', () => spool.health().intake === 'open' && spool.health().claims === 'open')
}

const notice = () => messageNow([9], { envelope: envelope({ reversePath: 'nullReversePath' }) })

describe('the connection', { concurrency: 3 }, () => {
  test('scripts that the server forgot are sent again', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool } = await lab.open()
    await lab.command('SCRIPT', 'FLUSH')
    assert.deepEqual(await spool.accept(messageNow()), { kind: 'accepted' })
    const claim = await claimOne(spool)
    await lab.command('SCRIPT', 'FLUSH')
    assert.deepEqual(await spool.settle(claim.token, settlement('a', [delivered()])), { kind: 'settled' })
    assert.equal(spool.health().claims, 'open')
  })

  for (const what of ['question', 'answer'] as const) {
    test(`an accept whose ${what} is lost with the connection is a "no" for ever`, async (t) => {
      const lab = await RedisSpoolLab.start(t)
      const wire = await Wire.between(t, lab)
      const { spool, events } = await lab.open({ address: { url: wire.path } })
      const refused = messageNow()
      wire.lose(what, refused.id)
      assert.equal((await spool.accept(refused)).kind, 'unavailable')
      assert.equal(wire.isArmed, false)
      assert.ok(events.some(({ event }) => event === 'spool-accept-voided'))
      await recovered(spool)
      assert.deepEqual(await claimAll(spool), [])
      assert.equal((await spool.accept(refused)).kind, 'unavailable')
      const other = await lab.open()
      assert.equal((await other.spool.admin.summary()).messages, 0)
      assert.equal((await other.spool.accept(refused)).kind, 'unavailable')
      assert.deepEqual(await spool.accept(messageNow()), { kind: 'accepted' })
    })

    test(`a settle whose ${what} is lost counts once, and so does its notice`, async (t) => {
      const lab = await RedisSpoolLab.start(t)
      const wire = await Wire.between(t, lab)
      const { spool, dataDir } = await lab.open({ address: { url: wire.path } })
      await spool.accept(messageNow())
      const claim = await claimOne(spool)
      const bounce = notice()
      wire.lose(what, 'settlement-a')
      const outcome = await spool.settle(claim.token, settlement('settlement-a', [failed()], { enqueue: [bounce] }))
      assert.equal(outcome.kind, 'journalled')
      await recovered(spool)
      await eventually('the journal is replayed', () => !existsSync(join(dataDir, 'unsettled.journal')))
      assert.deepEqual(await claimAll(spool), [])
      assert.deepEqual(
        (await claimAll(spool, 9)).map(({ id }) => id),
        [bounce.id],
      )
      assert.equal((await spool.admin.summary()).messages, 1)
    })
  }

  test('a claim whose answer is lost is given out again when its lease has ended', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const wire = await Wire.between(t, lab)
    const { spool } = await lab.open({ address: { url: wire.path } })
    const sent = messageNow()
    await spool.accept(sent)
    wire.lose('answer', lane())
    assert.deepEqual(await spool.claim(lane(), { limit: 1, leaseMs: 500 }), [])
    await recovered(spool)
    await eventually('the lane is named again', async () => {
      const due = await spool.dueLanes({ before: Date.now(), limit: 1 })
      return due.length === 1
    })
    assert.equal((await claimOne(spool)).id, sent.id)
  })

  test('without a server nothing is taken in or given out; outcomes wait in the journal; all flows again by itself', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool, dataDir } = await lab.open()
    for (let n = 0; n < 20; n += 1) await spool.accept(messageNow())
    const [first, second] = await spool.claim(lane(), { limit: 2, leaseMs: 60_000 })
    assert.ok(first !== undefined && second !== undefined)
    await lab.redis.stop('SIGKILL')
    await eventually('claims stop', () => spool.health().claims === 'stopped')
    assert.equal((await spool.accept(messageNow())).kind, 'unavailable')
    assert.deepEqual(await claimAll(spool), [])
    assert.equal((await spool.settle(first.token, settlement('a', [delivered()]))).kind, 'journalled')
    assert.ok(existsSync(join(dataDir, 'unsettled.journal')))

    await lab.redis.start()
    await recovered(spool)
    assert.equal((await spool.admin.summary()).messages, 19)
    assert.deepEqual(await spool.renew([second.token], 60_000), new Set([second.token]), 'leases outlive the server')
    assert.deepEqual(await spool.settle(second.token, settlement('b', [delivered()])), { kind: 'settled' })
    assert.equal((await claimAll(spool)).length, 18)
    assert.equal(existsSync(join(dataDir, 'unsettled.journal')), false)
  })

  test('a server that became a replica takes nothing in; as master again it does', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool } = await lab.open()
    await spool.accept(messageNow())
    const claim = await claimOne(spool)
    await lab.command('REPLICAOF', '127.0.0.1', '1')
    assert.equal((await spool.accept(messageNow())).kind, 'unavailable')
    assert.equal((await spool.settle(claim.token, settlement('a', [delivered()]))).kind, 'journalled')
    assert.equal(spool.health().claims, 'stopped')
    await eventually('the reason is told', () => /role is slave/.test(spool.health().detail))
    await lab.command('REPLICAOF', 'NO', 'ONE')
    await recovered(spool)
    assert.equal((await spool.admin.summary()).messages, 0)
    assert.deepEqual(await spool.accept(messageNow()), { kind: 'accepted' })
  })
})

describe('room', () => {
  test('a full server takes nothing in and gives nothing out, but settles; with room all flows again', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool } = await lab.open()
    for (let n = 0; n < 3; n += 1) await spool.accept(messageNow())
    const [claim] = await spool.claim(lane(), { limit: 1, leaseMs: 60_000 })
    assert.ok(claim !== undefined)
    const refused = messageNow()
    await lab.command('CONFIG', 'SET', 'maxmemory', '100000')
    assert.deepEqual(await spool.accept(refused), { kind: 'full' })
    assert.deepEqual(await claimAll(spool), [])
    assert.equal(
      (await spool.settle(claim.token, settlement('a', [failed()], { enqueue: [notice()] }))).kind,
      'settled',
      'outcomes and their notices are always taken',
    )
    await eventually('claims stop', () => spool.health().claims === 'stopped')
    assert.equal(spool.health().intake, 'full')
    await lab.command('CONFIG', 'SET', 'maxmemory', '0')
    await recovered(spool)
    assert.deepEqual(await spool.accept(refused), { kind: 'accepted' }, 'it was refused before anything was written')
    assert.equal((await claimAll(spool)).length, 3)
    assert.equal((await claimAll(spool, 9)).length, 1)
  })

  test('intake stops at 85 % of the memory, claims go on until 95 %', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool, events } = await lab.open()
    await spool.accept(messageNow())
    const [, used] = /used_memory:(\d+)/.exec(await lab.command('INFO', 'memory')) ?? []
    await lab.command('CONFIG', 'SET', 'maxmemory', String(Math.floor(Number(used) / 0.9)))
    await eventually('intake is full', () => spool.health().intake === 'full')
    assert.deepEqual(await spool.accept(messageNow()), { kind: 'full' })
    assert.equal(spool.health().claims, 'open')
    assert.equal((await claimAll(spool)).length, 1)
    assert.ok(events.some(({ event }) => event === 'spool-room-changed'))
  })

  test('the memory of a queued message is near what the limit counts for it', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool } = await lab.open({ maxBytes: 1024 * 1024 * 1024 })
    const text = () => Buffer.from(randomBytes(3750).toString('base64'))
    const used = async () => Number((/used_memory:(\d+)/.exec(await lab.command('INFO', 'memory')) ?? [])[1])
    for (const [what, content, count] of [
      ['5 KB of base64', text, 2000],
      ['6 bytes', () => Buffer.from('Hello\n'), 2000],
    ] as const) {
      const before = { memory: await used(), counted: spool.health().usedBytes }
      for (let n = 0; n < count; n += 100) {
        const batch = Array.from({ length: 100 }, () =>
          spool.accept(messageNow([1], { content: { kind: 'memory', bytes: content() } })),
        )
        await Promise.all(batch)
      }
      const memory = ((await used()) - before.memory) / count
      const counted = (spool.health().usedBytes - before.counted) / count
      t.diagnostic(`${what}: ${memory.toFixed(0)} bytes of memory a message, ${counted.toFixed(0)} counted`)
      assert.ok(memory < counted * 1.3 && counted < memory * 1.6, `${memory} of memory, ${counted} counted`)
    }
  })
})

describe('durability', () => {
  test('a server that may lose what it answers is refused, or told and used when that was chosen', async (t) => {
    const lab = await RedisSpoolLab.start(t, ['--appendfsync', 'everysec'])
    const strict = await openRedisSpool(lab.options())
    assert.deepEqual(strict.ok || strict.error, {
      kind: 'not-durable',
      findings: ['appendfsync is everysec, not always'],
    })
    const { spool, verdicts } = await lab.open({ durability: 'relaxed' })
    assert.deepEqual(
      verdicts.map(({ kind }) => kind),
      ['weak'],
    )
    assert.deepEqual(await spool.accept(messageNow()), { kind: 'accepted' })
  })

  test('a server that does not tell is not durable', async (t) => {
    const lab = await RedisSpoolLab.start(t, ['--rename-command', 'CONFIG', ''])
    const opened = await openRedisSpool(lab.options())
    assert.ok(!opened.ok && opened.error.kind === 'not-durable')
    assert.ok(opened.error.findings.includes('appendfsync is unreadable, not always'))
  })

  test('it is asked again at every connection', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool, verdicts } = await lab.open()
    await lab.command('CONFIG', 'SET', 'appendfsync', 'no')
    await lab.command('CLIENT', 'KILL', 'TYPE', 'normal')
    await eventually('the reason is told', () => /appendfsync is no/.test(spool.health().detail))
    assert.equal((await spool.accept(messageNow())).kind, 'unavailable')
    await lab.command('CONFIG', 'SET', 'appendfsync', 'always')
    await recovered(spool)
    assert.deepEqual(
      [verdicts.at(0)?.kind, verdicts.at(1)?.kind, verdicts.at(-1)?.kind],
      ['durable', 'weak', 'durable'],
    )
  })

  test('a server that becomes weaker while it is in use is left, until it is durable again', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool } = await lab.open({ hooks: { probeIntervalMs: 20, durabilityMs: 50 } })
    await lab.command('CONFIG', 'SET', 'appendfsync', 'everysec')
    await eventually('the reason is told', () => /appendfsync is everysec/.test(spool.health().detail))
    assert.equal((await spool.accept(messageNow())).kind, 'unavailable')
    await lab.command('CONFIG', 'SET', 'appendfsync', 'always')
    await recovered(spool)
    assert.deepEqual(await spool.accept(messageNow()), { kind: 'accepted' })
  })

  test('a server that is not there is told as such', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const opened = await openRedisSpool(lab.options({ address: { url: join(lab.directory, 'nobody.sock') } }))
    assert.ok(!opened.ok && opened.error.kind === 'unreachable')
  })

  test('a server that wants another password is told in its own words', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    await lab.command('CONFIG', 'SET', 'requirepass', 'right')
    const opened = await openRedisSpool(lab.options())
    assert.ok(!opened.ok && opened.error.kind === 'unreachable')
    assert.match(opened.error.detail, /^it answers NOAUTH /)
  })

  test('contents of another queue are not touched, nor those of a server that lost its data', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool } = await lab.open()
    const other = await openRedisSpool(lab.options({ queue: 'other' }))
    assert.ok(!other.ok && other.error.kind === 'foreign-content')
    await spool.accept(messageNow([1], { content: { kind: 'memory', bytes: randomBytes(50_000) } }))
    await lab.command('FLUSHALL')
    const again = await openRedisSpool(lab.options())
    assert.ok(!again.ok && again.error.kind === 'foreign-content')
  })

  test('a relay whose directory is not the one of the others does not start, a new queue starts on any', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    await lab.open()
    const elsewhere = await openRedisSpool(lab.options({ contentDir: join(lab.directory, 'elsewhere') }))
    assert.ok(!elsewhere.ok && elsewhere.error.kind === 'foreign-content')
    // Nothing is kept there, so nothing can be lost.
    await lab.command('FLUSHALL')
    const nodes = await Promise.all([lab.open(), lab.open(), lab.open()])
    assert.deepEqual(await nodes[0].spool.accept(messageNow()), { kind: 'accepted' })
    await lab.open()
  })

  test('keys that a later version wrote are not touched', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    await lab.command('SET', '{hermetic:test}:spool:version', '3')
    const opened = await openRedisSpool(lab.options())
    assert.deepEqual(opened.ok || opened.error, { kind: 'newer-schema', found: 3, supported: 2 })
  })
})

describe('several processes', () => {
  test('two processes that empty a lane never have the same message', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool } = await lab.open()
    // Enough that neither is done before the other has started.
    const sent = Array.from({ length: 2_000 }, () => messageNow())
    await Promise.all(sent.map((one) => spool.accept(one)))
    const program = fileURLToPath(new URL('./redis-spool-claimer.ts', import.meta.url))
    const claimer = async (): Promise<readonly string[]> => {
      const { dataDir, contentDir } = lab.options()
      const words = [program, lab.redis.socket, dataDir, contentDir]
      const { stdout } = await promisify(execFile)(process.execPath, words)
      return JSON.parse(stdout) as readonly string[]
    }
    const both = await Promise.all([claimer(), claimer()])
    assert.deepEqual(both.flat().sort(), sent.map(({ id }) => id).sort())
    assert.ok(
      both.every((ids) => ids.length > 0),
      'both took part',
    )
    assert.equal((await spool.admin.summary()).messages, 0)
  })

  test('an order and a claim at the same time: each message is held or in delivery, never both', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const [operator, worker] = [await lab.open(), await lab.open()]
    const sent = Array.from({ length: 300 }, () => messageNow())
    await Promise.all(sent.map((one) => operator.spool.accept(one)))
    const claimed: string[] = []
    const claiming = async (): Promise<void> => {
      for (;;) {
        const claims = await worker.spool.claim(lane(), { limit: 3, leaseMs: 60_000 })
        if (claims.length === 0) return
        claimed.push(...claims.map(({ id }) => id))
      }
    }
    const ids = sent.map(({ id }) => id).reverse()
    const [changes] = await Promise.all([
      operator.spool.admin.change(ids, { kind: 'hold', reason: 'audit' }),
      claiming(),
    ])
    const held = changes.filter(({ result }) => result === 'done').map(({ id }) => id)
    assert.ok(held.length > 0 && claimed.length > 0, `${held.length} held, ${claimed.length} claimed`)
    assert.deepEqual([...held, ...claimed].sort(), ids.toSorted())
    assert.equal((await operator.spool.admin.summary()).held, held.length)
  })

  test('an order that was decided before a settle does not undo it', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const wire = await Wire.between(t, lab)
    const [operator, worker] = [await lab.open({ address: { url: wire.path } }), await lab.open()]
    const sent = messageNow()
    await worker.spool.accept(sent)
    const held = wire.hold('under audit')
    const ordering = operator.spool.admin.change([sent.id], { kind: 'hold', reason: 'under audit' })
    await eventually('the order is on its way', () => held.isHeld())
    const { token } = await claimOne(worker.spool)
    await worker.spool.settle(token, settlement('a', [deferred()]))
    held.letGo()
    assert.deepEqual(await ordering, [{ id: sent.id, result: 'done' }])
    const [delivery] = (await worker.spool.admin.show(sent.id))?.deliveries ?? []
    assert.deepEqual([delivery?.state, delivery?.attempts], ['held', 1])
  })

  test('what a process holds when it ends is free at once; when it dies, when its lease has ended', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const [a, b, c] = [await lab.open(), await lab.open(), await lab.open()]
    await a.spool.accept(messageNow())
    const first = await claimOne(a.spool)
    assert.deepEqual(await claimAll(b.spool), [])
    await a.spool.close()
    const [second] = await b.spool.claim(lane(), { limit: 1, leaseMs: 300 })
    assert.equal(second?.id, first.id)
    // Nobody renews it. The lane becomes due by itself, for whoever watches.
    await eventually('the lane is due again', async () => {
      return (await c.spool.dueLanes({ before: Date.now(), limit: 1 })).length === 1
    })
    const third = await claimOne(c.spool)
    assert.notEqual(third.token, second.token)
    const late = await b.spool.settle(second.token, settlement('late', [deferred()]))
    assert.deepEqual(late, { kind: 'merged', closed: 0, ignored: 1 })
    assert.deepEqual(await c.spool.settle(third.token, settlement('now', [delivered()])), { kind: 'settled' })
    assert.ok(b.events.some(({ event }) => event === 'spool-settle-merged'))
  })

  test('after a time without a server leases go on for a while, so that journals come before other nodes', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool } = await lab.open()
    const sent = messageNow()
    await spool.accept(sent)
    await spool.claim(lane(), { limit: 1, leaseMs: 100 })
    await lab.command('SET', '{hermetic:test}:spool:alive', String(Date.now() - 6000))
    await new Promise((resolve) => setTimeout(resolve, 150))
    assert.deepEqual(await claimAll(spool), [], 'nobody could renew it')
    await eventually('a node sees it', async () => {
      return (await lab.command('EXISTS', '{hermetic:test}:spool:grace')).startsWith(':1')
    })
    assert.deepEqual(await claimAll(spool), [])
    await lab.command('DEL', '{hermetic:test}:spool:grace')
    await eventually('the lease ends after all', async () => (await claimAll(spool))[0]?.id === sent.id)
  })

  test('an outcome in the journal of a stopped process is still its own when it comes back', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const faults = new SpoolFaults()
    const options = lab.options({ hooks: { faults, probeIntervalMs: 20 } })
    const [a, b] = [await lab.open(options), await lab.open()]
    await a.spool.accept(messageNow())
    const claim = await claimOne(a.spool)
    faults.arm('before-commit', { act: 'fail', times: 1_000_000 })
    assert.equal((await a.spool.settle(claim.token, settlement('a', [delivered()]))).kind, 'journalled')
    await a.spool.close()
    assert.deepEqual(await claimAll(b.spool), [], 'nobody sends again what was delivered')
    faults.disarm('before-commit')
    const again = await lab.open(options)
    assert.equal((await again.spool.admin.summary()).messages, 0)
  })

  test('suspects with enough deaths are claimed by name only, on every node, until they are cleared', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const options = lab.options({ setAsideAfterDeaths: 2 })
    const first = await lab.open(options)
    const [suspect, other] = [messageNow(), messageNow()]
    for (const one of [suspect, other]) await first.spool.accept(one)
    await first.spool.close()
    writeFileSync(join(options.dataDir, 'claims.journal'), `!${suspect.id} 1\n+${suspect.id}\n+${other.id}\n`)

    const { spool } = await lab.open(options)
    assert.deepEqual(spool.suspects.list(), [
      { id: suspect.id, deaths: 2 },
      { id: other.id, deaths: 1 },
    ])
    const elsewhere = await lab.open()
    assert.deepEqual(
      (await claimAll(elsewhere.spool)).map(({ id }) => id),
      [other.id],
    )
    const [claim] = await spool.suspects.claim(suspect.id, { leaseMs: 60_000 })
    assert.equal(claim?.id, suspect.id)
    await spool.release(claim === undefined ? [] : [claim.token])
    assert.deepEqual(await claimAll(elsewhere.spool), [])
    await spool.suspects.clear(suspect.id)
    const cleared = await claimOne(elsewhere.spool)
    assert.equal(cleared.id, suspect.id)
    await spool.suspects.quarantine(suspect.id, 'the attempt ended its own process')
    assert.equal((await elsewhere.spool.admin.show(suspect.id))?.deliveries[0]?.state, 'quarantined')
    assert.equal((await elsewhere.spool.settle(cleared.token, settlement('late', []))).kind, 'merged')
  })
})
