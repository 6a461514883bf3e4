/**
 * Whole relays on one real redis-server, each as an operator starts it: what one accepts another delivers, also
 * across a restart of Redis; and a Redis that may lose mail is refused.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RelayCluster, submit } from './redis-relay-lab.ts'

/** Above what is kept in Redis itself. */
const LARGE = 'x'.repeat(70).concat('\r\n').repeat(1_000).concat('.')

describe('whole relays on one Redis', { concurrency: 2 }, () => {
  test('what one accepts another delivers when it is gone, small and large, across a restart of Redis', async (t) => {
    const cluster = await RelayCluster.start(t)
    cluster.mxIsAway = true
    const first = await cluster.relay()
    assert.match(await submit(first, 'small'), /queued as/)
    assert.match(await submit(first, 'large', LARGE), /queued as/)
    await first.until(() => first.eventsOf('message-settled').length === 2)
    await first.relay.stop('test')
    await cluster.redis.stop('SIGKILL')
    await cluster.redis.start()
    cluster.mxIsAway = false
    const second = await cluster.relay()
    const { out } = await cluster.command(second, 'queue', 'retry', '--all', '--yes')
    assert.match(out, /2 messages/)
    await second.until(() => cluster.delivered.length === 2)
    assert.deepEqual([...cluster.delivered].sort(), ['large', 'small'])
    const { out: left } = await cluster.command(second, 'queue', 'list', '--json')
    assert.equal(left, '')
  })

  test('two at work: any accepts, any delivers, each message once', async (t) => {
    const cluster = await RelayCluster.start(t)
    const first = await cluster.relay()
    const relays = [first, await cluster.relay()]
    const subjects = Array.from({ length: 40 }, (_, at) => `message ${at}`)
    const answers = await Promise.all(subjects.map((subject, at) => submit(relays[at % 2] ?? first, subject)))
    for (const answer of answers) assert.match(answer, /queued as/)
    await first.until(() => cluster.delivered.length >= subjects.length)
    assert.deepEqual([...cluster.delivered].sort(), [...subjects].sort())
  })

  test('what is ordered on the data_dir of a stopped relay reaches those that run', async (t) => {
    const cluster = await RelayCluster.start(t)
    const [stopped, running] = [await cluster.relay(), await cluster.relay()]
    await stopped.relay.stop('test')
    await cluster.closeMx()
    await submit(running, 'waits')
    // The whole lane backs off for minutes.
    await running.until(() => running.eventsOf('next-hop-failed').length > 0)
    await cluster.openMx()
    await cluster.cachePolicy('example.test')
    assert.equal((await cluster.command(stopped, 'queue', 'retry', '--all', '--yes')).code, 0)
    assert.equal((await cluster.command(stopped, 'policy', 'purge', 'example.test')).code, 0)
    await running.until(() => cluster.delivered.length === 1)
    await running.until(() => running.eventsOf('sts-policy-purged').length === 1)
    assert.equal(running.eventsOf('sts-policy-purged')[0]?.policyDomain, 'example.test')
  })

  test('while Redis is away mail is answered 4yz and readiness says why; then all goes on by itself', async (t) => {
    const cluster = await RelayCluster.start(t)
    const relay = await cluster.relay()
    await cluster.redis.stop()
    await relay.until(() => relay.eventsOf('spool-failing').length > 0)
    assert.match(await submit(relay, 'refused'), /^452 4\.3\.0 /)
    // Each client notices by itself that nobody answers; the scheduler may be the last.
    const noticed = /no deliveries begin: the store of lane jobs cannot be asked/
    const giveUpAt = performance.now() + 10_000
    let status = await cluster.command(relay, 'status')
    while (!noticed.test(status.out) && performance.now() < giveUpAt) status = await cluster.command(relay, 'status')
    assert.equal(status.code, 1)
    assert.match(status.out, /not ready: no mail is accepted: the store is failing \(Redis: .*\)/)
    assert.match(status.out, noticed)
    await cluster.redis.start()
    await relay.until(() => relay.eventsOf('spool-recovered').length > 0)
    assert.match(await submit(relay, 'accepted'), /queued as/)
    await relay.until(() => cluster.delivered.length === 1)
    assert.deepEqual(cluster.delivered, ['accepted'])
  })

  test('strict starts on no Redis that may lose mail, and says what to change; relaxed does, and says so', async (t) => {
    const cluster = await RelayCluster.start(t, ['--appendonly', 'no', '--appendfsync', 'everysec'])
    const said = await cluster.startProblem()
    assert.match(said, /appendonly is no, not yes; appendfsync is everysec, not always/)
    assert.match(said, /CONFIG SET .* durability = "relaxed"/)
    const left = await cluster.leaveEmbeddedQueue()
    const relay = await cluster.relay('relaxed')
    assert.deepEqual(relay.eventsOf('spool-left-behind'), [{ event: 'spool-left-behind', path: left }])
    assert.equal(relay.eventsOf('spool-durability-relaxed').length, 1)
    const { code, out } = await cluster.command(relay, 'status')
    assert.equal(code, 0)
    assert.match(out, /note .*durability = "relaxed" bears: appendonly is no/)
    const metrics = await (await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)).text()
    assert.match(metrics, /^hermetic_spool_not_durable_total\{used="yes"\} 1$/m)
  })

  test('a data_dir is of one process alone, and its verbs work without it', async (t) => {
    const cluster = await RelayCluster.start(t)
    cluster.mxIsAway = true
    const relay = await cluster.relay()
    assert.match(await submit(relay, 'waits'), /queued as/)
    assert.match(await cluster.startProblem(relay), /another relay runs on this data_dir/)
    await relay.relay.stop('test')
    const { out, err } = await cluster.command(relay, 'queue', 'list', '--json')
    assert.match(err, /^No relay runs on this data_dir; reading Redis directly\.$/m)
    assert.match(out, /"id":/)
  })
})
