/** Daily reports by order of an operator, over the control socket of a whole relay: looking first, sending, stopping. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { connectControl } from '../../packages/mta/src/admin/control-client.ts'
import { covers } from '../conformance/covers.ts'
import { DkimKeys } from '../lab/dkim-keys.ts'
import { ENDPOINT_URI, OwedReports, RCPT, SENDER, today } from '../lab/owed-reports.ts'

const BOTH = `v=TLSRPTv1; rua=mailto:tls@${RCPT},${ENDPOINT_URI}`

test('a dry run tells what would go where, and sends and keeps nothing', async () => {
  await using world = await OwedReports.start({
    published: { [RCPT]: [`${BOTH},ftp://x.example/`], 'gone.example': [] },
  })
  const dry = await world.hermetic('run', '--dry-run')
  assert.equal(dry.code, 0, dry.err)
  assert.match(dry.out, /^\S+ +gone\.example +1 +0 +\d+ B +none \(no-record\)$/m)
  assert.match(dry.out, /^\S+ +rcpt\.example +1 +0 +\d+ B +mailto:tls@rcpt\.example$/m)
  assert.match(dry.out, /ftp:\/\/x\.example\/ \(ignored: unsupported-scheme\)$/m)
  assert.match(dry.err, /2 reports; nothing was sent/)
  assert.deepEqual([world.endpoint.posted.length, world.mx.connections.length], [0, 0])
  assert.match((await world.hermetic('pending')).err, /No report waits/)
  const [preview] = (await world.hermetic('run', '--dry-run', '--json')).out
    .split('\n')
    .map((line) => JSON.parse(line || '{}'))
  assert.equal(preview.policyDomain, 'gone.example')
})

test('RPT-98: what is sent reaches mailbox and endpoint with one report id; a second order sends nothing', async () => {
  covers('RPT-98', { observe: 'https' })
  await using world = await OwedReports.start({ published: { [RCPT]: [BOTH] } })
  const first = await world.hermetic('run', '--now', '--day', today(), '--json')
  assert.match(first.err, /is not over: it is closed here/)
  assert.deepEqual(JSON.parse(first.out), {
    ...{ reports: 1, submitted: 2, waiting: 0, givenUp: 0, notWanted: 0, recordUnknown: 0 },
  })
  assert.equal((await world.run()).out, 'No report was due.\n')
  await world.received(1)
  const [posted] = world.endpoint.posted
  const report = JSON.parse(gunzipSync(posted?.body ?? Buffer.of()).toString())
  assert.ok(world.mx.messages[0]?.content.includes(report['report-id']))
  const metrics = await (await fetch(`http://127.0.0.1:${world.relay.relay.metricsPort}/metrics`)).text()
  assert.match(metrics, /^hermetic_tlsrpt_submissions_total\{transport="https",outcome="submitted"\} 1$/m)
  assert.match(metrics, /^hermetic_tlsrpt_reports_total\{outcome="delivered"\} 1$/m)
})

test('what failed waits, and pending tells why and until when', async () => {
  await using world = await OwedReports.start({ published: { [RCPT]: [BOTH] } })
  world.endpoint.answer = () => ({ status: 503 })
  assert.match((await world.run()).out, /^1 report: 1 target served, 1 to be tried again, 0 given up\.\n$/)
  const pending = await world.hermetic('pending')
  assert.match(pending.out, /rcpt\.example +waiting +1 +in [45]m +status-503 +https:\/\/reports\.rcpt\.example:\d+\/$/m)
  assert.match(pending.err, /^1 report not done\.$/m)
  const [json] = (await world.hermetic('pending', '--json')).out.split('\n')
  assert.equal(JSON.parse(json ?? '').targets[1].reason, 'status-503')
  world.endpoint.answer = () => ({ status: 200 })
  assert.match((await world.run()).out, /^1 report: 1 target served, 0 to be tried again/)
})

test('without a selector the keys of [[dkim]] for the domain of contact sign, all of them', async () => {
  await using keys = new DkimKeys([SENDER])
  await using world = await OwedReports.start({ published: { [RCPT]: [BOTH] }, key: 'none', settings: keys.settings })
  assert.equal(world.relay.eventsOf('tlsrpt-key-missing').length, 0)
  await world.run()
  await world.received(1)
  const verified = await keys.verify(world.mx.messages[0]?.content ?? Buffer.of())
  assert.deepEqual(verified, [`${SENDER}/r1 pass`, `${SENDER}/e1 pass`])
})

test('a relay that stops breaks off an endpoint that hangs, at once', async () => {
  await using world = await OwedReports.start({ published: { [RCPT]: [`v=TLSRPTv1; rua=${ENDPOINT_URI}`] } })
  world.endpoint.answer = () => undefined
  void world.run().catch(() => undefined)
  await world.relay.until(() => world.endpoint.posted.length > 0)
  const before = performance.now()
  await world.relay.relay.stop('test')
  assert.ok(performance.now() - before < 5_000)
  const deferred = world.relay.eventsOf('tlsrpt-report-deferred')
  assert.deepEqual(
    deferred.map(({ reason, attempts }) => [reason, attempts]),
    [['aborted', 0]],
  )
})

test('orders that make no sense are refused over the socket too', async () => {
  await using world = await OwedReports.start({ published: {} })
  const control = await connectControl(world.socket)
  assert.ok(control !== undefined)
  for (const order of [
    () => control.reports.reports('2026-02-30' as ReturnType<typeof today>, { limit: 1 }),
    () => control.reports.reports(today(), { limit: 0 }),
    () => control.reports.preview(today(), { limit: 1, after: '!' as never }),
    () => control.reports.run({ urgent: 'yes' as never }),
    () => control.reports.run({ urgent: true, day: 'today' as never }),
  ]) {
    await assert.rejects(order(), /day|limit|after|urgent/)
  }
})
