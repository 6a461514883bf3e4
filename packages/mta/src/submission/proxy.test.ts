/** The PROXY protocol: what a header says, who may send one, and whom the relay then sees. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SmtpDialogue } from '../../../../test/lab/submit.ts'
import { type Fixture, type FixtureOptions, startFixture, submit } from './listener.fixture.ts'
import { PROXY_HEADER_OCTETS_MAX, readProxyHeader } from './proxy-header.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'

/** Version 2: command, family and what follows the fixed part. */
function binary(command: number, family: number, body: Buffer): Buffer {
  const fixed = Buffer.alloc(4)
  fixed.writeUInt8(0x20 | command, 0)
  fixed.writeUInt8(family, 1)
  fixed.writeUInt16BE(body.length, 2)
  return Buffer.concat([Buffer.from(SIGNATURE, 'hex'), fixed, body])
}

const TCP4 = Buffer.from('c0000207c000020804000019', 'hex')
const TCP6 = Buffer.concat([
  Buffer.from('20010db8000000000000000000000007', 'hex'),
  Buffer.from('20010db8000000000000000000000008', 'hex'),
  Buffer.from('04000019', 'hex'),
])

describe('a PROXY header', () => {
  const whole: readonly (readonly [string, Buffer, string | undefined])[] = [
    ['version 1, IPv4', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.8 1024 25\r\n'), '192.0.2.7'],
    ['version 1, IPv6', Buffer.from('PROXY TCP6 2001:DB8::7 2001:db8::8 1024 25\r\n'), '2001:db8::7'],
    ['version 1, unknown', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
    ['version 1, unknown with words', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), undefined],
    ['version 2, IPv4', binary(1, 0x11, TCP4), '192.0.2.7'],
    ['version 2, IPv6', binary(1, 0x21, TCP6), '2001:db8::7'],
    ['version 2 with more to tell', binary(1, 0x11, Buffer.concat([TCP4, Buffer.alloc(200, 7)])), '192.0.2.7'],
    ['version 2, local', binary(0, 0x11, TCP4), undefined],
    ['version 2, a unix socket', binary(1, 0x31, Buffer.alloc(216)), undefined],
    ['version 2, unspecified', binary(1, 0x00, Buffer.alloc(0)), undefined],
  ]
  for (const [rule, header, client] of whole) {
    test(`${rule}: ${client ?? 'the proxy itself'}, in whatever pieces it comes`, () => {
      for (let octets = 0; octets < header.length; octets += 1) {
        assert.deepEqual(readProxyHeader(header.subarray(0, octets)), { kind: 'incomplete' }, `${octets}`)
      }
      const read = { kind: 'header', octets: header.length, client }
      assert.deepEqual(readProxyHeader(header), read)
      assert.deepEqual(readProxyHeader(Buffer.concat([header, Buffer.from('EHLO x\r\n')])), read)
    })
  }

  for (const [rule, header] of [
    ['no header', Buffer.from('EHLO client.example.net\r\n')],
    ['another case', Buffer.from('proxy TCP4 192.0.2.7 192.0.2.8 1024 25\r\n')],
    ['an address of the other family', Buffer.from('PROXY TCP4 2001:db8::7 192.0.2.8 1024 25\r\n')],
    ['a name for an address', Buffer.from('PROXY TCP4 localhost 192.0.2.8 1024 25\r\n')],
    ['a port beyond', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.8 65536 25\r\n')],
    ['a port with a zero in front', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.8 01024 25\r\n')],
    ['two blanks', Buffer.from('PROXY TCP4  192.0.2.7 192.0.2.8 1024 25\r\n')],
    ['too few words', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.8 1024\r\n')],
    ['a line that ends with LF and never with CRLF', Buffer.from(`PROXY UNKNOWN\n${'x'.repeat(100)}`)],
    ['a line that does not end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(100)}`)],
    ['version 3', Buffer.concat([Buffer.from(SIGNATURE, 'hex'), Buffer.from('31110000', 'hex')])],
    ['an unknown command', binary(2, 0x11, TCP4)],
    ['an unknown family', binary(1, 0x41, TCP4)],
    ['UDP', binary(1, 0x12, TCP4)],
    ['addresses that are cut off', binary(1, 0x11, TCP4.subarray(0, 11))],
    ['more than anybody has to tell', binary(1, 0x11, Buffer.alloc(PROXY_HEADER_OCTETS_MAX))],
  ] as const) {
    test(`is not ${rule}`, () => assert.deepEqual(readProxyHeader(header), { kind: 'malformed' }))
  }

  test('whatever comes, there is an answer, and a short one is never longer than what came', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (octets, signed) => {
        const start = Buffer.concat([Buffer.from(signed ? SIGNATURE : '', 'hex'), octets])
        const read = readProxyHeader(start)
        if (read.kind === 'header') assert.ok(read.octets <= start.length)
      }),
    )
  })
})

const TRUSTED: FixtureOptions = {
  listener: { kind: 'relay', proxyNetworks: ['127.0.0.1/32'], allowNetworks: ['192.0.2.0/24'] },
  limits: { earlyTalkerDelayMs: 0 },
}

async function proxied(fixture: Fixture, header: string | Buffer): Promise<SmtpDialogue> {
  return SmtpDialogue.open({ port: fixture.port, first: header })
}

describe('a listener behind a proxy', () => {
  test('sees the client that the proxy names: in its rights, its trace field and its log', async () => {
    const fixture = await startFixture(TRUSTED)
    const dialogue = await proxied(fixture, binary(1, 0x11, TCP4))
    await dialogue.reply()
    await dialogue.command('EHLO client.example.net')
    assert.match(await submit(dialogue), /^250 /)
    await dialogue.quit()
    assert.match(fixture.accepted[0]?.text ?? '', /^Received: from client\.example\.net \(\[192\.0\.2\.7\]\)/)
    assert.deepEqual(fixture.accepted[0]?.envelope.origin, { kind: 'network', address: '192.0.2.7' })
    const stranger = await proxied(fixture, 'PROXY TCP4 198.51.100.7 192.0.2.8 1024 25\r\n')
    await stranger.reply()
    await stranger.command('EHLO client.example.net')
    assert.match(await submit(stranger), /^554 5\.7\.1 /)
    await stranger.quit()
    await fixture.close()
  })

  test('greets only after the header, and takes what came in one segment with it as early talk', async () => {
    const fixture = await startFixture({ ...TRUSTED, limits: { earlyTalkerDelayMs: 30 } })
    const dialogue = await proxied(fixture, 'PROXY TCP4 192.0.2.7 192.0.2.8 1024 25\r\nEHLO x\r\n')
    assert.match((await dialogue.reply())?.text ?? '', /^554 /)
    await fixture.close()
  })

  test('a connection of the proxy itself is one from its own address', async () => {
    const fixture = await startFixture(TRUSTED)
    const dialogue = await proxied(fixture, 'PROXY UNKNOWN\r\n')
    assert.match((await dialogue.reply())?.text ?? '', /^220 /)
    await dialogue.quit()
    const opened = fixture.events.find(({ event }) => event === 'session-opened')
    assert.equal(opened?.event === 'session-opened' && opened.address, '127.0.0.1')
    await fixture.close()
  })

  test('without a header nothing is said, and it is told', async () => {
    const fixture = await startFixture(TRUSTED)
    const dialogue = await proxied(fixture, 'EHLO client.example.net\r\n')
    assert.equal(await dialogue.reply(), undefined)
    const refused = fixture.events.find(({ event }) => event === 'session-refused')
    assert.ok(refused?.event === 'session-refused')
    assert.deepEqual([refused.reason, refused.address], ['bad-proxy-header', '127.0.0.1'])
    assert.equal(fixture.listener.sessions(), 0)
    await fixture.close()
  })

  test('a header that does not end is waited for as long as a handshake, not longer', async () => {
    let now = 0
    const fixture = await startFixture({ ...TRUSTED, now: () => now })
    const dialogue = await proxied(fixture, 'PROXY TCP4 ')
    while (fixture.listener.sessions() === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    now = 30_001
    fixture.listener.sweep()
    assert.equal(await dialogue.reply(), undefined)
    assert.equal(fixture.listener.sessions(), 0)
    await fixture.close()
  })

  test('a client that is no proxy names nobody', async () => {
    const fixture = await startFixture({
      ...TRUSTED,
      listener: { ...TRUSTED.listener, proxyNetworks: ['192.0.2.1/32'] },
    })
    const dialogue = await SmtpDialogue.open({ port: fixture.port })
    await dialogue.reply()
    assert.match((await dialogue.command('PROXY TCP4 192.0.2.7 192.0.2.8 1024 25')).text, /^500 /)
    await dialogue.quit()
    await fixture.close()
  })

  test('the sessions of each client are counted, not those of the proxy', async () => {
    const fixture = await startFixture({ ...TRUSTED, limits: { sessionsPerAddressMax: 1, earlyTalkerDelayMs: 0 } })
    const header = (last: number): string => `PROXY TCP4 192.0.2.${last} 192.0.2.200 1024 25\r\n`
    const dialogues = await Promise.all([1, 2, 3].map((last) => proxied(fixture, header(last))))
    for (const dialogue of dialogues) assert.match((await dialogue.reply())?.text ?? '', /^220 /)
    const second = await proxied(fixture, header(1))
    assert.match((await second.reply())?.text ?? '', /^421 /)
    for (const dialogue of dialogues) await dialogue.quit()
    await fixture.close()
  })

  test('a TLS handshake comes behind the header', async () => {
    const fixture = await startFixture({ listener: { tls: 'implicit', proxyNetworks: ['127.0.0.0/8'] } })
    const dialogue = await SmtpDialogue.open({
      port: fixture.port,
      tls: { ca: fixture.ca },
      first: binary(1, 0x21, TCP6),
    })
    assert.match((await dialogue.reply())?.text ?? '', /^220 /)
    await dialogue.quit()
    const opened = fixture.events.find(({ event }) => event === 'session-opened')
    assert.equal(opened?.event === 'session-opened' && opened.address, '2001:db8::7')
    await fixture.close()
  })
})
