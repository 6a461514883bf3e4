/** RFC 8461 §5, RFC 7672 §2.1.2: what a policy forbids is one host, for now; the queue tells which, and why. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listText } from '../../packages/mta/src/cli/queue-text.ts'
import { covers } from '../conformance/covers.ts'
import { StsWorld, type StsWorldOptions } from '../lab/sts-world.ts'

const MX = 'mx.example.test'
const MX2 = 'mx2.example.test'

function world(second: NonNullable<StsWorldOptions['hosts']>[string]): Promise<StsWorld> {
  return StsWorld.start({
    hosts: { [MX]: { tls: 'expired' }, [MX2]: second },
    mx: {
      'example.test': [
        [10, MX],
        [20, MX2],
      ],
    },
    policies: { 'example.test': { mode: 'enforce', mx: [MX, MX2] } },
  })
}

test('SMTP-61: when every host fails the policy, the queue shows 4.7.x and the host that failed last', async () => {
  covers('SMTP-61', { observe: 'store' })
  await using sts = await world({ tls: 'wrong-name' })
  const id = await sts.send('example.test')
  const { lastOutcome } = await sts.relay.recipient(id, 'bob@example.test')
  assert.ok(lastOutcome?.kind === 'deferred')
  assert.match(lastOutcome.problem.status, /^4\.7\./)
  assert.equal(lastOutcome.problem.remote?.mxHostname, MX2)
  const listed = listText(await sts.relay.spool.admin.list({}, { limit: 10 }), { now: Date.now(), width: undefined })
  assert.match(listed, /4\.7\.5/)
  assert.match(listed, new RegExp(MX2.replaceAll('.', '\\.')))
})

test('SMTP-61: a worse host without a problem gets the mail in the same attempt', async () => {
  covers('SMTP-61', { observe: 'store' })
  await using sts = await world({})
  const id = await sts.send('example.test')
  assert.deepEqual(sts.relay.mx(MX).connection.commands.at(-1), 'QUIT')
  const [attempt] = sts.relay.eventsOf('attempt-finished')
  assert.deepEqual([attempt?.attempt, attempt?.remote.mxHostname], [1, MX2])
  assert.equal(await sts.relay.spool.admin.show(id), undefined, 'gone from the queue')
})
