/** RFC 8305 §5 on real sockets: who is dialled when, and who wins. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { test } from 'node:test'
import { BlackHole } from '../../../../test/lab/black-hole.ts'
import { addressBlock } from '../../../../test/lab/world-host.ts'
import { type DialOptions, type DialTarget, dial } from './dial.ts'

const addresses = addressBlock()

class Listening implements AsyncDisposable {
  readonly server: Server
  readonly from: string[] = []

  static async at(address: string, port = 0): Promise<Listening> {
    const listening = new Listening()
    listening.server.listen(port, address)
    await once(listening.server, 'listening')
    return listening
  }

  constructor() {
    this.server = createServer((socket) => {
      this.from.push(socket.remoteAddress ?? '')
      socket.on('error', () => undefined).resume()
    })
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close()
    await once(this.server, 'close')
  }
}

function race(targets: readonly DialTarget[], options: Partial<DialOptions<DialTarget>> & { readonly port: number }) {
  const timeouts = { connectMs: 5_000 }
  return dial({ targets, timeouts, attemptDelayMs: 30, monotonic: () => performance.now(), ...options })
}

async function won(dialled: ReturnType<typeof race>): Promise<string | undefined> {
  const { connected } = await dialled
  connected?.socket.destroy()
  return connected?.target.address
}

test('the first address in order is the one when it answers in time; no other is dialled', async () => {
  await using first = await Listening.at(addresses())
  await using second = await Listening.at(addresses(), first.port)
  const { address } = first.server.address() as AddressInfo
  const { address: other } = second.server.address() as AddressInfo
  assert.equal(await won(race([{ address }, { address: other }], { port: first.port, attemptDelayMs: 2_000 })), address)
  assert.deepEqual(second.from, [])
})

test('an address that swallows connections costs the delay between attempts, not the time of a connect', async () => {
  await using alive = await Listening.at(addresses())
  const { address } = alive.server.address() as AddressInfo
  const silent = addresses()
  await using _ = await BlackHole.open(silent, alive.port)
  const startedAt = performance.now()
  const { connected, failed } = await race([{ address: silent }, { address }], { port: alive.port })
  connected?.socket.destroy()
  assert.equal(connected?.target.address, address)
  assert.deepEqual(failed, [], 'who was given up has not failed')
  assert.ok(performance.now() - startedAt < 4_000)
})

test('after a refusal the next is dialled at once', async () => {
  await using alive = await Listening.at(addresses())
  const { address } = alive.server.address() as AddressInfo
  const closed = addresses()
  const { connected, failed } = await race([{ address: closed }, { address }], {
    port: alive.port,
    attemptDelayMs: 60_000,
  })
  connected?.socket.destroy()
  assert.equal(connected?.target.address, address)
  assert.deepEqual(
    failed.map(({ target, problem }) => [target.address, problem]),
    [[closed, { kind: 'connect-failed', code: 'ECONNREFUSED' }]],
  )
})

test('when nobody answers, each address has its own problem', async () => {
  const closed = [addresses(), addresses()]
  await using other = await Listening.at(addresses())
  const { connected, failed } = await race(
    closed.map((address) => ({ address })),
    { port: other.port },
  )
  assert.equal(connected, undefined)
  assert.deepEqual(
    failed.map(({ target }) => target.address),
    closed,
  )
})

test('the time of a connect is counted for each address from its own beginning', async () => {
  await using other = await Listening.at(addresses())
  const [one, two] = [addresses(), addresses()]
  await using _ = await BlackHole.open(one, other.port)
  await using __ = await BlackHole.open(two, other.port)
  const { failed } = await race([{ address: one }, { address: two }], {
    port: other.port,
    timeouts: { connectMs: 120 },
  })
  assert.deepEqual(
    failed.map(({ problem }) => problem),
    Array.from({ length: 2 }, () => ({ kind: 'timeout', phase: 'connect' })),
  )
  for (const { durationMs } of failed) assert.ok(durationMs >= 100, `${durationMs} ms`)
})

test('a signal ends it; nothing is said of the addresses', async () => {
  await using other = await Listening.at(addresses())
  const silent = addresses()
  await using _ = await BlackHole.open(silent, other.port)
  const stop = new AbortController()
  const running = race([{ address: silent }], { port: other.port, signal: stop.signal })
  stop.abort()
  assert.deepEqual(await running, { connected: undefined, failed: [] })
  assert.deepEqual(await race([{ address: silent }], { port: other.port, signal: stop.signal }), {
    connected: undefined,
    failed: [],
  })
})

test('each address is dialled from its own local address', async () => {
  await using alive = await Listening.at(addresses())
  const { address } = alive.server.address() as AddressInfo
  const localAddress = addresses()
  await won(race([{ address, localAddress }], { port: alive.port }))
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(alive.from, [localAddress])
})

test('a local address that this machine does not have is a failure of its own code', async () => {
  await using alive = await Listening.at(addresses())
  const { address } = alive.server.address() as AddressInfo
  const { failed } = await race([{ address, localAddress: '192.0.2.1' }], { port: alive.port })
  assert.deepEqual(failed[0]?.problem, { kind: 'connect-failed', code: 'EADDRNOTAVAIL' })
})
