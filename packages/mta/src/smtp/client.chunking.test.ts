/** RFC 3030: content by BDAT where CHUNKING is offered, and what follows when a chunk fails. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { DEFAULT_CAPABILITIES, ScriptedMx } from '../../../../test/lab/scripted-mx.ts'
import { ALONE, connected, introduced, mail, once, told, verbs } from './client.samples.ts'

const CHUNKING = [...DEFAULT_CAPABILITIES, 'CHUNKING']
const ALONE_CHUNKING = [...ALONE, 'CHUNKING', 'BINARYMIME']
const LARGE = Buffer.from(`Subject: large\r\n\r\n${`${'.'.repeat(70)}\r\n`.repeat(20_000)}`)
const file = (bytes: Buffer) => ({
  kind: 'file' as const,
  size: bytes.length,
  open: () => Readable.from([bytes.subarray(0, 99_999), bytes.subarray(99_999)]),
})
const large = (bytes: Buffer) => ({ kind: 'memory' as const, size: bytes.length, bytes })

for (const [mode, capabilities] of [
  ['in a group', CHUNKING],
  ['one by one', ALONE_CHUNKING],
] as const) {
  test(`EXT-10: where CHUNKING is offered the transaction uses BDAT alone (${mode})`, async () => {
    covers('EXT-10', { observe: 'smtp' })
    const { told, verbs, mx } = await once({ capabilities })
    assert.deepEqual(told, ['accepted'])
    assert.deepEqual(verbs, ['MAIL', 'RCPT', 'BDAT', 'QUIT'])
    assert.match(mx.connection.commands[3] ?? '', /^BDAT 27 LAST$/)
  })

  test(`SMTP-23, SMTP-24: dots are counted, not stuffed, and the last line has its CRLF once (${mode})`, async () => {
    covers('SMTP-23', { observe: 'smtp' })
    covers('SMTP-24', { observe: 'smtp' })
    for (const [content, arrives] of [
      ['Subject: x\r\n\r\n.\r\n..\r\n.x\r\n', 'Subject: x\r\n\r\n.\r\n..\r\n.x\r\n'],
      ['Subject: x\r\n\r\nno end', 'Subject: x\r\n\r\nno end\r\n'],
      ['Subject: x\r\n\r\nCRLF.CRLF\r\n.\r\nMAIL FROM:<>\r\n', 'Subject: x\r\n\r\nCRLF.CRLF\r\n.\r\nMAIL FROM:<>\r\n'],
    ] as const) {
      for (const sample of [large(Buffer.from(content)), file(Buffer.from(content))]) {
        const { mx } = await once({ capabilities }, { content: sample })
        assert.equal(mx.messages[0]?.wire.toString(), arrives)
      }
    }
  })

  for (const [kind, content] of [
    ['memory', large(LARGE)],
    ['a file', file(LARGE)],
  ] as const) {
    test(`large content from ${kind} goes in several chunks, octet by octet (${mode})`, async () => {
      const { told, mx } = await once({ capabilities }, { content })
      assert.deepEqual(told, ['accepted'])
      assert.deepEqual(mx.messages[0]?.content, LARGE)
      const chunks = mx.connection.commands.filter((line) => line.startsWith('BDAT'))
      assert.ok(chunks.length > 2, chunks.join())
      assert.deepEqual(
        chunks.map((line) => line.endsWith(' LAST')),
        chunks.map((_, at) => at === chunks.length - 1),
      )
    })
  }

  for (const code of [452, 552]) {
    test(`EXT-11: after a chunk that is answered ${code} comes no other, and RSET before the next MAIL (${mode})`, async () => {
      covers('EXT-11', { observe: 'smtp' })
      let chunks = 0
      await using mx = await ScriptedMx.start({
        capabilities,
        script: {
          BDAT: () => {
            chunks += 1
            return chunks === 2 ? `${code} 4.3.1 no room` : undefined
          },
        },
      })
      const connection = await introduced(mx)
      assert.deepEqual(told(await connection.transact(mail({ content: large(LARGE) }))), [`content ${code}`])
      assert.equal(chunks, 2)
      assert.deepEqual(told(await connection.transact(mail())), ['accepted'])
      await connection.quit()
      assert.deepEqual(verbs(mx), ['MAIL', 'RCPT', 'BDAT', 'BDAT', 'RSET', 'MAIL', 'RCPT', 'BDAT', 'QUIT'])
    })
  }

  test(`EXT-11: so it does after the last chunk (${mode})`, async () => {
    covers('EXT-11', { observe: 'smtp' })
    await using mx = await ScriptedMx.start({
      capabilities,
      script: { BDAT: ({ message }) => (message?.content.includes('spam') ? '554 5.7.1 spam' : undefined) },
    })
    const connection = await introduced(mx)
    const results = await Promise.all(
      ['one', 'spam', 'two'].map((word) => connection.transact(mail({ content: `Subject: ${word}\r\n\r\n` }))),
    )
    await connection.quit()
    assert.deepEqual(results.map(told), [['accepted'], ['final-dot 554'], ['accepted']])
    assert.equal(mx.messages.length, 2)
  })

  for (const code of [500, 502, 503, 504]) {
    test(`a host that offers CHUNKING and answers BDAT with ${code} gets DATA, from then on (${mode})`, async () => {
      await using mx = await ScriptedMx.start({ capabilities, script: { BDAT: `${code} 5.5.1 what?` } })
      const connection = await introduced(mx)
      const results = await Promise.all([1, 2].map(() => connection.transact(mail({ content: '.\r\n' }))))
      await connection.quit()
      assert.deepEqual(results.map(told), [['accepted'], ['accepted']])
      assert.deepEqual(
        verbs(mx).filter((verb) => verb !== 'RSET'),
        ['MAIL', 'RCPT', 'BDAT', 'MAIL', 'RCPT', 'DATA', 'MAIL', 'RCPT', 'DATA', 'QUIT'],
      )
      assert.deepEqual(
        mx.messages.map(({ content }) => content.toString()),
        ['.\r\n', '.\r\n'],
      )
    })
  }

  test(`nobody is accepted: no chunk is sent (${mode})`, async () => {
    const { told, verbs } = await once({ capabilities, script: { RCPT: '550 5.1.1 nobody' } })
    assert.deepEqual(told, ['rcpt 550'])
    assert.deepEqual(verbs, ['MAIL', 'RCPT', 'QUIT'])
  })

  test(`some are accepted: the answer to the last chunk is theirs (${mode})`, async () => {
    const { told } = await once(
      {
        capabilities,
        script: { RCPT: ({ recipient }) => (recipient === 'b@example.net' ? '450 4.2.1 later' : undefined) },
      },
      { to: ['a@example.net', 'b@example.net', 'c@example.net'] },
    )
    assert.deepEqual(told, ['accepted', 'rcpt 450', 'accepted'])
  })

  test(`SMTP-16: 421 to a chunk leaves the message unsettled; to the last one it is an answer (${mode})`, async () => {
    covers('SMTP-16', { observe: 'smtp' })
    const script = { BDAT: '421 4.3.2 closing' }
    const early = await once({ capabilities, script }, { content: large(LARGE) })
    assert.deepEqual(early.told, ['unsettled', 'reply in content'])
    assert.deepEqual((await once({ capabilities, script })).told, ['final-dot 421'])
  })

  test(`SMTP-15: a connection lost after the last chunk may have delivered, one lost before has not (${mode})`, async () => {
    covers('SMTP-15', { observe: 'smtp' })
    const reset = { silent: true, after: 'reset' } as const
    const after = await once({ capabilities, script: { BDAT: reset } })
    assert.deepEqual(after.told, ['unsettled', 'connection-lost in final-dot after the dot'])
    const before = await once({ capabilities, script: { BDAT: reset } }, { content: large(LARGE) })
    assert.deepEqual(before.told, ['unsettled', 'connection-lost in content'])
  })

  test(`the last chunk waits for the question whether the message is still ours (${mode})`, async () => {
    const { told, verbs } = await once({ capabilities }, { beforeFinalDot: () => Promise.resolve(false) })
    assert.deepEqual(told, ['unsettled', 'stopped in content'])
    assert.deepEqual(verbs, ['MAIL', 'RCPT'])
  })
}

describe('RFC 3030 chunks of a hostile queue or peer', () => {
  test('SMUG-03: content with a bare LF is not sent by octets either', async () => {
    covers('SMUG-03', { observe: 'smtp' })
    for (const content of [large(Buffer.from('a\n.\r\n')), file(Buffer.from('a\n.\r\n'))]) {
      const { mx } = await once({ capabilities: CHUNKING }, { content })
      assert.deepEqual(mx.messages, [])
    }
  })

  test('a refusal in the middle of a chunk ends the session: what follows would be read as its octets', async () => {
    const capabilities = CHUNKING
    await using mx = await ScriptedMx.start({ capabilities })
    const connection = await introduced(mx)
    const stalled = new Promise<void>((resolve) => setTimeout(resolve, 50))
    const result = connection.transact(mail({ beforeFinalDot: () => stalled.then(() => true) }))
    await mx.seen('RCPT')
    mx.say('552 5.3.4 too much')
    const [word, why] = told(await result)
    assert.equal(word, 'unsettled')
    assert.match(why ?? '', /^protocol-violation/)
    assert.equal(connection.usable, false)
    assert.deepEqual(mx.messages, [])
  })

  test('recipients accepted without a sender get nothing', async () => {
    const { told, verbs } = await once({
      capabilities: CHUNKING,
      script: { MAIL: '450 4.7.1 later', RCPT: '250 2.1.5 ok' },
    })
    assert.deepEqual(told, ['mail 450', 'protocol-violation in rcpt'].slice(0, told.length))
    assert.ok(!verbs.includes('BDAT'))
  })

  test('what the peer puts together is the content, whatever it is', async () => {
    await using mx = await ScriptedMx.start({ capabilities: CHUNKING })
    const connection = await introduced(mx)
    const line = fc.string({ maxLength: 60 }).map((text) => text.replace(/[\r\n]/g, ''))
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 30 }), async (lines) => {
        const content = `${lines.join('\r\n')}\r\n`
        const result = await connection.transact(mail({ content }))
        assert.deepEqual(told(result), ['accepted'])
        assert.equal(mx.messages.at(-1)?.content.toString(), content)
      }),
      { numRuns: 60 },
    )
    await connection.quit()
  })

  test('by configuration DATA is used although CHUNKING is offered', async () => {
    await using mx = await ScriptedMx.start({ capabilities: CHUNKING })
    const connection = await connected(mx, { chunking: false })
    assert.ok((await connection.ehlo('relay.example.com')).ok)
    assert.deepEqual(told(await connection.transact(mail())), ['accepted'])
    await connection.quit()
    assert.deepEqual(verbs(mx), ['MAIL', 'RCPT', 'DATA', 'QUIT'])
  })
})
