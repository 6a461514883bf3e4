/** The relay's queue as mailer of reports: the contract of the port, and what only a queue has. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { laneFor, routeTable } from '../../packages/mta/src/delivery/routing.ts'
import { createQueueMailer } from '../../packages/mta/src/reporting/queue-mailer.ts'
import { formatAddress, formatReversePath } from '../../packages/mta/src/smtp/mail-address.ts'
import { openSqliteSpool } from '../../packages/mta/src/spool/adapters/sqlite-spool.ts'
import { eventually, NOON, type SpoolPlace, SpoolWorld } from '../../packages/mta/src/spool/spool.fixture.ts'
import type { Spool } from '../../packages/mta/src/spool/spool.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { type QueuedReport, reportMailerContract } from '../../packages/reporter/src/ports/report-mailer.contract.ts'

async function open(place: SpoolPlace): Promise<StoredSpool> {
  const opened = await openSqliteSpool({
    ...{ dataDir: place.dataDir, maxBytes: place.maxBytes, now: () => place.clock.now },
    emit: ({ event }) => place.events.push(event),
    hooks: { faults: place.faults, diskFreeBytes: () => place.disk.freeBytes, probeIntervalMs: 10 },
  })
  assert.ok(opened.ok)
  return opened.value
}

function mailerOf(spool: Pick<Spool, 'accept' | 'health'>, onQueued: () => void = () => undefined) {
  return createQueueMailer({
    ...{ spool, onQueued, now: () => NOON },
    laneFor: (mail) => laneFor(mail, { port: 25, routes: routeTable([]) }),
  })
}

async function queuedIn(spool: StoredSpool): Promise<readonly QueuedReport[]> {
  const entries = await spool.admin.list({}, { limit: 100 })
  return Promise.all(
    entries.map(async ({ id, envelope, deliveries, expiresAt: giveUpAt }) => {
      const content = await spool.open(id)
      assert.ok(content.kind === 'memory')
      return {
        ...{ name: id, giveUpAt, sender: formatReversePath(envelope.reversePath) },
        recipients: deliveries.flatMap(({ recipients }) => recipients.map(({ address }) => formatAddress(address))),
        content: Buffer.from(content.bytes).toString(),
      }
    }),
  )
}

reportMailerContract(async (t) => {
  const world = new SpoolWorld(t, open)
  const spool = await world.open()
  return {
    mailer: mailerOf(spool),
    queued: async () => queuedIn(await world.open()),
    fill: () => {
      world.place.disk.freeBytes = 0
      // The disk is looked at now and then; a refused accept is the contract's matter.
      spool.health = () => ({ ...spoolHealth, intake: 'full' })
      const spoolHealth = { claims: 'open', detail: '', usedBytes: 0, maxBytes: 0 } as const
    },
  }
})

const MAIL = {
  ...{ id: 'x', sender: 'tlsrpt@sender.example', recipient: 'tls@rcpt.example', messageId: '<1@sender.example>' },
  ...{ bytes: Buffer.from('Subject: x\r\n\r\n'), giveUpAt: NOON + 86_400_000 },
}

test('a report is of local origin, as little urgent as mail can be told, for any TLS, and nobody is notified', async (t) => {
  const world = new SpoolWorld(t, open)
  const spool = await world.open()
  let woken = 0
  await mailerOf(spool, () => {
    woken += 1
  }).submit(MAIL)
  const [entry] = await spool.admin.list({}, { limit: 2 })
  assert.deepEqual(entry?.envelope.origin, { kind: 'local', purpose: 'report' })
  assert.deepEqual([entry?.envelope.tls, entry?.envelope.priority, woken], ['tls-optional', -4, 1])
  assert.deepEqual(entry?.deliveries[0]?.recipients[0]?.notify, ['NEVER'])
})

test('an accept whose outcome nobody knows is never delivered; the next attempt takes another id and is', async (t) => {
  const world = new SpoolWorld(t, open)
  const spool = await world.open()
  const mailer = mailerOf(spool)
  world.place.faults.arm('after-commit', { act: 'lose-answer' })
  const lost = await mailer.submit(MAIL)
  await eventually('the store works again', () => spool.health().intake === 'open')
  const again = await mailer.submit(MAIL)
  assert.equal(again.kind, 'queued')
  assert.deepEqual(await mailer.submit(MAIL), again)
  assert.equal((await queuedIn(await world.open())).length, 1, lost.kind)
})

test('a store that fails is not asked, so no id is used up', async () => {
  let asked = 0
  const spool = {
    health: () => ({ intake: 'failing', claims: 'stopped', detail: '', usedBytes: 0, maxBytes: 0 }) as const,
    accept: async () => {
      asked += 1
      return { kind: 'unavailable', detail: '' } as const
    },
  }
  assert.deepEqual(await mailerOf(spool).submit(MAIL), { kind: 'unavailable', reason: 'queue-failing' })
  assert.equal(asked, 0)
})
