/** The TLS client against real servers on loopback: what it sends, what it finds, how it fails. */
import assert from 'node:assert/strict'
import { constants } from 'node:crypto'
import { getEventListeners, once } from 'node:events'
import net from 'node:net'
import { after, before, describe, test } from 'node:test'
import tls from 'node:tls'
import { covers } from '../../../test/conformance/covers.ts'
import { type Authority, createAuthority, type IssuedCertificate, selfSigned } from '../../../test/lab/ca.ts'
import {
  type ClientHello,
  FORWARD_SECRET,
  firstRecordLength,
  parseClientHello,
  RSA_KEY_EXCHANGE,
} from '../../../test/lab/client-hello.ts'
import { type DomainName, parseDomainName } from './domain-name.ts'
import type { PeerFacts } from './peer-facts.ts'
import type { ProofRequirement } from './requirement.ts'
import type { Result } from './result.ts'
import { endedWithoutAlert, type TlsFailure, tlsFailureOf } from './tls-failure.ts'
import { type TlsPeer, type TlsPeerOptions, upgradeToTls } from './tls-peer.ts'
import { judge } from './verdict.ts'

const MX = name('mx.example.test')
let root: Authority
let intermediate: Authority
let good: IssuedCertificate
const OPPORTUNISTIC: ProofRequirement = { kind: 'prove', pkix: false, floor: 'opportunistic', tlsa: false }
const PKIX: ProofRequirement = { kind: 'prove', pkix: true, floor: 'encrypted', tlsa: false }
const closing: (() => void)[] = []

before(async () => {
  root = await createAuthority()
  intermediate = await root.intermediate()
  good = await intermediate.issue({ names: ['mx.example.test'] })
})
after(() => {
  for (const close of closing) close()
})

describe('the ClientHello', () => {
  test('TLS-13: offers TLS 1.2 and 1.3 and nothing older; an older server is told so', async () => {
    covers('TLS-13', { observe: 'smtp' })
    assert.deepEqual((await helloOf({})).supportedVersions, [0x0304, 0x0303])
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      const port = await serve({
        ...pair(good),
        minVersion: version,
        maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
      })
      assert.deepEqual(await failure(port), { kind: 'alert', alert: 'protocol-version' })
    }
  })

  test('TLS-14: a TLS 1.2 server and a TLS 1.3 server both succeed, one with both speaks 1.3', async () => {
    covers('TLS-14', { observe: 'smtp' })
    for (const [versions, spoken] of [
      [{ maxVersion: 'TLSv1.2' }, 'TLSv1.2'],
      [{ minVersion: 'TLSv1.3' }, 'TLSv1.3'],
      [{}, 'TLSv1.3'],
    ] as const) {
      assert.equal((await facts(await serve({ ...pair(good), ...versions }))).protocol, spoken)
    }
  })

  test('TLS-15: only strong suites, those with forward secrecy first', async () => {
    covers('TLS-15', { observe: 'smtp' })
    const suites = (await helloOf({})).cipherSuites.filter((suite) => suite !== RENEGOTIATION_SCSV)
    const firstWithout = suites.findIndex((suite) => !FORWARD_SECRET.has(suite))
    assert(firstWithout > 0)
    for (const suite of suites.slice(firstWithout)) assert(RSA_KEY_EXCHANGE.has(suite), suite.toString(16))
  })

  test('TLS-16: carries renegotiation_info and extended_master_secret', async () => {
    covers('TLS-16', { observe: 'smtp' })
    const hello = await helloOf({})
    assert(hello.extensions.includes(0xff01) || hello.cipherSuites.includes(RENEGOTIATION_SCSV))
    assert(hello.extensions.includes(23))
  })

  test('TLS-17: neither early data nor a session to resume, even where the server gave tickets', async () => {
    covers('TLS-17', { observe: 'smtp' })
    const captured = await serveThroughTap(pair(good))
    for (let connection = 0; connection < 2; connection++) {
      const peer = await succeed(captured.port)
      await readGreeting(peer.socket)
      peer.socket.destroy()
    }
    for (const { sent } of captured.connections) {
      const { extensions } = parseClientHello(sent())
      assert(!extensions.includes(41) && !extensions.includes(42))
    }
    assert.equal(captured.connections.length, 2)
  })

  test('TLS-18: names the host once, without trailing dot; an address is not named', async () => {
    covers('TLS-18', { observe: 'smtp' })
    assert.deepEqual((await helloOf({ servername: MX })).serverNames, ['mx.example.test'])
    assert.deepEqual((await helloOf({})).serverNames, [])
  })

  test('TLS-19: offers no ALPN; a server that insists on one is a failure, not a crash', async () => {
    covers('TLS-19', { observe: 'smtp' })
    assert(!(await helloOf({})).extensions.includes(16))
    const insisting = await serveBytes((socket) => socket.end(alertRecord(120)))
    assert.deepEqual(await failure(insisting), { kind: 'alert', alert: 'no-application-protocol' })
  })

  test('with classic groups fits one segment, with the default ones it does not', async () => {
    const servername = name(`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.test`)
    const [classic, hybrid] = [await helloOf({ servername, groups: 'classic' }), await helloOf({ servername })]
    assert.deepEqual([classic.groups, classic.keyShares], [[0x001d, 0x0017], [0x001d]])
    assert(classic.length <= IPV6_LEAST_SEGMENT, `${classic.length} octets`)
    assert(hybrid.groups.includes(X25519_MLKEM768) && hybrid.keyShares.includes(X25519_MLKEM768))
    assert(hybrid.length > ETHERNET_SEGMENT, `${hybrid.length} octets`)
  })
})

describe('peer facts', () => {
  test('hold the chain exactly as it was sent', async () => {
    const stranger = await createAuthority()
    const sent = [good.certificate, root.certificate, stranger.certificate, intermediate.certificate]
    const { chain, chainCut } = await facts(await serve({ key: good.key, cert: sent.join('') }))
    assert.deepEqual(
      chain.map(({ der }) => pemOf(der)),
      sent.map((pem) => pem.replaceAll(/\s/g, '')),
    )
    assert.equal(chainCut, false)
    assert.match(chain[0].fingerprintSha256, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
    assert.equal(chain[0].subjectAltName, 'DNS:mx.example.test')
    assert(chain[0].validFrom < Date.now() && Date.now() < chain[0].validTo)
  })

  test('hold a certificate without a subject, and one without an issuer', async () => {
    const leaf = await intermediate.issue({ names: ['mx.example.test'], nameless: true })
    const { chain, pkix, name: found } = await facts(await serve(pair(leaf)))
    assert.deepEqual([chain[0].subject, pkix.kind, found.kind], ['', 'trusted', 'matched'])
    const bare = await selfSigned({ names: ['mx.example.test'], nameless: true })
    assert.equal((await facts(await serve(pair(bare)))).chain[0].issuer, '')
  })

  test('keep a bounded part of an endless chain', async () => {
    const more = await Promise.all(Array.from({ length: 20 }, () => createAuthority()))
    const cert = good.certificate + more.map(({ certificate }) => certificate).join('')
    const { chain, chainCut } = await facts(await serve({ key: good.key, cert }))
    assert.deepEqual([chain.length, chainCut], [16, true])
  })

  test('survive a structured clone', async () => {
    const found = await facts(await serve(pair(good)))
    assert.deepEqual(structuredClone(found), found)
  })

  test('believe the roots that were passed, beside the built-in ones', async () => {
    const port = await serve(pair(good))
    assert.deepEqual((await facts(port)).pkix, { kind: 'trusted' })
    const untrusted = await facts(port, { ca: [(await createAuthority()).certificate] })
    assert.deepEqual(untrusted.pkix, { kind: 'untrusted', code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' })
  })

  test('compare the name with DNS-IDs only, a wildcard only as a whole left-most label', async () => {
    for (const [names, commonName, expected] of [
      [['mx.example.test'], 'other', 'matched'],
      [['*.example.test'], 'other', 'matched'],
      [['MX.Example.Test'], 'other', 'matched'],
      [['m*.example.test'], 'other', 'mismatched'],
      [['*.test'], 'other', 'mismatched'],
      [['other.example.test'], 'mx.example.test', 'mismatched'],
      [[], 'mx.example.test', 'mismatched'],
      [['mx.example.test.evil.test'], 'other', 'mismatched'],
    ] as const) {
      const leaf = await root.issue({ names, commonName })
      const found = await facts(await serve(pair(leaf)))
      assert.deepEqual(found.name, { kind: expected, name: MX }, `${names.join()} / ${commonName}`)
      assert.deepEqual(found.pkix, { kind: 'trusted' })
    }
    assert.deepEqual((await facts(await serve(pair(good)), { servername: undefined })).name, { kind: 'not-asked' })
  })

  test('compare another name than the one in SNI, when told so: that of the MX record', async () => {
    const base = name('host.provider.test')
    const found = await facts(await serve(pair(good)), { servername: base, certificateName: MX })
    assert.deepEqual(found.name, { kind: 'matched', name: MX })
    const other = await facts(await serve(pair(good)), { servername: MX, certificateName: base })
    assert.deepEqual(other.name, { kind: 'mismatched', name: base })
    assert.deepEqual((await helloOf({ servername: base, certificateName: MX })).serverNames, ['host.provider.test'])
  })

  test('TLS-10: a self-signed, expired or misnamed certificate stays on TLS where nothing is demanded', async () => {
    covers('TLS-10', { observe: 'smtp' })
    for (const [leaf, code, named] of [
      [await selfSigned({ names: ['mx.example.test'] }), 'DEPTH_ZERO_SELF_SIGNED_CERT', 'matched'],
      [
        await root.issue({ names: ['mx.example.test'], validFromDays: -9, validToDays: -1 }),
        'CERT_HAS_EXPIRED',
        'matched',
      ],
      [
        await root.issue({ names: ['mx.example.test'], validFromDays: 1, validToDays: 9 }),
        'CERT_NOT_YET_VALID',
        'matched',
      ],
      [await root.issue({ names: ['mx.example.test'], usage: 'clientAuth' }), 'INVALID_PURPOSE', 'matched'],
      [await root.issue({ names: ['else.test'] }), undefined, 'mismatched'],
    ] as const) {
      const peer = await succeed(await serve(pair(leaf)))
      assert.deepEqual(peer.facts.pkix, code === undefined ? { kind: 'trusted' } : { kind: 'untrusted', code })
      assert.equal(peer.facts.name.kind, named)
      const channel = { kind: 'tls', facts: peer.facts } as const
      assert.deepEqual(judge(OPPORTUNISTIC, channel), { kind: 'proven', level: 'encrypted' })
      assert.equal(judge(PKIX, channel).kind, 'failed')
      assert.equal(await readGreeting(peer.socket), GREETING, 'the session is usable')
      peer.socket.destroy()
    }
  })
})

describe('the session', () => {
  test('sends nothing of its own after the handshake', async () => {
    const captured = await serveThroughTap({ ...pair(good), maxVersion: 'TLSv1.2' })
    const peer = await succeed(captured.port)
    const sent = captured.connections[0]?.sent().length
    assert.equal(await readGreeting(peer.socket), GREETING)
    assert.equal(captured.connections[0]?.sent().length, sent)
    peer.socket.destroy()
  })

  test('TLS-21: ends with close_notify before FIN', async () => {
    covers('TLS-21', { observe: 'smtp' })
    const captured = await serveThroughTap({ ...pair(good), maxVersion: 'TLSv1.2' })
    const peer = await succeed(captured.port)
    const [connection] = captured.connections
    assert(connection !== undefined)
    peer.socket.end()
    await connection.ended
    assert.equal(recordTypes(connection.sent()).at(-1), 21, 'the last record is an alert')
    peer.socket.destroy()
  })

  test('is never negotiated anew: a server cannot change the certificate that was judged, asking ends the connection', {
    timeout: 10_000,
  }, async () => {
    const other = await root.issue({ names: ['other.example.test'] })
    const asked = Promise.withResolvers<unknown>()
    const [versions, afresh] = [
      { maxVersion: 'TLSv1.2' },
      constants.SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION,
    ] as const
    const server = tls.createServer({ ...pair(good), ...versions, secureOptions: afresh }, (socket) => {
      // It keeps the connection open: the client ends it.
      socket.on('error', asked.resolve).once('data', () => {
        socket.setKeyCert(tls.createSecureContext(pair(other)))
        socket.renegotiate({}, () => asked.resolve('negotiated anew'))
        socket.write(GREETING)
      })
    })
    const peer = await succeed(await listen(server.on('tlsClientError', () => undefined)))
    const closed = new Promise((resolve) => peer.socket.once('close', resolve))
    peer.socket.write('NOOP\r\n')
    assert.equal(await readGreeting(peer.socket), GREETING, 'what was under way arrives')
    // The refusal leaves with the next command.
    peer.socket.write('NOOP\r\n')
    assert.notEqual(await asked.promise, 'negotiated anew')
    await closed
    assert.deepEqual(tlsFailureOf(peer.socket.errored), { kind: 'alert', alert: 'handshake-failure' })
  })

  test('that breaks after the hand-over ends the socket, not the process', async () => {
    const captured = await serveThroughTap(pair(good))
    const peer = await succeed(captured.port)
    await readGreeting(peer.socket)
    // No listener for errors here, on purpose.
    const closed = new Promise((resolve) => peer.socket.once('close', resolve))
    peer.socket.resume()
    captured.connections[0]?.reset()
    await closed
    assert.deepEqual(tlsFailureOf(peer.socket.errored), { kind: 'reset', code: 'ECONNRESET' })
  })
})

describe('failures are told apart by code', () => {
  for (const [rule, answer, expected, silent] of [
    ['an alert', (socket) => socket.end(alertRecord(40)), { kind: 'alert', alert: 'handshake-failure' }, false],
    [
      'an alert that OpenSSL names without the word',
      (socket) => socket.end(alertRecord(112)),
      { kind: 'alert', alert: 'unrecognized-name' },
      false,
    ],
    ['a reset', (socket) => socket.resetAndDestroy(), { kind: 'reset', code: 'ECONNRESET' }, true],
    ['a close', (socket) => socket.end(), { kind: 'closed' }, true],
    ['SMTP instead of TLS', (socket) => socket.write('454 TLS not available\r\n'), { kind: 'not-tls' }, false],
    ['silence', () => undefined, { kind: 'timeout' }, true],
    ['a ServerHello of TLS 1.0', (socket) => socket.write(OLD_SERVER_HELLO), { kind: 'protocol-version' }, false],
    [
      'the wrong handshake message',
      (socket) => socket.write(Buffer.from([22, 3, 3, 0, 4, 9, 0, 0, 0])),
      { kind: 'other', code: 'ERR_SSL_UNEXPECTED_MESSAGE' },
      false,
    ],
  ] as const satisfies readonly (readonly [string, (socket: net.Socket) => unknown, TlsFailure, boolean])[]) {
    test(`${rule}: ${expected.kind}${silent ? ', worth a try with classic groups' : ''}`, async () => {
      const port = await serveBytes(answer)
      const socket = await connect(port)
      const outcome = await upgradeToTls({
        socket,
        groups: 'default',
        timeoutMs: expected.kind === 'timeout' ? 50 : 5_000,
      })
      assert.deepEqual(outcome, { ok: false, error: expected })
      assert.equal(endedWithoutAlert(expected), silent)
      assert.equal(socket.destroyed, true)
    })
  }

  test('the caller may abort, before and during the handshake, and nothing stays behind', async () => {
    const port = await serveBytes(() => undefined)
    const aborting = new AbortController()
    const socket = await connect(port)
    const running = upgradeToTls({ socket, groups: 'default', timeoutMs: 5_000, signal: aborting.signal })
    aborting.abort()
    assert.deepEqual(await running, { ok: false, error: { kind: 'aborted' } })
    const late = await connect(port)
    const again = await upgradeToTls({ socket: late, groups: 'default', timeoutMs: 5_000, signal: aborting.signal })
    assert.deepEqual(again, { ok: false, error: { kind: 'aborted' } })
    assert.deepEqual([socket.destroyed, late.destroyed], [true, true])
  })

  test('a success leaves no listener on the signal', async () => {
    const { signal } = new AbortController()
    const peer = await succeed(await serve(pair(good)), { signal })
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    peer.socket.destroy()
  })
})

const GREETING = '220 inside\r\n'
/** What TCP carries in one segment at the least MTU of IPv6, and over IPv4 on Ethernet. */
const IPV6_LEAST_SEGMENT = 1_220
const ETHERNET_SEGMENT = 1_460
const X25519_MLKEM768 = 0x11ec
const RENEGOTIATION_SCSV = 0x00ff
const OLD_SERVER_HELLO = Buffer.concat([
  Buffer.from([22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1]),
  Buffer.alloc(32, 1),
  Buffer.from([0, 0, 47, 0]),
])

function alertRecord(description: number): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, description])
}

function pair({ key, chain }: IssuedCertificate): { readonly key: string; readonly cert: string } {
  return { key, cert: chain }
}

/** A TLS server that greets inside. */
function serve(options: tls.TlsOptions): Promise<number> {
  const server = tls.createServer(options, (socket) => socket.on('error', () => undefined).write(GREETING))
  return listen(server.on('tlsClientError', () => undefined))
}

/** A TCP server that waits for the ClientHello and then does what the test says. */
function serveBytes(answer: (socket: net.Socket) => unknown): Promise<number> {
  return listen(
    net.createServer((socket) => void socket.on('error', () => undefined).once('data', () => answer(socket))),
  )
}

interface Tapped {
  readonly reset: () => void
  readonly sent: () => Buffer
  readonly ended: Promise<unknown>
}

/** A TLS server behind a relay that keeps what the client sent. */
async function serveThroughTap(options: tls.TlsOptions): Promise<{ port: number; connections: readonly Tapped[] }> {
  const target = await serve(options)
  const connections: Tapped[] = []
  const tap = net.createServer({ allowHalfOpen: true }, (client) => {
    const server = net.connect({ port: target, host: '127.0.0.1', allowHalfOpen: true })
    const chunks: Buffer[] = []
    client.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined)
    client.on('close', () => server.destroy())
    server.on('error', () => undefined).on('close', () => client.destroy())
    client.pipe(server).pipe(client)
    connections.push({
      reset: () => client.resetAndDestroy(),
      sent: () => Buffer.concat(chunks),
      ended: once(client, 'end'),
    })
  })
  return { port: await listen(tap), connections }
}

async function listen(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  const address = server.address()
  assert(address !== null && typeof address === 'object')
  return address.port
}

async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  return socket
}

async function upgrade(port: number, options: Partial<TlsPeerOptions>): Promise<Result<TlsPeer, TlsFailure>> {
  const socket = await connect(port)
  return upgradeToTls({
    socket,
    servername: MX,
    ca: [root.certificate],
    groups: 'default',
    timeoutMs: 5_000,
    ...options,
  })
}

async function succeed(port: number, options: Partial<TlsPeerOptions> = {}): Promise<TlsPeer> {
  const outcome = await upgrade(port, options)
  assert(outcome.ok, JSON.stringify(outcome))
  return outcome.value
}

async function facts(port: number, options: Partial<TlsPeerOptions> = {}): Promise<PeerFacts> {
  const peer = await succeed(port, options)
  peer.socket.destroy()
  return peer.facts
}

async function failure(port: number): Promise<TlsFailure> {
  const outcome = await upgrade(port, {})
  assert(!outcome.ok)
  return outcome.error
}

async function helloOf(options: Partial<TlsPeerOptions>): Promise<ClientHello> {
  const received: Buffer[] = []
  let captured: ((hello: ClientHello) => void) | undefined
  const hello = new Promise<ClientHello>((resolve) => {
    captured = resolve
  })
  const port = await listen(
    net.createServer((socket) => {
      socket
        .on('error', () => undefined)
        .on('data', (chunk: Buffer) => {
          received.push(chunk)
          const bytes = Buffer.concat(received)
          if (bytes.length < (firstRecordLength(bytes) ?? Number.POSITIVE_INFINITY)) return
          captured?.(parseClientHello(bytes))
          socket.destroy()
        })
    }),
  )
  const socket = await connect(port)
  await upgradeToTls({ socket, groups: 'default', timeoutMs: 5_000, ...options })
  return hello
}

async function readGreeting(socket: tls.TLSSocket): Promise<string> {
  const [chunk]: unknown[] = await once(socket, 'data')
  return String(chunk)
}

function recordTypes(bytes: Buffer): readonly number[] {
  const types: number[] = []
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes.readUInt8(at))
  return types
}

function pemOf(der: Uint8Array): string {
  return `-----BEGINCERTIFICATE-----${Buffer.from(der).toString('base64')}-----ENDCERTIFICATE-----`
}

function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok, text)
  return parsed.value
}
