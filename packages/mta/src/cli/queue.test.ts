import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parseDomainName } from '@hermetic/policy'
import { type RelayStatus, SOCKET_NAME } from '../admin/control-protocol.ts'
import { startControlSocket } from '../admin/control-socket.ts'
import { laneId } from '../delivery/lane.ts'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import { newQueueId, type QueueId } from '../spool/queue-id.ts'
import type { Spool } from '../spool/spool.ts'
import { TerminalLab } from './terminal-lab.ts'

async function openSpool(lab: TerminalLab): Promise<Spool> {
  const dataDir = join(lab.directory, 'data')
  const opened = await openSqliteSpool({ dataDir, maxBytes: 64 * 1024 ** 2, emit: () => undefined })
  assert.ok(opened.ok)
  return opened.value
}

async function accept(spool: Spool, recipient: string, domain = 'example.com'): Promise<QueueId> {
  const name = parseDomainName(domain)
  assert.ok(name.ok)
  const address = { localPart: recipient, domain: { kind: 'name', name: name.value } } as const
  const id = newQueueId()
  const outcome = await spool.accept({
    id,
    envelope: {
      reversePath: { ...address, localPart: 'sender' },
      body: '7bit',
      smtpUtf8: false,
      tls: 'default',
      dsn: {},
      size: 5,
      origin: { kind: 'network', address: '192.0.2.1' },
    },
    recipients: [{ index: 0, address }],
    deliveries: [{ lane: laneId({ kind: 'mx', nextHop: address.domain, port: 25 }), recipients: [0] }],
    receivedAt: Date.now(),
    expiresAt: Date.now() + 86_400_000,
    content: { kind: 'memory', bytes: Buffer.from('hi\r\n\r\n') },
  })
  assert.equal(outcome.kind, 'accepted')
  return id
}

function status(spool: Spool): RelayStatus {
  return {
    version: '0.1.0',
    node: '26.10.0',
    pid: 7,
    startedAt: Date.now(),
    hostname: 'relay.example.com',
    directory: '/var/lib/hermetic',
    engine: 'embedded',
    roles: ['submission', 'delivery', 'reporter'],
    listeners: [{ name: 's', kind: 'submission', address: '127.0.0.1', port: 2587, tls: 'starttls' }],
    metrics: { address: '::1', port: 9125 },
    readiness: { ready: false, reasons: ['no name server answers'], notes: [] },
    store: spool.health(),
    queue: { messages: 1, recipientsOpen: 1, held: 0, quarantined: 0, bytes: 5, lanes: 1 },
  }
}

/** What an operator does, with the same answers from a running relay and from the files alone. */
for (const by of ['relay', 'files'] as const) {
  describe(`hermetic queue, by the ${by}`, () => {
    async function world(use: (lab: TerminalLab, ids: readonly [QueueId, QueueId]) => Promise<void>): Promise<void> {
      using lab = new TerminalLab()
      lab.now = Date.now() + 90_000
      const spool = await openSpool(lab)
      const ids = [await accept(spool, 'jane'), await accept(spool, 'joe', 'example.org')] as const
      if (by === 'files') {
        await spool.close()
        return await use(lab, ids)
      }
      const control = await startControlSocket({
        path: join(lab.directory, 'data', SOCKET_NAME),
        queue: spool.admin,
        status: async () => status(spool),
        queueChanged: () => undefined,
        emit: () => undefined,
      })
      try {
        await use(lab, ids)
      } finally {
        await control.close()
        await spool.close()
      }
    }

    test('list tells age, tries, next try and addresses; filters narrow it', async () => {
      await world(async (lab, [jane, joe]) => {
        const { code, out, err } = await lab.run('queue', 'list')
        assert.equal(code, 0)
        assert.equal(err, by === 'files' ? 'No relay runs; reading the files directly.\n' : '')
        const [head = '', first = '', second = ''] = out.split('\n')
        assert.match(head, /^ID +AGE +SIZE +CLASS +STATE +TRIES +NEXT TRY +FROM +TO +LAST PROBLEM$/)
        assert.match(
          first,
          new RegExp(`^${jane} +1m +5 B +normal +queued +0 +now +sender@example\\.com +jane@example\\.com$`),
        )
        assert.ok(second.startsWith(joe))
        const narrowed = await lab.run('queue', 'list', '--domain', 'EXAMPLE.org', '--json')
        assert.deepEqual(
          narrowed.out
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line).id),
          [joe],
        )
        assert.equal((await lab.run('queue', 'list', '--state', 'held')).out, 'No waiting message matches.\n')
        assert.match((await lab.run('queue', 'list', '--limit', '1')).err, /There are more/)
        assert.equal((await lab.run('queue', 'list', '--limit', '0')).code, 2)
      })
    })

    test('hold, release, retry and cancel change what they name, and say so', async () => {
      await world(async (lab, [jane, joe]) => {
        const held = await lab.run('queue', 'hold', jane, '--reason', 'asked by Jane')
        assert.deepEqual([held.code, held.out], [0, '1 message held\n'])
        const shown = await lab.run('queue', 'show', jane)
        assert.match(shown.out, /^Lane mx:example\.com:25: held \(asked by Jane\), 0 tries$/m)
        assert.match((await lab.run('queue', 'release', '--state', 'held', '--yes')).out, /^1 message released/)
        assert.match((await lab.run('queue', 'retry', '--all', '--yes')).out, /^2 messages due now/)
        assert.equal((await lab.run('queue', 'cancel', jane, joe)).code, 0)
        assert.equal((await lab.run('queue', 'list')).out, 'The queue is empty.\n')
        const again = await lab.run('queue', 'cancel', jane)
        assert.equal(again.code, 1)
        assert.match(again.err, new RegExp(`${jane}: not in the queue`))
      })
    })

    test('re-routing through what is no route is refused, also when it is only counted', async () => {
      await world(async (lab, [jane]) => {
        const { code, out, err } = await lab.run('queue', 'reroute', '--all', '--to', 'relay.test')
        assert.deepEqual([code, out], [1, ''])
        assert.match(err, /relay\.test: no route names a host/)
        assert.match((await lab.run('queue', 'reroute', jane)).err, /nothing to change/)
        assert.match((await lab.run('queue', 'reroute', '--all')).out, /2 would be left alone: nothing to change/)
      })
    })

    test('an order with a filter is only counted, until it says --yes', async () => {
      await world(async (lab, [jane]) => {
        assert.equal((await lab.run('queue', 'hold', jane)).code, 0)
        const dry = await lab.run('queue', 'hold', '--all')
        assert.equal(dry.code, 0)
        assert.match(dry.out, /^2 messages \(10 B, 2 open recipients, the oldest 1m old\)\n {2}1 would be held\n/)
        assert.match(
          dry.out,
          /^ {2}1 would be left alone: nothing to change\nNothing was changed; the same with --yes/m,
        )
        const json = await lab.run('queue', 'cancel', '--domain', 'example.org', '--json')
        assert.deepEqual(JSON.parse(json.out), {
          ...{ action: 'cancel', changed: false, messages: 1, bytes: 5, recipients: 1 },
          would: { done: 1 },
        })
        const both = await lab.run('queue', 'list', '--json')
        assert.equal(both.out.trimEnd().split('\n').length, 2)
        assert.match((await lab.run('queue', 'hold', '--all', '--yes')).out, /^1 message held \(1 nothing-to-do\)/)
      })
    })

    test('orders are narrowed by age and tag', async () => {
      await world(async (lab) => {
        const cancel = (...filter: readonly string[]) => lab.run('queue', 'cancel', ...filter, '--yes')
        assert.match((await cancel('--older-than', '1h')).out, /^0 messages cancelled/)
        assert.match((await cancel('--tag', 'news')).out, /^0 messages cancelled/)
        assert.match((await cancel('--older-than', '1m')).out, /^2 messages cancelled/)
        assert.equal((await cancel('--older-than', 'soon')).code, 2)
        assert.equal((await cancel('--tag', 'a b')).code, 2)
      })
    })

    test('cancel --notify leaves what the sender is to be told', async () => {
      await world(async (lab, [jane]) => {
        assert.match((await lab.run('queue', 'cancel', jane, '--notify')).out, /^1 message cancelled/)
        assert.match((await lab.run('queue', 'show', jane)).out, /^Lane notice: the sender is told now/m)
        assert.match((await lab.run('queue', 'cancel', jane, '--notify')).err, /nothing to change/)
      })
    })

    test('summary counts, and names the lanes', async () => {
      await world(async (lab) => {
        const { out } = await lab.run('queue', 'summary')
        assert.match(out, /^2 messages \(.*\) for 2 recipients, the oldest 1m old; 0 held, 0 quarantined\n/)
        assert.match(out, /^mx:example\.org:25 +1m +1 +1$/m)
      })
    })

    test('show of an unknown id is told, and exits with 1', async () => {
      await world(async (lab, [jane]) => {
        const { code, out, err } = await lab.run('queue', 'show', newQueueId(), jane)
        assert.equal(code, 1)
        assert.match(err, /not in the queue/)
        assert.match(out, /^From: +sender@example\.com$/m)
      })
    })

    test('status tells whether a relay runs, and why it is not ready', async () => {
      await world(async (lab) => {
        const { code, out, err } = await lab.run('status')
        assert.equal(code, 1)
        if (by === 'files') assert.match(err, /^No relay runs on /)
        else assert.match(out, /^up +\S+, not ready: no name server answers$/m)
      })
    })
  })
}

test('without a queue there is nothing to open, and nothing is made', async () => {
  using lab = new TerminalLab()
  const { code, err } = await lab.run('queue', 'list')
  assert.equal(code, 0)
  assert.match(err, /There is no queue in .* yet/)
})

test('files in use by a process without a socket are not touched', async () => {
  using lab = new TerminalLab()
  const spool = await openSpool(lab)
  const { code, err } = await lab.run('queue', 'list')
  await spool.close()
  assert.equal(code, 1)
  assert.match(err, /^hermetic queue: another relay runs on this data_dir/)
  assert.doesNotMatch(err, /\n {4}at /)
})

test('who has only tried Hermetic out is told where that queue is', async () => {
  using lab = new TerminalLab()
  assert.doesNotMatch((await lab.run('queue', 'list')).err, /--try/)
  const tried = join(lab.directory, 'data', 'try')
  const opened = await openSqliteSpool({ dataDir: tried, maxBytes: 64 * 1024 ** 2, emit: () => undefined })
  assert.ok(opened.ok)
  await opened.value.close()
  for (const [verb, ...rest] of [['queue', 'list'], ['status']] as const) {
    const { err } = await lab.run(verb, ...rest)
    assert.match(err, /^start --try has a queue of its own: HERMETIC_DATA_DIR=\S+\/data\/try hermetic /m)
  }
})
