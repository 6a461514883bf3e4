/** The guarded HTTPS client against hosts on loopback: which addresses it dials, and what hostile answers do to it. */
import assert from 'node:assert/strict'
import diagnostics from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { BlackHole } from '../../../../test/lab/black-hole.ts'
import { PolicyHost } from '../../../../test/lab/policy-host.ts'
import { type ClientOptions, domainName, PolicyHostWorld } from '../../../../test/lab/policy-host-world.ts'
import type { Result } from '../result.ts'
import type { HttpsDocument } from './guarded-https.ts'
import { type HttpsFailure, mostTelling } from './https-failure.ts'
import { TargetLimits } from './target-limits.ts'

const DOMAIN = 'example.test'
const NAME = `mta-sts.${DOMAIN}`

let world: PolicyHostWorld
let host: PolicyHost
/** What this process dialled over TCP since the beginning of the test. */
const dialled: string[] = []
const sockets = { open: new Set<Socket>(), mostOpen: 0 }
const note = (message: unknown) => {
  const { socket } = message as { readonly socket: Socket }
  // Its `close` may come after that of the TLS socket above it, for which the next exchange has waited.
  for (const before of sockets.open) if (before.destroyed) sockets.open.delete(before)
  sockets.open.add(socket)
  sockets.mostOpen = Math.max(sockets.open.size, sockets.mostOpen)
  socket.on('connectionAttempt', (address: string, port: number) => dialled.push(`${address} ${port}`))
}

before(async () => {
  world = await PolicyHostWorld.start()
  host = await world.policyHost(DOMAIN)
  diagnostics.subscribe('net.client.socket', note)
})
after(async () => {
  diagnostics.unsubscribe('net.client.socket', note)
  await world[Symbol.asyncDispose]()
})
beforeEach(() => {
  dialled.length = 0
  host.connections = 0
  host.requests.length = 0
  host.answer = { body: 'hello' }
  world.publish({ [NAME]: { A: [host.address] } })
})
afterEach(() => {
  host.fault = undefined
})

describe('SSRF: the guard', () => {
  test('STS-44: an exception is what opens loopback, so the refusals below are the guard', async () => {
    covers('STS-44', { observe: 'https' })
    assert.equal((await get()).ok, true)
    assert.deepEqual([host.connections, dialled], [1, [`127.0.0.1 ${host.port}`]])
  })

  for (const [where, records] of [
    ['loopback', { A: ['127.0.0.1'] }],
    ['elsewhere on loopback', { A: ['127.9.9.9'] }],
    ['IPv6 loopback', { AAAA: ['::1'] }],
    ['this network', { A: ['0.0.0.0'] }],
    ['unspecified', { AAAA: ['::'] }],
    ['private', { A: ['10.0.0.1', '172.16.0.1', '192.168.0.1'] }],
    ['shared', { A: ['100.64.0.1'] }],
    ['link-local, a metadata service', { A: ['169.254.169.254'] }],
    ['IPv6 link-local', { AAAA: ['fe80::1'] }],
    ['unique local', { AAAA: ['fd00::1', 'fd00:ec2::254'] }],
    ['mapped loopback', { AAAA: ['::ffff:127.0.0.1'] }],
    ['mapped private', { AAAA: ['::ffff:10.0.0.1'] }],
    ['IPv4-compatible loopback', { AAAA: ['::127.0.0.1'] }],
    ['NAT64 of loopback', { AAAA: ['64:ff9b::127.0.0.1'] }],
    ['NAT64 of private', { AAAA: ['64:ff9b::10.0.0.1'] }],
    ['local NAT64', { AAAA: ['64:ff9b:1::8.8.8.8'] }],
    ['6to4 of loopback', { AAAA: ['2002:7f00:1::1'] }],
    ['multicast', { A: ['224.0.0.1'], AAAA: ['ff02::1'] }],
    ['several at once', { A: ['127.0.0.1', '10.0.0.1'], AAAA: ['::1', '::ffff:127.0.0.1'] }],
  ] as const) {
    test(`STS-44: ${where} is never contacted`, async () => {
      covers('STS-44', { observe: 'https' })
      world.publish({ [NAME]: records })
      const error = failure(await get({ exceptions: [] }))
      assert(error.kind === 'address-refused')
      assert.equal(error.refused.length, Object.values(records).flat().length)
      assert.deepEqual([host.connections, dialled], [0, []])
    })
  }

  test('STS-44: an alias leads to no refused address either', async () => {
    covers('STS-44', { observe: 'https' })
    world.publish({ [NAME]: { CNAME: 'localhost.example.test' }, 'localhost.example.test': { A: ['127.0.0.1'] } })
    assert.equal(failure(await get({ exceptions: [] })).kind, 'address-refused')
    assert.deepEqual([host.connections, dialled], [0, []])
  })

  test('STS-44: among several addresses only those that passed are dialled', async () => {
    covers('STS-44', { observe: 'https' })
    world.publish({ [NAME]: { A: ['127.0.0.2', '10.0.0.1', host.address, '169.254.169.254'] } })
    assert.equal((await get({ exceptions: ['127.0.0.1'] })).ok, true)
    host.fault = 'not-tls'
    assert.equal(failure(await get({ exceptions: ['127.0.0.1'] })).kind, 'tls')
    assert.deepEqual(dialled, Array(2).fill(`127.0.0.1 ${host.port}`))
  })

  for (const turns of ['refused after the check', 'refused before the check'] as const) {
    test(`STS-44: DNS that changes its answer has one say only: ${turns}`, async () => {
      covers('STS-44', { observe: 'https' })
      await using trap = await PolicyHost.start({ address: '127.0.0.2', port: host.port, tls: host.tls })
      const order = turns === 'refused after the check' ? [host.address, trap.address] : [trap.address, host.address]
      let questions = 0
      world.dns.fail(
        NAME,
        {
          kind: 'rewrite',
          rewrite: (packet) => {
            const data = order[Math.min(questions, 1)] ?? ''
            questions += 1
            return { ...packet, answers: [{ type: 'A', name: NAME, ttl: 0, data }] }
          },
        },
        { type: 'A' },
      )
      // Whoever looked again, before the connection or for its retry, would get the other address.
      host.fault = (connection) => (connection === 1 ? 'reset-at-hello' : undefined)
      const result = await get({ exceptions: ['127.0.0.1'] })
      world.dns.heal(NAME)
      assert.equal(questions, 1)
      assert.equal(trap.connections, 0)
      const allowedFirst = turns === 'refused after the check'
      assert.equal(result.ok ? 'answered' : result.error.kind, allowedFirst ? 'answered' : 'address-refused')
      assert.deepEqual(dialled, allowedFirst ? Array(2).fill(`127.0.0.1 ${host.port}`) : [])
    })
  }
})

describe('addresses', () => {
  test('are tried in turn until one answers; what came before stays known', async () => {
    const port = host.port
    await using broken = await PolicyHost.start({ address: '127.0.0.3', port, tls: host.tls })
    broken.fault = 'not-tls'
    const expired = await world.authority.issue({ names: [NAME], validFromDays: -9, validToDays: -1 })
    const { key, chain: cert } = expired
    await using stale = await PolicyHost.start({ address: '127.0.0.4', port, tls: { key, cert } })
    await using cut = await PolicyHost.start({ address: '127.0.0.5', port, tls: host.tls })
    cut.answer = { body: 'hello', octets: 20, afterwards: 'reset' }
    world.publish({ [NAME]: { A: ['127.0.0.6', broken.address, stale.address, cut.address, host.address] } })
    const result = await get()
    assert(result.ok)
    assert.equal(result.value.address, host.address)
    assert.deepEqual(
      result.value.passedOver.map(({ kind }) => kind),
      ['connect', 'tls', 'webpki', 'truncated'],
    )
    assert.equal(stale.requests.length, 0)
  })

  test('that swallow the attempt are given up after 10 s', async ({ mock }) => {
    await using _hole = await BlackHole.open('127.0.0.10', host.port)
    dialled.length = 0
    world.publish({ [NAME]: { A: ['127.0.0.10', host.address] } })
    mock.timers.enable({ apis: ['setTimeout'] })
    const result = get()
    while (dialled.length === 0) await setImmediate()
    mock.timers.tick(9_999)
    for (let turns = 0; turns < 10; turns++) await setImmediate()
    assert.deepEqual(dialled, [`127.0.0.10 ${host.port}`])
    mock.timers.tick(1)
    const answered = await result
    assert.deepEqual(answered.ok && answered.value.passedOver, [{ kind: 'timeout', phase: 'connect' }])
    assert.equal(host.connections, 1)
  })

  test('of both families take turns', async () => {
    world.publish({ [NAME]: { A: ['127.0.0.6', '127.0.0.7'], AAAA: ['::1'] } })
    await get({ exceptions: ['127.0.0.0/8', '::1'] })
    assert.deepEqual(
      dialled.map((text) => text.split(' ')[0]),
      ['::1', '127.0.0.6', '127.0.0.7'],
    )
  })

  test('that all fail give the failure that got farthest', async () => {
    const { key, chain: cert } = await world.authority.issue({ names: ['mta-sts.other.test'] })
    await using misnamed = await PolicyHost.start({ address: '127.0.0.9', port: host.port, tls: { key, cert } })
    world.publish({ [NAME]: { A: ['127.0.0.6', misnamed.address, '127.0.0.7'] } })
    const error = failure(await get())
    assert.equal(error.kind === 'webpki' && error.reason, 'name')
  })

  test('an answer of the host itself ends the search', async () => {
    host.answer = { status: 500 }
    await using second = await PolicyHost.start({ address: '127.0.0.8', port: host.port, tls: host.tls })
    world.publish({ [NAME]: { A: [host.address, second.address] } })
    const result = await get({}, ({ status }) => (status === 200 ? undefined : { kind: 'status', status }))
    assert.deepEqual(result, { ok: false, error: { kind: 'status', status: 500 } })
    assert.equal(second.connections, 0)
  })

  test('that do not exist or cannot be asked for are told apart', async () => {
    const missing = await get({ host: 'mta-sts.missing.test' })
    assert.deepEqual(failure(missing), { kind: 'no-address', reason: 'nxdomain' })
    world.dns.fail('mta-sts.broken.test', { kind: 'rcode', rcode: 'SERVFAIL' })
    assert.equal(failure(await get({ host: 'mta-sts.broken.test' })).kind, 'dns')
  })

  test('a handshake that ends without an alert is tried once more, with a smaller ClientHello', async () => {
    host.fault = (connection) => (connection === 1 ? 'reset-at-hello' : undefined)
    assert.equal((await get()).ok, true)
    assert.equal(host.connections, 2)
    host.fault = 'close-at-accept'
    assert.deepEqual(failure(await get()), { kind: 'tls', address: host.address, failure: { kind: 'closed' } })
    assert.equal(host.connections, 4)
  })
})

describe('limits', () => {
  test('one exchange at a time for one address', async () => {
    host.answer = { body: 'hello', drip: { octets: 1, everyMs: 2 } }
    sockets.mostOpen = 0
    const limits = new TargetLimits()
    const results = await Promise.all(Array.from({ length: 6 }, () => get({ limits })))
    assert(results.every(({ ok }) => ok))
    assert.deepEqual([host.connections, sockets.mostOpen], [6, 1])
  })

  test('STS-40: the 31st exchange of a minute with one address waits, and our limit is not called its failure', async () => {
    covers('STS-40', { observe: 'https' })
    const limits = new TargetLimits()
    for (let exchange = 0; exchange < 30; exchange++) assert.equal((await get({ limits })).ok, true)
    assert.deepEqual(failure(await get({ limits, deadlineMs: 50 })), { kind: 'own-limit' })
    assert.equal(host.connections, 30)
  })

  test("the caller's signal ends everything, and leaves no connection behind", async () => {
    host.answer = { silent: true }
    const controller = new AbortController()
    const waiting = get({ signal: controller.signal })
    while (host.requests.length === 0) await delay(1)
    controller.abort()
    assert.deepEqual(failure(await waiting), { kind: 'aborted' })
    assert.deepEqual(failure(await get({ signal: AbortSignal.abort() })), { kind: 'aborted' })
    await closed()
    assert.equal(host.connections, 1)
  })

  test('the connection is closed after the answer even when the host would keep it', async () => {
    host.answer = { body: 'hello', afterwards: 'keep' }
    assert.equal((await get()).ok, true)
    await closed()
  })
})

describe('hostile answers', () => {
  const ok = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n'
  for (const [what, raw, kind] of [
    ['nothing', '', 'truncated'],
    ['half a status line', 'HTTP/1.1 2', 'truncated'],
    ['half a head', ok, 'truncated'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n', 'malformed'],
    ['a body without a head', 'version: STSv1\r\n\r\n', 'malformed'],
    ['HTTP/2.0', 'HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'malformed'],
    ['HTTP/0.9', 'HTTP/0.9 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'malformed'],
    ['a switch of protocols', 'HTTP/1.1 101 Switch\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nhello', 'malformed'],
    ['two lengths', `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, 'malformed'],
    ['a negative length', `${ok}Content-Length: -1\r\n\r\nhello`, 'malformed'],
    ['a length that is no number', `${ok}Content-Length: five\r\n\r\nhello`, 'malformed'],
    ['a length beyond all bounds', `${ok}Content-Length: 99999999999999999999999\r\n\r\nhello`, 'malformed'],
    ['a large length', `${ok}Content-Length: 999999999999\r\n\r\nhello`, 'too-large'],
    [
      'a length and chunks',
      `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
      'malformed',
    ],
    ['chunks twice', `${ok}Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, 'malformed'],
    ['an unknown transfer coding', `${ok}Transfer-Encoding: x\r\n\r\nhello`, 'malformed'],
    ['a chunk size that is none', `${ok}Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello`, 'malformed'],
    [
      'a chunk size beyond all bounds',
      `${ok}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello`,
      'malformed',
    ],
    ['chunks without the last one', `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, 'truncated'],
    ['a space before the colon', `${ok}Content-Length : 5\r\n\r\nhello`, 'malformed'],
    ['NUL in a field', `${ok}X: a\0b\r\nContent-Length: 5\r\n\r\nhello`, 'malformed'],
    ['fields that are too long', `${ok}X: ${'a'.repeat(17_000)}\r\nContent-Length: 5\r\n\r\nhello`, 'malformed'],
    ['too many fields', `${ok}${'X: aaaaaaaa\r\n'.repeat(3000)}Content-Length: 5\r\n\r\nhello`, 'malformed'],
  ] as const) {
    test(`${what}: ${kind}`, async () => {
      host.answer = { raw }
      assert.equal(failure(await get()).kind, kind)
    })
  }

  test('interim responses are passed over; an endless row of them meets the deadline', async () => {
    const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'
    host.answer = { raw: `${interim.repeat(3)}${ok}Content-Length: 5\r\n\r\nhello` }
    assert.equal((await get()).ok, true)
    host.answer = { raw: interim.repeat(2000), drip: { octets: interim.length, everyMs: 1 } }
    assert.deepEqual(failure(await get({ deadlineMs: 200 })), { kind: 'timeout', phase: 'response' })
  })

  test('whatever comes back, there is a result, and a document is one that was declared whole', async () => {
    const pieces = fc.constantFrom(
      ...['HTTP/1.1 200 OK\r\n', 'HTTP/1.0 200 OK\r\n', 'HTTP/1.1 100 Continue\r\n\r\n', 'Content-Length: 5\r\n'],
      ...['Transfer-Encoding: chunked\r\n', 'Content-Encoding: gzip\r\n', 'Connection: keep-alive\r\n', '\r\n', '\n'],
      ...['hello', '5\r\nhello\r\n', '0\r\n\r\n', 'Content-Length: 0\r\n', ' folded\r\n', ': \r\n', '\0', '\r'],
    )
    const answers = fc.oneof(
      fc.array(fc.oneof({ weight: 9, arbitrary: pieces }, { weight: 1, arbitrary: fc.string() }), { maxLength: 12 }),
      fc.array(pieces, { maxLength: 6 }).map((rest) => ['HTTP/1.1 200 OK\r\n', ...rest]),
      fc.array(fc.string({ unit: 'binary' })),
    )
    const limits = new TargetLimits({ perAddressAndMinuteMax: 100_000 })
    await fc.assert(
      fc.asyncProperty(answers, async (parts) => {
        const raw = parts.join('')
        host.answer = { raw }
        const result = await get({ limits, deadlineMs: 5000 })
        if (!result.ok) assert.notEqual(result.error.kind, 'timeout', JSON.stringify(raw))
        else assert.match(raw, /content-length: ?[05]\r\n|0\r\n\r\n/i)
      }),
      { numRuns: 150 },
    )
    await closed()
  })
})

test('the failure that got farthest is told, the first of those', () => {
  const address = '192.0.2.1'
  const connect: HttpsFailure = { kind: 'connect', address, code: 'ECONNREFUSED' }
  const tls: HttpsFailure = { kind: 'tls', address, failure: { kind: 'closed' } }
  const late: HttpsFailure = { kind: 'timeout', phase: 'body' }
  assert.equal(mostTelling([connect, tls, { ...connect, code: 'EHOSTUNREACH' }]), tls)
  assert.equal(mostTelling([connect, { ...connect, code: 'EHOSTUNREACH' }]), connect)
  assert.equal(mostTelling([tls, { kind: 'truncated', address, code: 'CLOSED' }, late]).kind, 'truncated')
})

interface GetOptions extends ClientOptions {
  readonly host?: string
  readonly signal?: AbortSignal
}

type StatusFailure = { readonly kind: 'status'; readonly status: number }

function get(
  { host: name = NAME, signal, ...options }: GetOptions = {},
  judgeHead: (head: { readonly status: number }) => StatusFailure | undefined = () => undefined,
): Promise<Result<HttpsDocument, HttpsFailure | StatusFailure>> {
  const request = { host: domainName(name), port: host.port, path: '/', bodyBytesMax: 100, judgeHead, signal }
  return world.client(options).get<StatusFailure>(request)
}

function failure<E>(result: Result<HttpsDocument, E>): E {
  assert(!result.ok, 'there was a document')
  return result.error
}

async function closed(): Promise<void> {
  while (host.open > 0) await delay(1)
}
