import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { answerOf, type SocketmapAnswers } from './answers.ts'
import type { SocketmapEvent } from './events.ts'
import { netstring } from './netstring.ts'
import { type SocketmapPlace, type SocketmapServerOptions, startSocketmapServer } from './server.ts'

/** Says `TEMP no-host` at once, and for `slow N` after all that were asked before it, when the test lets it. */
class Echo implements SocketmapAnswers {
  readonly zones = 0
  readonly asked: string[] = []
  readonly #held: (() => void)[] = []

  answer(request: Buffer) {
    const text = request.toString()
    this.asked.push(text)
    const answer = { kind: 'temporary' as const, wire: netstring(`re ${text}`) }
    if (!text.startsWith('slow')) return answer
    return new Promise<typeof answer>((resolve) => this.#held.push(() => resolve(answer)))
  }

  /** The newest first, so that order is not by luck. */
  release(): void {
    for (const one of this.#held.splice(0).reverse()) one()
  }
}

const LOOPBACK: SocketmapPlace = { kind: 'tcp', address: '127.0.0.1', port: 0 }

async function bed(t: TestContext, { place = LOOPBACK, ...options }: Partial<SocketmapServerOptions> = {}) {
  const answers = new Echo()
  const events: SocketmapEvent[] = []
  const started = await startSocketmapServer({ place, answers, emit: (event) => events.push(event), ...options })
  assert(started.ok)
  t.after(() => started.value.close(0))
  const connect = () => {
    const socket =
      place.kind === 'unix' ? net.connect(place.path) : net.connect({ port: started.value.port, allowHalfOpen: true })
    return new Client(socket)
  }
  return { server: started.value, answers, events, connect }
}

class Client {
  readonly socket: net.Socket
  received = ''
  readonly ended: Promise<void>

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString()
    })
    socket.on('error', () => undefined)
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.once('end', () => socket.end())
  }

  say(...requests: readonly string[]): void {
    this.socket.write(Buffer.concat(requests.map(netstring)))
  }

  async until(text: string): Promise<void> {
    while (!this.received.includes(text)) await Promise.race([once(this.socket, 'data'), this.#early()])
  }

  async #early(): Promise<never> {
    await this.ended
    throw new Error(`closed after ${JSON.stringify(this.received)}`)
  }
}

const replies = (...texts: readonly string[]) => texts.map((text) => netstring(`re ${text}`).toString()).join('')

test('a request is answered, and the connection stays for the next', async (t) => {
  const { connect } = await bed(t)
  const client = connect()
  client.say('policy a.test')
  await client.until(replies('policy a.test'))
  client.say('policy b.test')
  await client.until(replies('policy a.test', 'policy b.test'))
})

test('pipelined requests are answered in their order, whichever answer is there first', async (t) => {
  const { connect, answers } = await bed(t)
  const client = connect()
  client.say('slow 1', 'quick 2', 'slow 3', 'quick 4')
  while (answers.asked.length < 4) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(client.received, '')
  answers.release()
  const expected = replies('slow 1', 'quick 2', 'slow 3', 'quick 4')
  await client.until(expected)
  assert.equal(client.received, expected)
})

test('no more than a number of answers is under way, and the rest is answered later', async (t) => {
  const { connect, answers } = await bed(t, { limits: { requestsAtOnceMax: 3 } })
  const client = connect()
  const asked = Array.from({ length: 10 }, (_, index) => `slow ${index}`)
  client.say(...asked)
  for (let done = 0; done < asked.length; done = client.received.split('slow').length - 1) {
    assert(answers.asked.length <= done + 3)
    answers.release()
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(client.received, replies(...asked))
})

test('a peer that ends its side after asking gets its answers', async (t) => {
  const { connect, answers } = await bed(t)
  const client = connect()
  client.say('quick 1', 'slow 2')
  client.socket.end()
  await client.until(replies('quick 1'))
  answers.release()
  await client.ended
  assert.equal(client.received, replies('quick 1', 'slow 2'))
})

test('a request of one octet at a time is a request, and one that never ends is ended', async (t) => {
  const { connect, events } = await bed(t, { limits: { requestMsMax: 100 } })
  const slow = connect()
  for (const octet of netstring('policy a.test')) slow.socket.write(Buffer.of(octet))
  await slow.until(replies('policy a.test'))
  slow.socket.write('13:pol')
  await slow.ended
  assert.equal(slow.received, replies('policy a.test'))
  assert(events.some((event) => event.event === 'socketmap-connection-refused' && event.because === 'request-too-slow'))
})

test('a silent connection is ended, and so is one that lasts too long', async (t) => {
  const { connect } = await bed(t, { limits: { idleMsMax: 50 } })
  await connect().ended
  const short = await bed(t, { limits: { connectionMsMax: 100 } })
  const client = short.connect()
  client.say('slow 1')
  await once(client.socket, 'connect')
  // What was asked before is answered still.
  while (short.answers.asked.length < 1) await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setTimeout(resolve, 150))
  short.answers.release()
  await client.ended
  assert.equal(client.received, replies('slow 1'))
})

const NONSENSE = [
  ['an oversized request', '1025:', 'too-long'],
  ['an endless length', '9'.repeat(100), 'too-long'],
  ['another protocol', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'bad-length'],
  ['a wrong end', '3:abcX', 'bad-terminator'],
] as const

for (const [what, text, because] of NONSENSE) {
  test(`${what} is answered with PERM behind the answers before it, and ends the connection`, async (t) => {
    const { connect, events } = await bed(t)
    const client = connect()
    client.socket.write(Buffer.concat([netstring('quick 1'), Buffer.from(text)]))
    await client.ended
    const perm = answerOf({ kind: 'permanent', because: 'malformed-request' }).wire.toString()
    assert.equal(client.received, replies('quick 1') + perm)
    assert(events.some((event) => event.event === 'socketmap-connection-refused' && event.because === because))
  })
}

test('a peer that reads nothing is not read from any more, and costs no memory', async (t) => {
  const { connect, answers } = await bed(t)
  const client = connect()
  await once(client.socket, 'connect')
  client.socket.pause()
  const burst = Buffer.concat(Array.from({ length: 500 }, () => netstring('x'.repeat(1000))))
  let blocked = 0
  for (let sent = 0; blocked < 5 && sent < 200; ) {
    const before = answers.asked.length
    if (client.socket.writableLength === 0) {
      client.socket.write(burst)
      sent += 1
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
    blocked = client.socket.writableLength > 0 && answers.asked.length === before ? blocked + 1 : 0
  }
  assert(client.socket.writableLength > 0, 'the rest of the requests waits at the client')
  client.socket.destroy()
})

test('one connection more than there may be is closed at once, and a free place is taken again', async (t) => {
  const { connect, events } = await bed(t, { limits: { connectionsMax: 1 } })
  const first = connect()
  first.say('quick 1')
  await first.until(replies('quick 1'))
  const second = connect()
  await second.ended
  assert(
    events.some((event) => event.event === 'socketmap-connection-refused' && event.because === 'too-many-connections'),
  )
  first.socket.destroy()
  for (;;) {
    const third = connect()
    third.say('quick 3')
    const answered = await Promise.race([
      third.until(replies('quick 3')).then(
        () => true,
        () => false,
      ),
    ])
    if (answered) break
  }
})

test('a stop answers what was asked, takes nothing new, and waits no longer than it may', async (t) => {
  const { connect, answers, server } = await bed(t)
  const client = connect()
  client.say('slow 1')
  while (answers.asked.length < 1) await new Promise((resolve) => setImmediate(resolve))
  const closed = server.close(5_000)
  client.say('quick 2')
  answers.release()
  await Promise.all([closed, client.ended])
  assert.equal(client.received, replies('slow 1'))

  const stuck = await bed(t)
  const waiting = stuck.connect()
  waiting.say('slow 1')
  while (stuck.answers.asked.length < 1) await new Promise((resolve) => setImmediate(resolve))
  await stuck.server.close(50)
  await waiting.ended
})

test('a path: the socket of a process that was killed is replaced, that of a living one is not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'socketmap-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const place = { kind: 'unix', path: join(folder, 'map') } as const
  const living = await bed(t, { place })
  const client = living.connect()
  client.say('policy a.test')
  await client.until(replies('policy a.test'))
  assert.equal(statSync(place.path).mode & 0o777, 0o666)

  const second = await startSocketmapServer({ place, answers: new Echo(), emit: () => undefined })
  assert(!second.ok && (second.error as NodeJS.ErrnoException).code === 'EADDRINUSE')
  client.say('policy b.test')
  await client.until(replies('policy b.test'))

  const file = { kind: 'unix', path: join(folder, 'file') } as const
  writeFileSync(file.path, 'precious')
  const foreign = await startSocketmapServer({ place: file, answers: new Echo(), emit: () => undefined })
  assert(!foreign.ok)
  assert.equal(statSync(file.path).size, 'precious'.length)
})

test('what was answered is counted, by kind', async (t) => {
  const { connect, events } = await bed(t)
  const client = connect()
  client.say(...Array.from({ length: 1_500 }, () => 'quick'))
  client.socket.end()
  await client.ended
  while (events.filter(({ event }) => event === 'socketmap-answered').length < 2)
    await new Promise((resolve) => setImmediate(resolve))
  const counted = events.flatMap((event) => (event.event === 'socketmap-answered' ? [event.counts.temporary ?? 0] : []))
  assert.equal(
    counted.reduce((sum, one) => sum + one, 0),
    1_500,
  )
})
