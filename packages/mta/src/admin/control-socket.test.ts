import assert from 'node:assert/strict'
import { linkSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { RelayEvent } from '../observability/relay-events.ts'
import { StoreUnavailable } from '../spool/spool.ts'
import type { SuppressionEvent } from '../suppression/events.ts'
import { ControlFailed, connectControl } from './control-client.ts'
import { PAGE_MAX, REQUEST_BYTES_MAX, type RelayStatus, SOCKET_NAME } from './control-protocol.ts'
import { SocketInUse, startControlSocket } from './control-socket.ts'
import type { HttpService } from './http-service.ts'
import { labEntry, labId, labQueue } from './queue-lab.ts'
import type { QueueOrder } from './routed-queue.ts'

const status: RelayStatus = {
  version: '0.1.0',
  node: '26.10.0',
  pid: 7,
  startedAt: 0,
  hostname: 'relay.example.com',
  directory: '/var/lib/hermetic',
  engine: 'embedded',
  roles: ['submission', 'delivery', 'reporter'],
  listeners: [],
  metrics: { address: '127.0.0.1', port: 9125 },
  readiness: { ready: true, reasons: [], notes: [] },
  store: { intake: 'open', claims: 'open', detail: '', usedBytes: 1, maxBytes: 2 },
  queue: { messages: 0, recipientsOpen: 0, held: 0, quarantined: 0, bytes: 0, lanes: 0 },
}

describe('the control socket', () => {
  let directory = ''
  let path = ''
  let service: HttpService | undefined
  let changed: QueueOrder[] = []
  let events: (RelayEvent | SuppressionEvent)[] = []

  const start = async (queue = labQueue([1, 2, 3].map((number) => labEntry(number)))) => {
    service = await startControlSocket({
      path,
      queue,
      status: async () => status,
      queueChanged: (action) => void changed.push(action),
      waitOf: () => ({ phase: 'draining' }),
      emit: (event) => void events.push(event),
    })
    const client = await connectControl(path)
    assert.ok(client !== undefined)
    return { client, queue }
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hermetic-control-'))
    path = join(directory, SOCKET_NAME)
    changed = []
    events = []
  })
  afterEach(async () => {
    await service?.close()
    service = undefined
    rmSync(directory, { recursive: true })
  })

  test('what the lanes of a message with a thousand next hops wait for fits into requests', async () => {
    const { client } = await start()
    const label = 'a'.repeat(60)
    const lanes = Array.from({ length: 1_000 }, (_, at) => `mx:${label}.${label}.${label}.x${at}.example:25`)
    assert.ok(JSON.stringify(lanes).length > REQUEST_BYTES_MAX)
    assert.deepEqual(Object.keys(await client.waits(lanes)), lanes)
  })

  test('only its owner may open it', async () => {
    await start()
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  test('the client sees the queue as the relay does', async () => {
    const { client, queue } = await start()
    assert.deepEqual(await client.status(), status)
    assert.deepEqual(await client.queue.list({}, { limit: 2 }), await queue.list({}, { limit: 2 }))
    assert.deepEqual(await client.queue.list({}, { limit: 2, after: labId(2) }), [labEntry(3)])
    assert.deepEqual(await client.queue.list({ state: 'held' }, { limit: PAGE_MAX + 1 }), [])
    assert.deepEqual(await client.queue.show(labId(1)), labEntry(1))
    assert.equal(await client.queue.show(labId(9)), undefined)
    assert.deepEqual(await client.queue.summary(), await queue.summary())
  })

  test('an order reaches the queue, wakes the relay and is told', async () => {
    const { client, queue } = await start()
    const changes = await client.queue.change([labId(1), labId(9)], { kind: 'hold', reason: 'asked' })
    assert.deepEqual(changes, [
      { id: labId(1), result: 'done' },
      { id: labId(9), result: 'not-found' },
    ])
    assert.deepEqual(queue.ordered, [{ ids: [labId(1), labId(9)], action: { kind: 'hold', reason: 'asked' } }])
    assert.deepEqual(changed, [{ kind: 'hold', reason: 'asked' }])
    assert.deepEqual(events, [{ event: 'queue-ordered', action: 'hold', messages: 1 }])
  })

  test('thousands of ids go in several requests', async () => {
    const { client, queue } = await start()
    const ids = Array.from({ length: 2_500 }, (_, number) => labId(number))
    assert.equal((await client.queue.change(ids, { kind: 'retry' })).length, 2_500)
    assert.deepEqual(
      queue.ordered.map((order) => order.ids.length),
      [1_000, 1_000, 500],
    )
  })

  test('a request that is not understood is answered, and changes nothing', async () => {
    const { queue } = await start()
    for (const [body, code] of [
      ['{', 400],
      ['{"ids":["../../etc/passwd"],"action":{"kind":"cancel"}}', 400],
      ['{"ids":[],"action":{"kind":"delete"}}', 400],
      ['{"ids":[],"action":{"kind":"retry"},"force":true}', 400],
      ['{"ids":[],"action":{"kind":"retry","notify":true}}', 400],
      ['{"ids":[],"action":{"kind":"cancel","notify":"yes"}}', 400],
      [JSON.stringify({ ids: ['x'.repeat(REQUEST_BYTES_MAX)] }), 413],
    ] as const) {
      assert.equal(await post(path, '/queue/change', body), code, body.slice(0, 60))
    }
    assert.equal(await post(path, '/queue/drop', '{}'), 404)
    assert.deepEqual(queue.ordered, [])
  })

  test('a store that is not available is told as such', async () => {
    const { client, queue } = await start()
    queue.summary = async () => {
      throw new StoreUnavailable('the disk is gone')
    }
    await assert.rejects(
      client.queue.summary(),
      (error) => error instanceof ControlFailed && /disk is gone/.test(error.message),
    )
    assert.deepEqual(events, [])
  })

  test('nobody answering means that no relay runs', async () => {
    assert.equal(await connectControl(path), undefined)
    writeFileSync(path, '')
    assert.equal(await connectControl(path), undefined)
  })

  test('a socket that a killed relay left behind is replaced', async () => {
    await leaveStaleSocket(path)
    const { client } = await start()
    assert.equal((await client.status()).pid, 7)
  })

  test('the socket of a living relay is left alone', async () => {
    await start()
    await assert.rejects(start(), SocketInUse)
    assert.notEqual(await connectControl(path), undefined)
  })
})

function post(socketPath: string, path: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method: 'POST', agent: false }, (received) => {
      received.resume()
      resolve(received.statusCode ?? 0)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** A socket file without a listener, as after SIGKILL: the file of a closed server, linked under another name. */
async function leaveStaleSocket(path: string): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen({ path: `${path}.first` }, resolve))
  linkSync(`${path}.first`, path)
  await new Promise<void>((resolve) => server.close(() => resolve()))
}
