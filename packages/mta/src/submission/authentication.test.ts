/** STARTTLS, implicit TLS and AUTH on the wire (RFC 3207, RFC 4954, RFC 8314, RFC 6409 §4.3). */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createTransport } from 'nodemailer'
import { covers } from '../../../../test/conformance/covers.ts'
import { SmtpDialogue } from '../../../../test/lab/submit.ts'
import { AuthFailures, DEFAULT_AUTH_FAILURE_LIMITS } from './auth-failures.ts'
import { authPlain, type Fixture, SECRET, startFixture, submit, USERNAME } from './listener.fixture.ts'
import { hashPassword, hashToken } from './secret-hash.ts'

const RIGHT = authPlain(USERNAME, SECRET)
const WRONG = authPlain(USERNAME, 'wrong')

let starttls: Fixture
let implicit: Fixture

before(async () => {
  starttls = await startFixture({ listener: { tls: 'starttls' } })
  implicit = await startFixture({ listener: { tls: 'implicit' } })
})
after(async () => {
  await starttls.close()
  await implicit.close()
})

async function inTls(fixture: Fixture): Promise<SmtpDialogue> {
  const dialogue = await fixture.open()
  await dialogue.reply()
  await dialogue.command('EHLO client.example.net')
  if (fixture === implicit) return dialogue
  await dialogue.startTls(fixture.ca)
  await dialogue.command('EHLO client.example.net')
  return dialogue
}

async function inClear(): Promise<SmtpDialogue> {
  const dialogue = await starttls.open()
  await dialogue.reply()
  await dialogue.command('EHLO client.example.net')
  return dialogue
}

describe('RFC 6409 §4.3, RFC 3207 §4: nothing without TLS and an account', () => {
  test('SUB-01: MAIL before AUTH: 530 5.7.0, with STARTTLS and with implicit TLS', async () => {
    covers('SUB-01', { observe: 'smtp' })
    for (const fixture of [starttls, implicit]) {
      const dialogue = await inTls(fixture)
      assert.match((await dialogue.command('MAIL FROM:<a@example.com>')).text, /^530 5\.7\.0 /)
      await dialogue.quit()
    }
  })

  test('SUB-03: before STARTTLS everything but NOOP, EHLO, STARTTLS and QUIT: 530 5.7.0', async () => {
    covers('SUB-03', { observe: 'smtp' })
    const dialogue = await inClear()
    for (const line of [
      'MAIL FROM:<a@example.com>',
      'RCPT TO:<b@example.net>',
      'DATA',
      'RSET',
      'VRFY a',
      'HELP',
      'HELO a',
    ]) {
      assert.match((await dialogue.command(line)).text, /^530 5\.7\.0 /, line)
    }
    assert.equal((await dialogue.command('NOOP')).code, 250)
    assert.equal((await dialogue.quit()).code, 221)
  })

  test('SUB-04: in clear AUTH is neither offered nor accepted; in TLS it is offered', async () => {
    covers('SUB-04', { observe: 'smtp' })
    const dialogue = await inClear()
    assert.equal(dialogue.replies.at(-1)?.text.includes('AUTH'), false)
    assert.equal(dialogue.replies.at(-1)?.lines.includes('250 STARTTLS'), true)
    assert.match((await dialogue.command(RIGHT)).text, /^538 5\.7\.11 /)
    await dialogue.quit()
    const secure = await inTls(starttls)
    assert.equal(secure.replies.at(-1)?.lines.includes('250 AUTH PLAIN LOGIN'), true)
    assert.equal(secure.replies.at(-1)?.text.includes('STARTTLS'), false)
    await secure.quit()
  })

  test('SUB-05: in clear right and wrong passwords get the same octets, and none is looked up', async () => {
    covers('SUB-05', { observe: 'smtp' })
    const events = starttls.events.length
    const dialogue = await inClear()
    const answers = [(await dialogue.command(RIGHT)).text, (await dialogue.command(WRONG)).text]
    assert.equal(answers[0], answers[1])
    assert.deepEqual(
      starttls.events.slice(events).filter(({ event }) => event === 'auth-failed' || event === 'authenticated'),
      [],
    )
    await dialogue.quit()
  })

  test('a listener without TLS takes no password at all', async () => {
    const plain = await startFixture({ listener: { requireAuth: true } })
    const dialogue = await plain.ready()
    assert.match((await dialogue.command(RIGHT)).text, /^538 5\.7\.11 /)
    assert.match((await dialogue.command('MAIL FROM:<a@example.com>')).text, /^530 5\.7\.0 /)
    await dialogue.quit()
    await plain.close()
  })
})

describe('TLS of the listeners', () => {
  test('SUB-02, TLS-13, TLS-14: both kinds shake hands with TLS 1.2 and 1.3, prefer 1.3 and refuse 1.1', async () => {
    covers(['SUB-02', 'TLS-13', 'TLS-14'], { observe: 'smtp' })
    for (const [maxVersion, protocol] of [
      [undefined, 'TLSv1.3'],
      ['TLSv1.2', 'TLSv1.2'],
    ] as const) {
      const tls = { ca: implicit.ca, ...(maxVersion === undefined ? {} : { maxVersion }) }
      const dialogue = await SmtpDialogue.open({ port: implicit.port, tls })
      assert.equal(dialogue.tlsSocket.getProtocol(), protocol)
      assert.equal((await dialogue.reply())?.code, 220)
      await dialogue.quit()
    }
    const dialogue = await inTls(starttls)
    assert.equal(dialogue.tlsSocket.getProtocol(), 'TLSv1.3')
    await dialogue.quit()
    await assert.rejects(
      SmtpDialogue.open({
        port: implicit.port,
        tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      }),
      /alert|protocol/i,
    )
    await until(() => implicit.events.some(({ event }) => event === 'tls-handshake-failed'))
  })

  test('TLS-20: input behind STARTTLS is not executed, in one segment or in pieces', async () => {
    covers('TLS-20', { observe: 'smtp' })
    const dialogue = await inClear()
    dialogue.send('STARTTLS\r\nNOOP\r\nMAIL FROM:<x@example.com>\r\n')
    assert.deepEqual(
      (await dialogue.rest()).map(({ text }) => text.slice(0, 9)),
      ['503 5.5.1'],
    )
    // In pieces the rest reaches the handshake, which it breaks.
    const pieces = await inClear()
    pieces.send('STARTTLS\r\n')
    assert.equal((await pieces.reply())?.code, 220)
    pieces.send('NOOP\r\nMAIL FROM:<x@example.com>\r\n')
    assert.deepEqual(await pieces.rest(), [])
  })

  test('RFC 3207 §4.2: what was said before STARTTLS is forgotten', async () => {
    const dialogue = await inClear()
    await dialogue.startTls(starttls.ca)
    assert.match((await dialogue.command(RIGHT)).text, /^503 5\.5\.1 /)
    assert.match((await dialogue.command('STARTTLS')).text, /^503 5\.5\.1 /)
    await dialogue.quit()
  })

  test('the certificate can be replaced while the listener runs', async () => {
    const { selfSigned } = await import('../../../../test/lab/ca.ts')
    const next = await selfSigned({ names: ['localhost'] })
    let pem = { cert: implicit.ca, key: '' }
    const first = await selfSigned({ names: ['localhost'] })
    pem = { cert: first.certificate, key: first.key }
    const fixture = await startFixture({ listener: { tls: 'implicit', certificate: () => pem } })
    await (await SmtpDialogue.open({ port: fixture.port, tls: { ca: first.certificate } })).quit()
    pem = { cert: next.certificate, key: next.key }
    fixture.listener.reloadCertificate()
    await (await SmtpDialogue.open({ port: fixture.port, tls: { ca: next.certificate } })).quit()
    await fixture.close()
  })

  test('a TLS listener without a certificate does not start: the key of the library is public', async () => {
    for (const tls of ['starttls', 'implicit'] as const) {
      await assert.rejects(startFixture({ listener: { tls, certificate: undefined as never } }), /invariant/)
    }
  })
})

describe('RFC 4954 §4: AUTH', () => {
  test('SUB-06: PLAIN with and without an initial response, and LOGIN', async () => {
    covers('SUB-06', { observe: 'smtp' })
    const token = RIGHT.split(' ')[2] ?? ''
    for (const lines of [
      [RIGHT],
      ['AUTH plain', token],
      ['AUTH LOGIN', base64(USERNAME), base64(SECRET)],
      [`AUTH LOGIN ${base64(USERNAME)}`, base64(SECRET)],
    ]) {
      const dialogue = await inTls(implicit)
      const codes: number[] = []
      for (const line of lines) codes.push((await dialogue.command(line)).code)
      assert.deepEqual(codes, [...lines.slice(1).map(() => 334), 235])
      assert.match(await submit(dialogue), /^250 /)
      assert.deepEqual(implicit.accepted.at(-1)?.envelope.origin, {
        kind: 'credential',
        username: USERNAME,
        address: '127.0.0.1',
      })
      await dialogue.quit()
    }
  })

  test('SUB-07: no second success, not inside a transaction, * cancels, bad base64, "=" is empty, 12288 octets', async () => {
    covers('SUB-07', { observe: 'smtp' })
    const dialogue = await inTls(implicit)
    for (const [lines, reply] of [
      [['AUTH PLAIN', '*'], '501 5.7.0'],
      [['AUTH LOGIN', '*'], '501 5.7.0'],
      [['AUTH PLAIN', 'not base64!'], '501 5.5.2'],
      [['AUTH PLAIN YQ'], '501 5.5.2'],
      [['AUTH PLAIN ='], '501 5.5.4'],
      [[`AUTH PLAIN ${base64('no separators')}`], '501 5.5.4'],
      [['AUTH PLAIN', base64(`\0${USERNAME}\0${'x'.repeat(9_180)}`)], '535 5.7.8'],
      [['AUTH PLAIN', 'A'.repeat(12_289)], '500 5.5.6'],
      [[RIGHT], '235 2.7.0'],
      [[RIGHT], '503 5.5.1'],
    ] as const) {
      let last = ''
      for (const line of lines) last = (await dialogue.command(line)).text
      assert.equal(last.slice(0, 9), reply, lines[0])
    }
    await dialogue.quit()
    const open = await startFixture({ listener: { tls: 'implicit', requireAuth: false } })
    const transaction = await SmtpDialogue.open({ port: open.port, tls: { ca: open.ca } })
    await transaction.reply()
    await transaction.command('EHLO client.example.net')
    assert.equal((await transaction.command('MAIL FROM:<a@example.com>')).code, 250)
    assert.match((await transaction.command(RIGHT)).text, /^503 5\.5\.1 /)
    await transaction.quit()
    await open.close()
  })

  test('SUB-08: 504 for an unknown mechanism; the third failure is still answered with 535, the next AUTH ends the session', async () => {
    covers('SUB-08', { observe: 'smtp' })
    const dialogue = await inTls(implicit)
    assert.match((await dialogue.command('AUTH CRAM-MD5')).text, /^504 5\.5\.4 /)
    for (let attempt = 0; attempt < 3; attempt += 1) assert.match((await dialogue.command(WRONG)).text, /^535 5\.7\.8 /)
    assert.match((await dialogue.command(RIGHT)).text, /^421 4\.7\.0 /)
    assert.deepEqual(await dialogue.rest(), [])
  })

  test('an authorization identity of somebody else is refused', async () => {
    const dialogue = await inTls(implicit)
    assert.match((await dialogue.command(`AUTH PLAIN ${base64(`root\0${USERNAME}\0${SECRET}`)}`)).text, /^535 5\.7\.8 /)
    await dialogue.quit()
  })

  test('SUB-08: an address that failed too often gets 454 4.7.0, whatever it sends; an account that worked keeps working', async () => {
    covers('SUB-08', { observe: 'smtp' })
    const authFailures = new AuthFailures({ ...DEFAULT_AUTH_FAILURE_LIMITS, perAddressMax: 2 })
    const credentials = [USERNAME, 'other@example.com'].map((username) => ({ username, secretHash: hashToken(SECRET) }))
    const fixture = await startFixture({ listener: { tls: 'implicit' }, authFailures, credentials })
    const dialogue = await fixture.ready()
    const guessing = await fixture.open()
    await guessing.reply()
    await guessing.command('EHLO client.example.net')
    for (const code of [535, 535, 454]) assert.equal((await guessing.command(WRONG)).code, code)
    const known = await fixture.ready()
    await assert.rejects(fixture.ready({ username: 'other@example.com', secret: SECRET }), /454/)
    for (const open of [dialogue, known, guessing]) await open.quit()
    await fixture.close()
  })

  test('SUB-08: more slow hashes at once than there are places: 454 4.7.0', async () => {
    covers('SUB-08', { observe: 'smtp' })
    const secretHash = await hashPassword('slow', { N: 2 ** 14, r: 8, p: 1 })
    const fixture = await startFixture({
      listener: { tls: 'implicit' },
      credentials: [{ username: 'person', secretHash }],
    })
    const dialogues = await Promise.all(Array.from({ length: 6 }, () => inFixture(fixture)))
    const codes = await Promise.all(
      dialogues.map(async (dialogue) => (await dialogue.command(authPlain('person', 'slow'))).code),
    )
    assert.deepEqual([...new Set(codes)].sort(), [235, 454])
    assert.equal(codes.filter((code) => code === 235).length >= 2, true)
    await Promise.all(dialogues.map((dialogue) => dialogue.quit()))
    await fixture.close()
  })

  test('SUB-14: an account with a list sends as nobody else, in MAIL FROM; the null path is free', async () => {
    covers('SUB-14', { observe: 'smtp' })
    const credentials = [
      { username: 'a', secretHash: hashToken(SECRET), allowedSenders: ['a@example.com', '@team.example'] },
    ]
    const fixture = await startFixture({ listener: { tls: 'implicit' }, credentials })
    const dialogue = await fixture.ready({ username: 'a', secret: SECRET })
    for (const [from, code] of [
      ['b@example.com', 550],
      ['A@example.com', 550],
      ['a@sub.team.example', 550],
      ['a@EXAMPLE.com', 250],
      ['anyone@team.example', 250],
      ['', 250],
    ] as const) {
      const reply = await dialogue.command(`MAIL FROM:<${from}>`)
      assert.equal(reply.code, code, from)
      if (code === 550) assert.match(reply.text, /^550 5\.7\.1 /)
      await dialogue.command('RSET')
    }
    await dialogue.quit()
    await fixture.close()
  })

  test('nodemailer signs in and sends, with STARTTLS and with implicit TLS', async () => {
    for (const fixture of [starttls, implicit]) {
      const transport = createTransport({
        host: 'localhost',
        port: fixture.port,
        secure: fixture === implicit,
        requireTLS: true,
        auth: { user: USERNAME, pass: SECRET },
        tls: { ca: fixture.ca },
      })
      await transport.sendMail({ from: 'a@example.com', to: 'b@example.net', subject: 'x', text: 'y' })
      transport.close()
      assert.match(
        fixture.accepted.at(-1)?.text ?? '',
        /with ESMTPSA id \S+\r\n\tfor <b@example\.net>\r\n\ttls TLS_\S+;\r\n/,
      )
    }
  })
})

async function inFixture(fixture: Fixture): Promise<SmtpDialogue> {
  const dialogue = await fixture.open()
  await dialogue.reply()
  await dialogue.command('EHLO client.example.net')
  return dialogue
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}
