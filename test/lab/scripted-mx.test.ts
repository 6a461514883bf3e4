/** The lab's own mail exchanger, driven by nodemailer and by hand: what a test relies on when it scripts one. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import nodemailer from 'nodemailer'
import { createAuthority } from './ca.ts'
import { ScriptedMx } from './scripted-mx.ts'

test('without a script it takes mail from nodemailer over STARTTLS and keeps the content un-stuffed', async () => {
  const authority = await createAuthority()
  const { key, chain } = await authority.issue({ names: ['mx.lab.test'] })
  await using mx = await ScriptedMx.start({ tls: { key, cert: chain } })
  const transport = nodemailer.createTransport({
    host: mx.address,
    port: mx.port,
    requireTLS: true,
    tls: { ca: authority.certificate, servername: 'mx.lab.test' },
  })
  await transport.sendMail({
    envelope: { from: 'a@example.com', to: ['b@example.net', 'c@example.net'] },
    raw: 'Subject: dots\r\n\r\n.one\r\n..two\r\n',
  })
  transport.close()
  const [message] = mx.messages
  assert.ok(message)
  assert.equal(message.content.toString(), 'Subject: dots\r\n\r\n.one\r\n..two\r\n')
  assert.equal(message.wire.toString(), 'Subject: dots\r\n\r\n..one\r\n...two\r\n.\r\n')
  assert.equal(message.reversePath, 'a@example.com')
  assert.deepEqual(
    message.recipients.map(({ address }) => address),
    ['b@example.net', 'c@example.net'],
  )
  assert.equal(message.inTls, true)
  assert.equal(mx.connection.servername, 'mx.lab.test')
  assert.equal(mx.connection.commands[1], 'STARTTLS')
  // TLS record type 22: the ClientHello is on record.
  assert.ok(
    mx.connection.segments.some(({ direction, inTls, bytes }) => direction === 'in' && !inTls && bytes[0] === 22),
  )
})

test('a script answers by verb, recipient and transaction, and commands of one segment are answered together', async () => {
  await using mx = await ScriptedMx.start({
    script: {
      RCPT: ({ recipient }) => (recipient === 'full@example.net' ? '452 4.2.2 full' : undefined),
      DOT: ({ transaction }) => (transaction === 2 ? '451 4.3.0 later' : undefined),
    },
  })
  const one = 'MAIL FROM:<>\r\nRCPT TO:<full@example.net>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n'
  const received = await talk(mx, [`EHLO x\r\n`, one, 'hello\r\n.\r\n', one, 'again\r\n.\r\n', 'QUIT\r\n'])
  assert.match(received, /250 2\.1\.0 ok\r\n452 4\.2\.2 full\r\n250 2\.1\.5 ok\r\n354/)
  assert.match(received, /250 2\.0\.0 accepted.*451 4\.3\.0 later\r\n221/s)
  assert.equal(mx.messages.length, 1)
  assert.equal(mx.connection.commands.filter((line) => line.startsWith('MAIL')).length, 2)
})

test('nested MAIL, RCPT before MAIL and DATA without recipients are refused', async () => {
  await using mx = await ScriptedMx.start({ script: { RCPT: '550 5.1.1 no' } })
  const received = await talk(mx, [
    'RCPT TO:<a@b>\r\n',
    'MAIL FROM:<>\r\n',
    'RCPT TO:<a@b>\r\nMAIL FROM:<>\r\nDATA\r\nQUIT\r\n',
  ])
  assert.match(received, /550.*250.*550.*503 5\.5\.1 nested MAIL\r\n554/s)
})

test('drips, drops and raw bytes are sent as scripted', async () => {
  await using mx = await ScriptedMx.start({
    script: {
      CONNECT: { reply: '220 slow', drip: { bytes: 4, everyMs: 5 } },
      EHLO: { raw: '250 a\r\n250 injected\r\n' },
      NOOP: { reply: '421 going', after: 'close' },
    },
  })
  const received = await talk(mx, ['EHLO x\r\n', 'NOOP\r\n'])
  assert.equal(received, '220 slow\r\n250 a\r\n250 injected\r\n421 going\r\n')
  assert.ok(mx.connection.segments.filter(({ direction }) => direction === 'out').length >= 4)
})

/** Sends each piece after something came back for the one before; answers all that was received. */
async function talk(mx: ScriptedMx, pieces: readonly string[]): Promise<string> {
  const socket = connect({ host: mx.address, port: mx.port })
  let received = ''
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString()
  })
  const closed = once(socket, 'close')
  for (const piece of pieces) {
    while (!received.endsWith('\r\n')) await once(socket, 'data')
    const before = received.length
    socket.write(piece)
    while (received.length === before && !socket.closed) await Promise.race([once(socket, 'data'), closed])
  }
  await closed
  return received
}
