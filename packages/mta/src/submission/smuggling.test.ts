/** SMTP smuggling, on the wire: every end-of-data variant in every cut, and what hides behind it (RFC 5321 §2.3.8). */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { type Fixture, MESSAGE, startFixture, submit } from './listener.fixture.ts'

const HIDDEN =
  'MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nFrom: evil@example.com\r\n\r\nhidden\r\n.\r\n'

/** What a lenient server takes for the end of content. */
const SEQUENCES: readonly (readonly [string, string])[] = [
  ['LF.LF', '\n.\n'],
  ['LF.CRLF', '\n.\r\n'],
  ['LF.CR', '\n.\r'],
  ['CRLF.LF', '\r\n.\n'],
  ['CRLF.CR', '\r\n.\r'],
  ['CR.CR', '\r.\r'],
  ['CR.CRLF', '\r.\r\n'],
  ['CR.LF', '\r.\n'],
  ['LF.CR.LF', '\n.\r.\n'],
  ['CRLF NUL .CRLF', '\r\n\0.\r\n'],
  ['CRLF. NUL CRLF', '\r\n.\0\r\n'],
  ['CRLF.CRCRLF', '\r\n.\r\r\n'],
  ['CRCRLF.CRCRLF', '\r\r\n.\r\r\n'],
  ['LF..CRLF', '\n..\r\n'],
  ['LF..LF', '\n..\n'],
]

/** Octets per write; 0: all in one. */
const CUTS = [0, 1, 2, 3, 5, 7]

let fixture: Fixture

before(async () => {
  fixture = await startFixture()
})
after(() => fixture.close())

async function attack(octets: Buffer, cut: number): Promise<readonly string[]> {
  const dialogue = await fixture.ready()
  await dialogue.command('MAIL FROM:<a@example.com>')
  await dialogue.command('RCPT TO:<b@example.net>')
  await dialogue.command('DATA')
  if (cut === 0) dialogue.send(octets)
  else await dialogue.sendCut(octets, cut)
  const reply = await dialogue.reply()
  const noop = await dialogue.command('NOOP')
  await dialogue.quit()
  return [reply?.text ?? 'closed', noop.text]
}

describe('SMUG-01, SMUG-02: only CRLF "." CRLF ends content, and nothing else is repaired', () => {
  for (const [name, sequence] of SEQUENCES) {
    test(`SMUG-01, SMUG-02: behind ${name} no command is executed`, async () => {
      covers(['SMUG-01', 'SMUG-02'], { observe: 'smtp' })
      for (const cut of CUTS) {
        const before = fixture.accepted.length
        // The hidden commands end with a true end of data, so that the dialogue goes on either way.
        const octets = Buffer.from(`${MESSAGE.slice(0, -2)}${sequence}${HIDDEN}`, 'latin1')
        const [reply, noop] = await attack(octets, cut)
        assert.match(reply ?? '', /^550 5\.6\.0 /, `cut ${cut}`)
        assert.equal(noop, '250 2.0.0 Ok', `cut ${cut}`)
        assert.equal(fixture.accepted.length, before, `cut ${cut}`)
      }
    })
  }

  test('SMUG-01: the true end of data is found in every cut, and a stuffed dot is not one', async () => {
    covers('SMUG-01', { observe: 'smtp' })
    for (const cut of CUTS) {
      const [reply] = await attack(Buffer.from(`${MESSAGE}..\r\n.\r\n`), cut)
      assert.match(reply ?? '', /^250 2\.0\.0 /)
      assert.equal(fixture.accepted.at(-1)?.text.endsWith('Hello\r\n.\r\n'), true, `cut ${cut}`)
    }
  })

  test('SMUG-02: the same message is refused on a relay port', async () => {
    covers('SMUG-02', { observe: 'smtp' })
    const relay = await startFixture({ listener: { kind: 'relay' }, limits: { earlyTalkerDelayMs: 0 } })
    const dialogue = await relay.ready()
    for (const [name, sequence] of SEQUENCES) {
      assert.match(
        await submit(dialogue, { content: `${MESSAGE.slice(0, -2)}${sequence}x\r\n` }),
        /^550 5\.6\.0 /,
        name,
      )
    }
    assert.equal(relay.accepted.length, 0)
    await dialogue.quit()
    await relay.close()
  })

  test('SMUG-02: a command line that ends with a bare LF is refused, and what follows is not executed', async () => {
    covers('SMUG-02', { observe: 'smtp' })
    const dialogue = await fixture.ready()
    dialogue.send('NOOP\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\n')
    const replies = await dialogue.rest()
    assert.deepEqual(
      replies.map(({ text }) => text.slice(0, 9)),
      ['500 5.5.2'],
    )
  })

  test('SMUG-02: a bare CR in a command line is refused and the session lives', async () => {
    covers('SMUG-02', { observe: 'smtp' })
    const dialogue = await fixture.ready()
    assert.match((await dialogue.command('MAIL FROM:<a@example.com>\rRCPT TO:<b@example.net>')).text, /^500 5\.5\.2 /)
    assert.equal((await dialogue.command('RCPT TO:<b@example.net>')).code, 503)
    await dialogue.quit()
  })
})

describe('SMUG-05: unauthorised pipelining', () => {
  test('SMUG-05: content sent before the 354 ends the session; neither it nor what follows is taken for commands', async () => {
    covers('SMUG-05', { observe: 'smtp' })
    const before = fixture.accepted.length
    const dialogue = await fixture.ready()
    dialogue.send(`MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n.\r\n${HIDDEN}`)
    const replies = await dialogue.rest()
    assert.deepEqual(
      replies.map(({ text }) => text.slice(0, 9)),
      ['250 2.1.0', '250 2.1.5', '503 5.5.1'],
    )
    assert.equal(fixture.accepted.length, before)
  })

  test('RFC 2920 §3.1: MAIL and RCPT behind the final dot are one allowed group, answered in order', async () => {
    const dialogue = await fixture.ready()
    dialogue.send('MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n')
    for (const code of [250, 250, 354]) assert.equal((await dialogue.reply())?.code, code)
    dialogue.send(`${MESSAGE}.\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n`)
    for (const code of [250, 250, 250, 354]) assert.equal((await dialogue.reply())?.code, code)
    dialogue.send(`${MESSAGE}.\r\n`)
    assert.match((await dialogue.reply())?.text ?? '', /queued as/)
    await dialogue.quit()
  })
})

describe('SMUG-06: BDAT is not offered', () => {
  /** What would be executed if the octets of the chunk were read as commands. */
  const chunk = `${MESSAGE}\r\n${HIDDEN}QUIT\r\n`
  const bdat = (command: string): string => `${command} ${chunk.length} LAST\r\n${chunk}`
  const envelope = 'MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n'

  for (const [name, octets, codes] of [
    ['behind RCPT', `${envelope}${bdat('BDAT')}`, ['250 2.1.0', '250 2.1.5', '502 5.5.1']],
    ['in lower case', `${envelope}${bdat('bdat')}`, ['250 2.1.0', '250 2.1.5', '502 5.5.1']],
    ['with a tab', `${envelope}${bdat('BDAT\t')}`, ['250 2.1.0', '250 2.1.5', '502 5.5.1']],
    ['outside of a transaction', bdat('BDAT'), ['502 5.5.1']],
  ] as const) {
    test(`SMUG-06: BDAT ${name} ends the session in every cut; nothing of its chunk is executed`, async () => {
      covers('SMUG-06', { observe: 'smtp' })
      for (const cut of CUTS) {
        const before = fixture.accepted.length
        const dialogue = await fixture.ready()
        if (cut === 0) dialogue.send(octets)
        else await dialogue.sendCut(Buffer.from(octets), cut)
        const replies = await dialogue.rest()
        assert.deepEqual(
          replies.map(({ text }) => text.slice(0, 9)),
          codes,
          `cut ${cut}`,
        )
        assert.equal(fixture.accepted.length, before, `cut ${cut}`)
      }
    })
  }

  test('SMUG-06: a chunk sent after the reply to BDAT, or larger than all buffers, is not executed either', async () => {
    covers('SMUG-06', { observe: 'smtp' })
    const before = fixture.accepted.length
    const patient = await fixture.ready()
    assert.match((await patient.command(`BDAT ${chunk.length} LAST`)).text, /^502 5\.5\.1 /)
    patient.send(chunk)
    assert.deepEqual(await patient.rest(), [])
    const large = await fixture.ready()
    large.send(`BDAT ${chunk.length * 20_000} LAST\r\n${chunk.repeat(20_000)}`)
    assert((await large.rest()).length <= 1)
    assert.equal(fixture.accepted.length, before)
  })

  test('SMUG-06: where STARTTLS must come first, and on a relay port, it is the same', async () => {
    covers('SMUG-06', { observe: 'smtp' })
    for (const listener of [{ tls: 'starttls' }, { kind: 'relay' }] as const) {
      const other = await startFixture({ listener, limits: { earlyTalkerDelayMs: 0 } })
      const dialogue = await other.open()
      await dialogue.reply()
      assert.doesNotMatch((await dialogue.command('EHLO client.example.net')).text, /CHUNKING|BINARYMIME/)
      dialogue.send(bdat('BDAT'))
      const replies = await dialogue.rest()
      assert.deepEqual(
        replies.map(({ text }) => text.slice(0, 9)),
        ['502 5.5.1'],
      )
      assert.equal(other.accepted.length, 0)
      await other.close()
    }
  })
})

test('SMUG-07: with the switch on, LF lines are stored as CRLF; off, they are refused; the end of data stays strict', async () => {
  const unix =
    'From: a@example.com\r\nDate: Sun, 22 Nov 2026 08:37:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\none\ntwo\n.\nthree\r\n'
  const off = await fixture.ready()
  assert.match(await submit(off, { content: unix }), /^550 5\.6\.0 /)
  await off.quit()
  const repairing = await startFixture({ listener: { repairLineEnds: true } })
  const on = await repairing.ready()
  assert.match(await submit(on, { content: unix }), /^250 /)
  assert.equal(repairing.accepted.length, 1)
  assert.match(repairing.accepted[0]?.text ?? '', /\r\n\r\none\r\ntwo\r\n\.\r\nthree\r\n$/)
  await on.quit()
  await repairing.close()
})
