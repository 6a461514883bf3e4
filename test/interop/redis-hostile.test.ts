/**
 * Redis as it is when something is wrong with it, in front of whole relays: each trouble is told in words of who runs
 * them, mail is answered 4yz meanwhile, none is lost, and all flows again by itself.
 */
import assert from 'node:assert/strict'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import type { WholeRelay } from '../lab/whole-relay.ts'
import { RelayCluster, submit } from './redis-relay-lab.ts'
import { freePort } from './relay-instance.ts'

const CONNECT_MS = 5_000
const LARGE = `${'x'.repeat(70)}\r\n`.repeat(600)
const TAG = '{hermetic:mail}'

/** As docs/operating/redis.md has it. */
const RIGHTS =
  'on >secret ~{hermetic* resetchannels &{hermetic* +@all -@admin -@dangerous +info +config|get +client|setname +client|list'

async function operator(t: TestContext, cluster: RelayCluster): Promise<RedisClient> {
  const client = connectRedis({ url: cluster.redis.socket })
  t.after(() => client.disconnect())
  assert.ok(await connected(client, CONNECT_MS))
  return client
}

async function readiness({ relay }: WholeRelay): Promise<{ readonly status: number; readonly text: string }> {
  const answer = await fetch(`http://127.0.0.1:${relay.metricsPort}/readyz`)
  return { status: answer.status, text: await answer.text() }
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const giveUpAt = performance.now() + 15_000; !(await condition()); await sleep(20)) {
    assert.ok(performance.now() < giveUpAt, what)
  }
}

async function arrives(cluster: RelayCluster, relay: WholeRelay, subject: string): Promise<void> {
  await until(async () => (await submit(relay, subject)).startsWith('250'), `${subject} is taken`)
  await until(() => cluster.delivered.includes(subject), `${subject} is delivered`)
}

describe('a start on a Redis that', { concurrency: 2 }, () => {
  test('lets somebody else in says whom it refuses and what', async (t) => {
    const port = await freePort()
    const cluster = await RelayCluster.start(t, ['--port', String(port)])
    const redis = await operator(t, cluster)
    for (const [user, rights] of [
      ['elsewhere', 'on >secret ~other:* &* +@all'],
      ['unscripted', 'on >secret ~* &* +@all -@scripting'],
      ['silent', 'on >secret ~* &* +@all -config'],
    ] as const) {
      await redis.call('ACL', 'SETUSER', user, ...rights.split(' '))
    }
    for (const [who, place, said] of [
      ['a wrong password', 'redis://elsewhere:wrong@127.0.0.1', /it answers WRONGPASS/],
      ['a user without rights to our keys', 'redis://elsewhere:secret@127.0.0.1', /NOPERM .*keys?/],
      ['a user without rights to a command', 'redis://unscripted:secret@127.0.0.1', /NOPERM .*'script\|load'/],
      ['a user that may not see the settings', 'redis://silent:secret@127.0.0.1', /appendonly is unreadable, not yes/],
    ] as const) {
      assert.match(await cluster.startProblem(undefined, { url: `${place}:${port}/0` }), said, who)
    }
    // The client would go on with the queue of database 0.
    const beyond = await cluster.startProblem(undefined, { url: `redis://127.0.0.1:${port}/99` })
    assert.match(beyond, /it answers ERR DB index is out of range \(\[queue\] redis_url names the server\)/)
    await redis.config('SET', 'requirepass', 'secret')
    assert.match(await cluster.startProblem(undefined, { url: `redis://127.0.0.1:${port}/0` }), /it answers NOAUTH/)
    assert.deepEqual(await redis.keys('*'), [], 'nothing was written')
  })

  test('gives just the rights that are written down serves all of a relay', async (t) => {
    const port = await freePort()
    const cluster = await RelayCluster.start(t, ['--port', String(port)])
    const redis = await operator(t, cluster)
    await redis.call('ACL', 'SETUSER', 'hermetic', ...RIGHTS.split(' '))
    await redis.call('ACL', 'LOG', 'RESET')
    const relay = await cluster.relay('strict', `redis://hermetic:secret@127.0.0.1:${port}/0`)
    await arrives(cluster, relay, 'small')
    assert.match(await submit(relay, 'large', LARGE), /^250 /)
    await until(() => cluster.delivered.includes('large'), 'large is delivered')
    assert.equal((await cluster.command(relay, 'queue', 'rebuild')).code, 0)
    assert.equal((await cluster.command(relay, 'nodes')).code, 0)
    assert.equal((await readiness(relay)).status, 200)
    assert.deepEqual(await redis.call('ACL', 'LOG'), [], 'nothing was refused')
  })

  test('or a content_dir that cannot be used is told by its path', async (t) => {
    const cluster = await RelayCluster.start(t)
    const file = join(cluster.redis.directory, 'a-file')
    await writeFile(file, '')
    assert.match(await cluster.startProblem(undefined, { contentDir: file }), /a-file cannot be used \(EEXIST\)/)
    assert.match(
      await cluster.startProblem(undefined, { url: `${cluster.redis.directory}/no.sock` }),
      /Redis cannot be used: no connection \(ENOENT\)/,
    )
  })
})

describe('while a relay runs', { concurrency: 2 }, () => {
  test('a content_dir that is unmounted stops mail instead of setting it aside as damaged', async (t) => {
    const cluster = await RelayCluster.start(t)
    const relay = await cluster.relay()
    cluster.mxIsAway = true
    assert.match(await submit(relay, 'large', LARGE), /^250 /)
    await rename(cluster.contentDir, `${cluster.contentDir}.away`)
    cluster.mxIsAway = false
    const said = /^45[12] 4\.3\.0 (The message could not be stored|Queue storage is not available)/
    assert.match(await submit(relay, 'too large for Redis', LARGE), said)
    assert.match((await readiness(relay)).text, /is it mounted\?/)
    await cluster.command(relay, 'queue', 'retry', '--all', '--yes')
    await sleep(300)
    // What is made in its place is not taken for it.
    await rm(cluster.contentDir, { recursive: true, force: true })
    await rename(`${cluster.contentDir}.away`, cluster.contentDir)
    await until(async () => (await readiness(relay)).status === 200, 'ready again')
    const { out } = await cluster.command(relay, 'queue', 'list')
    assert.doesNotMatch(out, /quarantined/)
    await cluster.command(relay, 'queue', 'retry', '--all', '--yes')
    await until(() => cluster.delivered.includes('large'), 'what waited is delivered')
  })

  test('a Redis that comes back empty is refused and says what it has lost', async (t) => {
    const cluster = await RelayCluster.start(t)
    const relay = await cluster.relay()
    await arrives(cluster, relay, 'before')
    // Else its lane would come back as one whose worker has died, with the end of a lease.
    await sleep(500)
    await cluster.redis.stop()
    const appended = join(cluster.redis.directory, 'appendonlydir')
    await rename(appended, `${appended}.away`)
    await cluster.redis.start()
    await until(async () => (await readiness(relay)).text.includes('it has lost this queue'), 'readiness says so')
    assert.match(await submit(relay, 'into nothing'), /^452 4\.3\.0/)
    assert.match(relay.eventsOf('spool-server-refused')[0]?.findings ?? '', /it has lost this queue/)
    await cluster.redis.stop()
    await rm(appended, { recursive: true })
    await rename(`${appended}.away`, appended)
    await cluster.redis.start()
    await arrives(cluster, relay, 'after')
  })

  test('where losses are allowed an empty Redis is a new queue for all relays, and that is told', async (t) => {
    const cluster = await RelayCluster.start(t, ['--appendonly', 'no'])
    const relays = [await cluster.relay('relaxed'), await cluster.relay('relaxed')] as const
    await cluster.redis.stop('SIGKILL')
    await cluster.redis.start()
    for (const [at, relay] of relays.entries()) await arrives(cluster, relay, `new ${at}`)
    const told = relays.flatMap((relay) => relay.eventsOf('spool-durability-relaxed').map(({ findings }) => findings))
    assert.ok(
      told.some((findings) => findings.includes('it has lost this queue')),
      told.join('\n'),
    )
  })

  test('connections that are cut again and again, and scripts that are forgotten, lose and double nothing', async (t) => {
    const cluster = await RelayCluster.start(t)
    const relay = await cluster.relay()
    const redis = await operator(t, cluster)
    const taken: string[] = []
    for (let round = 0; round < 6; round += 1) {
      await redis.script('FLUSH')
      const answers = ['a', 'b', 'c'].map(async (name) => {
        const subject = `${round}${name}`
        if ((await submit(relay, subject)).startsWith('250')) taken.push(subject)
      })
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await Promise.all(answers)
      await sleep(400)
    }
    await arrives(cluster, relay, 'at last')
    await until(() => taken.every((subject) => cluster.delivered.includes(subject)), 'what was taken is delivered')
    assert.equal(new Set(cluster.delivered).size, cluster.delivered.length, 'once each')
  })

  test('a pause of all answers is a slow 250, and a limit of memory in the middle of a body a 452', async (t) => {
    const cluster = await RelayCluster.start(t)
    const relay = await cluster.relay()
    const redis = await operator(t, cluster)
    await redis.call('CLIENT', 'PAUSE', '1500', 'ALL')
    assert.match(await submit(relay, 'slow'), /^250 /)
    const client = await relay.greeted()
    for (const command of ['MAIL FROM:<app@sender.test>', 'RCPT TO:<someone@example.test>', 'DATA']) {
      assert.ok((await client.command(command)).code < 400)
    }
    client.send('Subject: half\r\nFrom: <app@sender.test>\r\n\r\nhalf of it\r\n')
    await redis.config('SET', 'maxmemory', '1mb')
    client.send('and the rest\r\n.\r\n')
    assert.equal((await client.reply())?.code, 452)
    await client.quit()
    await until(async () => (await readiness(relay)).text.includes('the store is full'), 'readiness says so')
    await redis.config('SET', 'maxmemory', '0')
    await arrives(cluster, relay, 'with room')
    assert.ok(!cluster.delivered.includes('half'))
  })

  test("another program's value in the place of one of our keys is an outage, and a rebuild ends it", async (t) => {
    const cluster = await RelayCluster.start(t)
    const relay = await cluster.relay()
    const redis = await operator(t, cluster)
    cluster.mxIsAway = true
    assert.match(await submit(relay, 'waits'), /^250 /)
    await redis.set(`${TAG}:due`, 'not ours')
    assert.match(await submit(relay, 'refused'), /^451 4\.3\.0/)
    await until(async () => (await readiness(relay)).status === 503, 'readiness says so')
    await redis.del(`${TAG}:due`)
    cluster.mxIsAway = false
    assert.equal((await cluster.command(relay, 'queue', 'rebuild')).code, 0)
    await cluster.command(relay, 'queue', 'retry', '--all', '--yes')
    await until(() => cluster.delivered.includes('waits'), 'what waited is delivered')
    assert.ok(!cluster.delivered.includes('refused'))
  })
})
