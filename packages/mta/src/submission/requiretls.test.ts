/** REQUIRETLS and `TLS-Required: No` as clients meet them (RFC 8689 §2, §3, §4.1); what comes of them is in `test/scenarios/`. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createTransport } from 'nodemailer'
import { covers } from '../../../../test/conformance/covers.ts'
import type { SmtpDialogue } from '../../../../test/lab/submit.ts'
import {
  type Fixture,
  type FixtureOptions,
  MESSAGE,
  SECRET,
  startFixture,
  submit,
  USERNAME,
} from './listener.fixture.ts'
import { tlsOptionalRules } from './tls-optional-rule.ts'

const OFFERED: FixtureOptions = { advertise: { requireTls: true } }

async function withFixture(options: FixtureOptions, use: (fixture: Fixture) => Promise<void>): Promise<void> {
  const fixture = await startFixture(options)
  try {
    await use(fixture)
  } finally {
    await fixture.close()
  }
}

function keywords({ replies }: SmtpDialogue): readonly string[] {
  return replies.findLast(({ code, lines }) => code === 250 && lines.length > 1)?.lines ?? []
}

const LISTED = '250-REQUIRETLS'
const isListed = (dialogue: SmtpDialogue): boolean =>
  keywords(dialogue).some((line) => line.slice(4) === LISTED.slice(4))

describe('RFC 8689 §2: REQUIRETLS is offered inside TLS', () => {
  for (const tls of ['starttls', 'implicit'] as const) {
    test(`RTLS-01: ${tls}: offered, without a parameter; switched off it is unknown`, async () => {
      covers('RTLS-01', { observe: 'smtp' })
      await withFixture({ ...OFFERED, listener: { tls } }, async (fixture) => {
        const dialogue = await fixture.ready()
        assert(isListed(dialogue), keywords(dialogue).join())
        await dialogue.quit()
      })
      await withFixture({ listener: { tls } }, async (fixture) => {
        const dialogue = await fixture.ready()
        assert(!isListed(dialogue))
        const reply = await dialogue.command('MAIL FROM:<a@example.com> REQUIRETLS')
        assert.equal(reply.text.slice(0, 9), '555 5.5.4')
        await dialogue.quit()
      })
    })
  }

  for (const [where, listener] of [
    ['a relay listener without TLS', { kind: 'relay', tls: 'none' }],
    ['a relay listener before STARTTLS', { kind: 'relay', tls: 'starttls', requireAuth: false }],
    ['a submission listener before STARTTLS', { kind: 'submission', tls: 'starttls' }],
  ] as const) {
    test(`RTLS-02: ${where}: not offered in clear, and the parameter gets 530 5.7.0`, async () => {
      covers('RTLS-02', { observe: 'smtp' })
      await withFixture({ ...OFFERED, listener, limits: { earlyTalkerDelayMs: 0 } }, async (fixture) => {
        const dialogue = await fixture.open()
        await dialogue.reply()
        await dialogue.command('EHLO client.example.net')
        assert(!isListed(dialogue))
        const reply = await dialogue.command('MAIL FROM:<a@example.com> REQUIRETLS')
        assert.equal(reply.text.slice(0, 9), '530 5.7.0')
        await dialogue.quit()
      })
    })
  }

  for (const parameter of ['REQUIRETLS=1', 'REQUIRETLS=', 'REQUIRETLS REQUIRETLS', 'requiretls=YES']) {
    test(`RTLS-03: ${parameter}: 501 5.5.4`, async () => {
      covers('RTLS-03', { observe: 'smtp' })
      await withFixture({ ...OFFERED, listener: { tls: 'implicit' } }, async (fixture) => {
        const dialogue = await fixture.ready()
        const reply = await dialogue.command(`MAIL FROM:<a@example.com> ${parameter}`)
        assert.equal(reply.text.slice(0, 9), '501 5.5.4')
        assert.match(await submit(dialogue), /^250 /)
        assert.equal(fixture.accepted[0]?.envelope.tls, 'default')
        await dialogue.quit()
      })
    })
  }

  test('RTLS-04: a MAIL command may be 11 octets longer than all other extensions allow', async () => {
    covers('RTLS-04', { observe: 'smtp' })
    await withFixture(
      { advertise: { requireTls: true, dsn: true }, listener: { tls: 'implicit' } },
      async (fixture) => {
        const dialogue = await fixture.ready()
        // 512 of RFC 5321, 500 of AUTH, 10 of SMTPUTF8, 118 of DSN and 27 of SIZE and BODY: each at its limit.
        const parameters = ` SIZE=${'0'.repeat(17)}512 BODY=8BITMIME SMTPUTF8 AUTH=${'a'.repeat(494)} RET=HDRS ENVID=${'e'.repeat(100)}`
        const mail = `MAIL FROM:<${'l'.repeat(64)}@${`${'d'.repeat(60)}.`.repeat(2)}example.com>${parameters} REQUIRETLS`
        const spaces = ' '.repeat(512 + 500 + 10 + 118 + 27 + 11 - mail.length - 2)
        const reply = await dialogue.command(`${mail}${spaces}`)
        assert.equal(reply.code, 250, reply.text)
        await dialogue.quit()
      },
    )
  })
})

describe('RFC 8689 §4.1: what the message is tagged with', () => {
  const FIELD = `TLS-Required: No\r\n${MESSAGE}`
  const ENCLOSED = [
    'From: a@example.com',
    'MIME-Version: 1.0',
    'Content-Type: message/rfc822',
    '',
    'TLS-Required: No',
    'From: c@example.com',
    '',
    'x',
    '',
  ].join('\r\n')

  for (const [what, mail, content, tls, ignored] of [
    ['nothing', '', MESSAGE, 'default', undefined],
    ['the parameter', ' REQUIRETLS', MESSAGE, 'requiretls', undefined],
    ['the field', '', FIELD, 'tls-optional', undefined],
    ['parameter and field', ' REQUIRETLS', FIELD, 'requiretls', 'overruled'],
    ['the field twice', '', `TLS-Required: No\r\n${FIELD}`, 'default', 'repeated'],
    ['the field with another value', '', `TLS-Required: Yes\r\n${MESSAGE}`, 'default', 'another-value'],
    ['the field of an enclosed message', '', ENCLOSED, 'default', undefined],
  ] as const) {
    test(`${what}: ${tls}, and a field that is not followed is told in the log`, async () => {
      await withFixture({ ...OFFERED, listener: { tls: 'implicit' } }, async (fixture) => {
        const dialogue = await fixture.ready()
        assert.match(await submit(dialogue, { mail: `MAIL FROM:<a@example.com>${mail}`, content }), /^250 /)
        await dialogue.quit()
        assert.equal(fixture.accepted[0]?.envelope.tls, tls)
        const accepted = fixture.events.find((event) => event.event === 'message-accepted')
        assert(accepted?.event === 'message-accepted')
        assert.deepEqual([accepted.messageTls, accepted.tlsRequiredIgnored], [tls, ignored])
      })
    })
  }

  for (const kind of ['submission', 'relay'] as const) {
    test(`the field stays as it came, byte for byte, at a ${kind} listener`, async () => {
      const content = `tls-REQUIRED:\r\n\t nO \r\n${MESSAGE}`
      await withFixture({ listener: { kind, tls: 'none' }, limits: { earlyTalkerDelayMs: 0 } }, async (fixture) => {
        const dialogue = await fixture.ready()
        assert.match(await submit(dialogue, { content }), /^250 /)
        await dialogue.quit()
        assert(fixture.accepted[0]?.text.includes('\r\ntls-REQUIRED:\r\n\t nO \r\nFrom:'))
        assert.equal(fixture.accepted[0]?.envelope.tls, 'tls-optional')
      })
    })
  }

  for (const [patterns, tls] of [
    [['*'], 'default'],
    [['@example.com'], 'default'],
    [['a@example.com'], 'default'],
    [['@example.net'], 'default'],
    [['c@example.net'], 'default'],
    [['d@example.net', '@other.example'], 'tls-optional'],
    [[], 'tls-optional'],
  ] as const) {
    test(`not to be followed for ${JSON.stringify(patterns)}: a message from a@example.com to b and c is ${tls}`, async () => {
      await withFixture({ mayRelaxTls: tlsOptionalRules(patterns) }, async (fixture) => {
        const dialogue = await fixture.ready()
        assert.match(await submit(dialogue, { content: FIELD, to: ['b@example.net', 'c@example.net'] }), /^250 /)
        await dialogue.quit()
        assert.equal(fixture.accepted[0]?.envelope.tls, tls)
      })
    })
  }
})

test('nodemailer says REQUIRETLS as a client', async () => {
  await withFixture({ ...OFFERED, listener: { tls: 'starttls' } }, async (fixture) => {
    const transport = createTransport({
      host: '127.0.0.1',
      port: fixture.port,
      requireTLS: true,
      tls: { ca: fixture.ca, servername: 'localhost' },
      auth: { user: USERNAME, pass: SECRET },
    })
    const message = { from: 'a@example.com', to: 'b@example.net', text: 'x' }
    await transport.sendMail({ ...message, requireTLSExtensionEnabled: true })
    await transport.sendMail({ ...message, headers: { 'TLS-Required': 'No' } })
    transport.close()
    assert.deepEqual(
      fixture.accepted.map(({ envelope }) => envelope.tls),
      ['requiretls', 'tls-optional'],
    )
  })
})
