/** STARTTLS (RFC 3207 §4, §6) as our client does it: what is on the wire around the handshake. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseDomainName } from '@hermetic/policy'
import { covers } from '../../../../test/conformance/covers.ts'
import { type Authority, createAuthority, type IssuedCertificate } from '../../../../test/lab/ca.ts'
import type { MxScript } from '../../../../test/lab/mx-script.ts'
import { ScriptedMx, type ScriptedMxOptions } from '../../../../test/lab/scripted-mx.ts'
import { CLIENT_NAME, introduced, mail, type SampleConnectOptions, told } from './client.samples.ts'
import type { SmtpConnection } from './client.ts'

const TLS_HANDSHAKE = 22
const TLS_ALERT = 21
let authority: Authority
let certificate: IssuedCertificate

before(async () => {
  authority = await createAuthority()
  certificate = await authority.issue({ names: ['mx.example.net'] })
})

function start(options: ScriptedMxOptions = {}): Promise<ScriptedMx> {
  return ScriptedMx.start({ tls: { key: certificate.key, cert: certificate.chain }, ...options })
}

async function failing(script: MxScript, options?: SampleConnectOptions) {
  const mx = await start({ script })
  const connection = await introduced(mx, options)
  const outcome = await connection.startTls({ groups: 'classic' })
  return { mx, connection, outcome, [Symbol.asyncDispose]: () => mx.stop() }
}

async function secured(mx: ScriptedMx): Promise<SmtpConnection> {
  const connection = await introduced(mx)
  const outcome = await connection.startTls({ groups: 'default' })
  assert.equal(outcome.kind, 'secured')
  return connection
}

describe('RFC 3207 §4 the upgrade', () => {
  test('TLS-02, TLS-03: STARTTLS travels alone, and after its 220 the ClientHello is the next byte', async () => {
    covers(['TLS-02', 'TLS-03'], { observe: 'smtp' })
    await using mx = await start()
    const connection = await secured(mx)
    await connection.quit()
    const clear = mx.connection.segments.filter(({ direction, inTls }) => direction === 'in' && !inTls)
    assert.deepEqual(
      clear.slice(0, 2).map(({ bytes }) => bytes.toString()),
      [`EHLO ${CLIENT_NAME}\r\n`, 'STARTTLS\r\n'],
    )
    assert.equal(clear[2]?.bytes[0], TLS_HANDSHAKE)
    assert.equal(clear.length, 3)
  })

  test('TLS-05, TLS-06: inside TLS comes EHLO, only its list counts, and STARTTLS in it means nothing', async () => {
    covers(['TLS-05', 'TLS-06'], { observe: 'smtp' })
    await using mx = await start({
      capabilities: ['PIPELINING', '8BITMIME', 'SIZE 10', 'AUTH PLAIN'],
      capabilitiesInTls: ['DSN', 'STARTTLS'],
    })
    const connection = await secured(mx)
    assert.equal(connection.capabilities, undefined)
    const hello = await connection.ehlo(CLIENT_NAME)
    assert.ok(hello.ok)
    assert.deepEqual(
      {
        startTls: hello.value.startTls,
        dsn: hello.value.dsn,
        pipelining: hello.value.pipelining,
        auth: hello.value.authMechanisms,
      },
      { startTls: false, dsn: true, pipelining: false, auth: [] },
    )
    // SIZE 10 was said in clear: it is forgotten.
    const sent = await connection.transact(mail({ envelope: { dsn: { ret: 'HDRS' } } }))
    assert.deepEqual(told(sent), ['accepted'])
    assert.equal(mx.messages[0]?.inTls, true)
    assert.equal(mx.messages[0]?.mail, 'MAIL FROM:<sender@example.com> RET=HDRS')
    await assert.rejects(connection.startTls({ groups: 'default' }), /invariant/)
    await connection.quit()
    const commands = mx.connection.commands.map((line) => line.split(' ')[0])
    assert.deepEqual(commands, ['EHLO', 'STARTTLS', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'QUIT'])
  })

  test('TLS-07: a caller that is not content with the peer says QUIT right after the handshake', async () => {
    covers('TLS-07', { observe: 'smtp' })
    await using mx = await start()
    const connection = await introduced(mx)
    const name = parseDomainName('mx.example.net')
    assert.ok(name.ok)
    const outcome = await connection.startTls({
      groups: 'default',
      servername: name.value,
      ca: [authority.certificate],
    })
    assert.ok(outcome.kind === 'secured')
    assert.deepEqual(outcome.facts.pkix, { kind: 'trusted' })
    assert.deepEqual(outcome.facts.name, { kind: 'matched', name: 'mx.example.net' })
    assert.equal(connection.peerFacts, outcome.facts)
    await connection.quit()
    assert.deepEqual(mx.connection.commands.slice(1), ['STARTTLS', 'QUIT'])
    assert.equal(mx.connection.servername, 'mx.example.net')
  })

  for (const [how, end] of [
    ['QUIT', (connection: SmtpConnection) => connection.quit()],
    ['the signal', (_: SmtpConnection, stop: AbortController) => stop.abort()],
  ] as const) {
    test(`TLS-21: after ${how} close_notify comes before the FIN`, async () => {
      covers('TLS-21', { observe: 'smtp' })
      // In TLS 1.2 the type of a record can be read from outside.
      await using mx = await start({ tls: { key: certificate.key, cert: certificate.chain, maxVersion: 'TLSv1.2' } })
      const tap = await wiretap(mx)
      const stop = new AbortController()
      const connection = await introduced(tap, { signal: stop.signal })
      assert.equal((await connection.startTls({ groups: 'default' })).kind, 'secured')
      assert.ok((await connection.ehlo(CLIENT_NAME)).ok)
      await end(connection, stop)
      const bytes = await tap.said
      const types = recordTypes(bytes.subarray(bytes.indexOf('STARTTLS\r\n') + 10))
      assert.equal(types[0], TLS_HANDSHAKE)
      assert.equal(types.at(-1), TLS_ALERT)
    })
  }

  for (const code of [454, 501, 502, 554]) {
    test(`TLS-09: ${code} to STARTTLS is an answer, and the session goes on in clear`, async () => {
      covers('TLS-09', { observe: 'smtp' })
      await using lab = await failing({ STARTTLS: `${code} not today` })
      const { mx, connection, outcome } = lab
      assert.deepEqual(outcome, { kind: 'declined', reply: { code, lines: ['not today'] } })
      assert.deepEqual(told(await connection.transact(mail())), ['accepted'])
      assert.equal(mx.messages[0]?.inTls, false)
      await connection.quit()
    })
  }
})

/** Passes on one connection, and tells after its FIN what the client said on it. */
async function wiretap(mx: ScriptedMx) {
  const said = Promise.withResolvers<Buffer>()
  const server = createServer({ allowHalfOpen: true }, (client) => {
    server.close()
    const chunks: Buffer[] = []
    const upstream = connect({ host: mx.address, port: mx.port, allowHalfOpen: true })
    client.on('data', (bytes: Buffer) => chunks.push(bytes)).on('end', () => said.resolve(Buffer.concat(chunks)))
    client.on('error', said.reject)
    upstream.on('error', () => client.destroy())
    client.pipe(upstream).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { address: '127.0.0.1', port: (server.address() as AddressInfo).port, said: said.promise }
}

function recordTypes(bytes: Buffer): readonly number[] {
  const types: number[] = []
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes[at] ?? 0)
  return types
}

describe('RFC 3207 §6 what ends the connection', () => {
  for (const [rule, raw] of [
    ['a whole reply behind the 220', '220 go\r\n250 OK\r\n'],
    ['half a reply behind the 220', '220 go\r\n250-mx'],
    ['one byte behind the 220', '220 go\r\n2'],
    ['a line end behind the 220', '220 go\r\n\r\n'],
  ] as const) {
    test(`TLS-04: ${rule} is injection: the connection is aborted, nothing more is said`, async () => {
      covers('TLS-04', { observe: 'smtp' })
      await using lab = await failing({ STARTTLS: { raw } })
      const { mx, connection, outcome } = lab
      assert.ok(outcome.kind === 'failed' && outcome.problem.kind === 'protocol-violation')
      assert.equal(outcome.problem.phase, 'starttls')
      assert.equal(connection.usable, false)
      await mx.connection.ended
      const said = mx.connection.segments.filter(({ direction }) => direction === 'in')
      assert.deepEqual(
        said.map(({ bytes }) => bytes.toString()),
        [`EHLO ${CLIENT_NAME}\r\n`, 'STARTTLS\r\n'],
      )
    })
  }

  test('TLS-04: bytes in clear that come later break the handshake', async () => {
    covers('TLS-04', { observe: 'smtp' })
    await using lab = await failing({ STARTTLS: { reply: '220 go', handshake: 'garbage' } })
    const { outcome } = lab
    assert.deepEqual(outcome, { kind: 'failed', problem: { kind: 'tls', failure: { kind: 'not-tls' } } })
  })

  for (const [how, script, timeouts, failure] of [
    ['closed', { handshake: 'close' }, {}, { kind: 'closed' }],
    ['reset', { handshake: 'reset' }, {}, { kind: 'reset', code: 'ECONNRESET' }],
    ['stalled', { handshake: 'stall' }, { tlsHandshakeMs: 50 }, { kind: 'timeout' }],
  ] as const) {
    test(`TLS-08: after a handshake that was ${how} the connection is over and nothing goes on in clear`, async () => {
      covers('TLS-08', { observe: 'smtp' })
      await using lab = await failing({ STARTTLS: { reply: '220 go', ...script } }, { timeouts })
      const { mx, connection, outcome } = lab
      assert.deepEqual(outcome, { kind: 'failed', problem: { kind: 'tls', failure } })
      assert.deepEqual(await connection.ended, { kind: 'tls', failure })
      assert.equal(connection.usable, false)
      await mx.connection.ended
      assert.deepEqual(mx.connection.commands.slice(1), ['STARTTLS'])
    })
  }

  test('a 2yz that is not 220 is no leave to begin', async () => {
    await using lab = await failing({ STARTTLS: '250 ok' })
    const { outcome } = lab
    assert.ok(outcome.kind === 'failed' && outcome.problem.kind === 'protocol-violation')
  })

  test('421 to STARTTLS ends the session', async () => {
    await using lab = await failing({ STARTTLS: '421 busy' })
    const { connection, outcome } = lab
    assert.deepEqual(outcome, {
      kind: 'failed',
      problem: { kind: 'reply', phase: 'starttls', reply: { code: 421, lines: ['busy'] } },
    })
    assert.equal(connection.usable, false)
  })

  test('a close in answer to STARTTLS is a lost connection', async () => {
    await using lab = await failing({ STARTTLS: { silent: true, after: 'close' } })
    const { outcome } = lab
    assert.deepEqual(outcome, {
      kind: 'failed',
      problem: { kind: 'connection-lost', phase: 'starttls', code: 'EOF' },
    })
  })

  test('quitting inside a handshake closes the connection', async () => {
    await using mx = await start({ script: { STARTTLS: { reply: '220 go', handshake: 'stall' } } })
    const connection = await introduced(mx)
    const outcome = connection.startTls({ groups: 'default' })
    await mx.seen('STARTTLS')
    while (connection.capabilities !== undefined) await sleep(1)
    await connection.quit()
    assert.equal((await outcome).kind, 'failed')
    assert.equal(connection.usable, false)
  })

  test('the signal ends a handshake', async () => {
    const stop = new AbortController()
    await using mx = await start({ script: { STARTTLS: { reply: '220 go', handshake: 'stall' } } })
    const connection = await introduced(mx, { signal: stop.signal })
    const outcome = connection.startTls({ groups: 'default' })
    await mx.seen('STARTTLS')
    stop.abort()
    assert.equal((await outcome).kind, 'failed')
    assert.equal(connection.usable, false)
  })
})
