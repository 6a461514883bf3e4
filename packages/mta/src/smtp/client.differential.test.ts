/**
 * Our client against other people's code: smtp-server takes what it sends, nodemailer composes what it sends and
 * stuffs the same content in its own way. Where they part from us, one of the two is wrong.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { err, ok } from '@hermetic/policy'
import fc from 'fast-check'
import MailComposer from 'nodemailer/lib/mail-composer'
import DataStream from 'nodemailer/lib/smtp-connection/data-stream.js'
import { SMTPServer } from 'smtp-server'
import { createAuthority } from '../../../../test/lab/ca.ts'
import { CLIENT_NAME, mail, PATIENT, told } from './client.samples.ts'
import { SmtpConnection } from './client.ts'
import { DotStuffer } from './dot-stuffing.ts'
import type { Transaction } from './transaction.ts'

interface Taken {
  readonly content: Buffer
  readonly recipients: readonly string[]
  readonly from: string | false
}

const taken: Taken[] = []
let server: SMTPServer
let connection: SmtpConnection

before(async () => {
  const { key, chain } = await (await createAuthority()).issue({ names: ['mx.example.net'] })
  server = new SMTPServer({
    key,
    cert: chain,
    authOptional: true,
    disableReverseLookup: true,
    hideDSN: false,
    hideENHANCEDSTATUSCODES: false,
    onRcptTo: ({ address }, _session, callback) =>
      callback(address.startsWith('no') ? Object.assign(new Error('no such user'), { responseCode: 550 }) : null),
    onData: (stream, session, callback) => {
      void buffer(stream).then((content) => {
        const { mailFrom, rcptTo } = session.envelope
        taken.push({
          content,
          recipients: rcptTo.map(({ address }) => address),
          from: mailFrom === false ? false : mailFrom.address,
        })
        callback()
      })
    },
  })
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  const { port } = server.server.address() as AddressInfo
  const dialled = await SmtpConnection.connect({ address: '127.0.0.1', port, timeouts: PATIENT })
  assert.ok(dialled.ok)
  connection = dialled.value
  assert.ok((await connection.ehlo(CLIENT_NAME)).ok)
  assert.equal((await connection.startTls({ groups: 'default' })).kind, 'secured')
  assert.ok((await connection.ehlo(CLIENT_NAME)).ok)
})

after(async () => {
  await connection.quit()
  await new Promise<void>((resolve) => server.close(() => resolve()))
})

const text = fc
  .array(
    fc.constantFrom(
      '.',
      '..',
      '\r\n',
      '\r\n.',
      '\r\n.\r\n',
      'x',
      'some text',
      '\r\n\r\n',
      'MAIL FROM:<a@b>',
      '\0',
      'ü',
    ),
    { maxLength: 80 },
  )
  .map((fragments) => Buffer.from(fragments.join('')))
const cuts = fc.array(fc.integer({ min: 1, max: 23 }), { minLength: 1, maxLength: 10 })

function pieces(content: Buffer, sizes: readonly number[]): Buffer[] {
  const out: Buffer[] = []
  for (let at = 0, turn = 0; at < content.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    out.push(content.subarray(at, at + size))
    at += size
  }
  return out
}

function ended(content: Buffer): Buffer {
  const whole = content.length === 0 || content.subarray(-2).equals(Buffer.from('\r\n'))
  return whole ? content : Buffer.concat([content, Buffer.from('\r\n')])
}

describe('smtp-server takes what we send', () => {
  test('every content arrives as it was, from memory and from a file in any chunks, several in flight', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(text, cuts, fc.boolean()), { minLength: 1, maxLength: 4 }),
        async (contents) => {
          taken.length = 0
          const results = await Promise.all(
            contents.map(([content, sizes, fromFile]) =>
              connection.transact(mail({ content: fromFile ? file(content, sizes) : content })),
            ),
          )
          assert.deepEqual(results.flatMap(told), Array(contents.length).fill('accepted'))
          assert.deepEqual(
            taken.map(({ content }) => content.toString()),
            contents.map(([content]) => ended(content).toString()),
          )
        },
      ),
      { numRuns: 60 },
    )
  })

  test('recipients are told apart, and the session survives transactions that nobody took', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        async (messages) => {
          taken.length = 0
          const results = await Promise.all(
            messages.map((wanted) =>
              connection.transact(mail({ to: wanted.map((yes, at) => `${yes ? 'yes' : 'no'}${at}@example.net`) })),
            ),
          )
          assert.deepEqual(
            results.map(told),
            messages.map((wanted) => wanted.map((yes) => (yes ? 'accepted' : 'rcpt 550'))),
          )
          const delivered = messages.filter((wanted) => wanted.includes(true))
          assert.deepEqual(
            taken.map(({ recipients }) => recipients.length),
            delivered.map((wanted) => wanted.filter(Boolean).length),
          )
        },
      ),
      { numRuns: 40 },
    )
  })

  test('the null reverse-path and DSN parameters are understood', async () => {
    taken.length = 0
    const dsn = { ret: 'FULL', envid: 'abc+2Bdef' } as const
    const to = [{ notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;u@example.net' } as const]
    assert.deepEqual(told(await connection.transact(mail({ from: '', to, envelope: { dsn } }))), ['accepted'])
    assert.equal(taken[0]?.from, '')
  })

  function file(content: Buffer, sizes: readonly number[]): Transaction['content'] {
    return { kind: 'file', size: content.length, open: () => Readable.from(pieces(content, sizes)) }
  }
})

describe('nodemailer composes', () => {
  test('messages with attachments, dots and UTF-8 arrive byte by byte', async () => {
    for (const encoding of ['quoted-printable', 'base64'] as const) {
      taken.length = 0
      const composed = await new MailComposer({
        from: 'a@example.com',
        to: 'b@example.net',
        subject: 'größe',
        text: '.\n..\nline\n.end',
        html: '<p>.</p>',
        textEncoding: encoding,
        // Without this nodemailer leaves the text's own LFs bare, and we refuse to send them.
        newline: 'windows',
        attachments: [{ filename: 'x.bin', content: Buffer.alloc(50_000, 46) }],
      })
        .compile()
        .build()
      assert.deepEqual(told(await connection.transact(mail({ content: composed }))), ['accepted'])
      assert.ok(taken[0]?.content.equals(composed))
    }
  })

  test('its dot-stuffing and ours are the same for whatever has whole line ends', async () => {
    await fc.assert(
      fc.asyncProperty(text, cuts, async (content, sizes) => {
        const theirs = await buffer(Readable.from(pieces(content, sizes)).pipe(new DataStream()))
        const ours = stuffed(pieces(content, sizes))
        assert.deepEqual(ours, ok(content.length === 0 ? '.\r\n' : theirs.toString()))
      }),
      { numRuns: 200 },
    )
  })

  function stuffed(chunks: readonly Buffer[]) {
    const stuffer = new DotStuffer()
    const out: Buffer[] = []
    for (const chunk of chunks) {
      const slices = stuffer.push(chunk)
      if (!slices.ok) return err(slices.error)
      out.push(...slices.value)
    }
    const end = stuffer.finish()
    return end.ok ? ok(Buffer.concat([...out, end.value]).toString()) : end
  }
})
