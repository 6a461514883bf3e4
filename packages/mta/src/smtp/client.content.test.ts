/** Content on the wire (RFC 5321 §4.5.2, §2.3.8) and the extensions that say what it is (RFC 1870, 6152, 6531, 3461). */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { covers } from '../../../../test/conformance/covers.ts'
import { DEFAULT_CAPABILITIES, ScriptedMx, type ScriptedMxOptions } from '../../../../test/lab/scripted-mx.ts'
import { introduced, mail, type SampleConnectOptions, type SampleTransaction, told } from './client.samples.ts'
import type { Transaction } from './transaction.ts'

async function sendOnce(
  sample: SampleTransaction,
  options: ScriptedMxOptions = {},
  session: SampleConnectOptions = {},
) {
  await using mx = await ScriptedMx.start(options)
  const connection = await introduced(mx, session)
  const result = await connection.transact(mail(sample))
  await connection.quit()
  await mx.connection.ended
  const said = Buffer.concat(
    mx.connection.segments.flatMap(({ direction, bytes }) => (direction === 'in' ? [bytes] : [])),
  )
  return { told: told(result), message: mx.messages[0], mx, said }
}

function asFile(
  chunks: readonly (string | Buffer)[],
  size?: number,
): Extract<Transaction['content'], { kind: 'file' }> {
  const buffers = chunks.map((chunk) => Buffer.from(chunk as string, 'latin1'))
  return {
    kind: 'file',
    size: size ?? Buffer.concat(buffers).length,
    open: () => Readable.from(buffers, { objectMode: false }),
  }
}

const without = (...keywords: readonly string[]) => ({
  capabilities: DEFAULT_CAPABILITIES.filter((keyword) => !keywords.includes(keyword.split(' ')[0] ?? '')),
})

describe('RFC 5321 §4.5.2 dots and line ends', () => {
  const content = 'Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nx.\r\n'
  const kinds = [
    ['from memory', content],
    ['from a file', asFile([content])],
    ['from a file in single bytes', asFile(content.split(''))],
  ] as const

  for (const [kind, source] of kinds) {
    test(`SMTP-23: every line that begins with a dot gets one more, ${kind}`, async () => {
      covers('SMTP-23', { observe: 'smtp' })
      const { told, message } = await sendOnce({ content: source })
      assert.deepEqual(told, ['accepted'])
      assert.equal(message?.wire.toString(), 'Subject: dots\r\n\r\n..\r\n...\r\n..x\r\nx.\r\n.\r\n')
      assert.equal(message?.content.toString(), content)
    })
  }

  for (const [rule, given, expected] of [
    ['no CRLF is added where one is', 'a\r\n', 'a\r\n.\r\n'],
    ['exactly one is added where none is', 'a', 'a\r\n.\r\n'],
    ['an empty content is the dot', '', '.\r\n'],
  ] as const) {
    for (const source of [given, asFile([given])]) {
      test(`SMTP-24: before the final dot ${rule} (${typeof source === 'string' ? 'memory' : 'file'})`, async () => {
        covers('SMTP-24', { observe: 'smtp' })
        const { message } = await sendOnce({ content: source })
        assert.equal(message?.wire.toString(), expected)
      })
    }
  }

  test('SMUG-04: a CRLF.CRLF inside the content is stuffed, also across chunks', async () => {
    covers('SMUG-04', { observe: 'smtp' })
    const smuggled = 'Subject: a\r\n\r\nx\r\n.\r\nMAIL FROM:<evil@example.org>\r\n.\r\n'
    for (let cut = 0; cut <= smuggled.length; cut += 1) {
      const { message, mx } = await sendOnce({
        content: asFile([smuggled.slice(0, cut), smuggled.slice(cut)].filter((part) => part !== '')),
      })
      assert.equal(message?.content.toString(), smuggled)
      assert.equal(mx.messages.length, 1)
      assert.ok(!mx.connection.commands.some((line) => line.includes('evil')))
    }
  })
})

describe('SMTP-25, EXT-09, EXT-13: no line over 998 octets ever leaves', () => {
  const long = `Subject: a\r\n\r\nx\r\n${'\xe9'.repeat(1200)}\r\nafter\r\n`
  const most = `Subject: a\r\n\r\n.${'x'.repeat(997)}\r\n${'x'.repeat(998)}\r\n`

  test('SMTP-25, EXT-09, EXT-13: 1200 octets from memory: nothing of the message is sent, the session lives', async () => {
    covers(['SMTP-25', 'EXT-09', 'EXT-13'], { observe: 'smtp' })
    const { told, mx } = await sendOnce({ content: Buffer.from(long, 'latin1'), envelope: { body: '8bitmime' } })
    assert.deepEqual(told, ['not-sent {"kind":"content-unreadable","detail":"line-too-long"}'])
    assert.deepEqual(
      mx.connection.commands.map((line) => line.slice(0, 4)),
      ['EHLO', 'QUIT'],
    )
  })

  test('SMTP-25, EXT-09, EXT-13: 1200 octets from a file: no such line, no dot, and the connection ends', async () => {
    covers(['SMTP-25', 'EXT-09', 'EXT-13'], { observe: 'smtp' })
    for (const chunks of [[long], long.split(''), [long.slice(0, 500), long.slice(500)]]) {
      const { told, mx, said } = await sendOnce({ content: asFile(chunks), envelope: { body: '8bitmime' } })
      assert.deepEqual(told, ['unsettled', 'content-unreadable in content'])
      assert.equal(mx.messages.length, 0)
      assert.ok(
        said
          .toString('latin1')
          .split('\r\n')
          .every((line) => line.length <= 998),
      )
      assert.ok(!said.includes('after') && !said.includes('\r\n.\r\n'))
    }
  })

  test('SMTP-25: 998 octets travel, and a stuffed dot does not count', async () => {
    covers('SMTP-25', { observe: 'smtp' })
    for (const content of [most, asFile([most])]) {
      const { told, message } = await sendOnce({ content })
      assert.deepEqual(told, ['accepted'])
      assert.equal(message?.content.toString(), most)
      assert.ok(message?.wire.includes(`\r\n..${'x'.repeat(997)}\r\n`))
    }
  })
})

describe('SMUG-03, SMTP-22 nothing bare ever leaves', () => {
  const variants = [
    '\n.\n',
    '\n.\r\n',
    '\r\n.\n',
    '\r.\r',
    '\r.\r\n',
    '\r\n.\r',
    '\n.\r',
    '\r.\n',
    '\r\n\0.\r\r\n',
    'a\rb',
    'a\nb',
  ]

  for (const variant of variants) {
    const content = `Subject: a\r\n\r\nx${variant}MAIL FROM:<evil@example.org>\r\n`

    test(`SMUG-03, SMTP-22: ${JSON.stringify(variant)} from memory: nothing of the message is sent, the session lives`, async () => {
      covers(['SMUG-03', 'SMTP-22'], { observe: 'smtp' })
      const { told, mx, said } = await sendOnce({ content })
      assert.match(told[0] ?? '', /^not-sent {"kind":"content-unreadable","detail":"bare-(cr|lf)"}$/)
      assert.deepEqual(
        mx.connection.commands.map((line) => line.slice(0, 4)),
        ['EHLO', 'QUIT'],
      )
      assertNothingBare(said)
    })

    test(`SMUG-03, SMTP-22: ${JSON.stringify(variant)} from a file: no bare byte, no dot, and the connection ends`, async () => {
      covers(['SMUG-03', 'SMTP-22'], { observe: 'smtp' })
      for (const chunks of [[content], content.split('')]) {
        const { told, mx, said } = await sendOnce({ content: asFile(chunks) })
        assert.deepEqual(told, ['unsettled', 'content-unreadable in content'])
        assert.equal(mx.messages.length, 0)
        assertNothingBare(said)
        assert.ok(!said.includes('\r\n.\r\n'))
        assert.ok(!said.includes('evil'))
      }
    })
  }

  function assertNothingBare(said: Buffer): void {
    assert.doesNotMatch(said.toString('latin1'), /\r(?!\n)|(?<!\r)\n/)
  }
})

describe('content that is not what the spool promised', () => {
  for (const [rule, content] of [
    ['shorter than its size', asFile(['Subject: a\r\n\r\nx\r\n'], 1000)],
    ['longer than its size', asFile(['Subject: a\r\n\r\nx\r\n'], 5)],
    ['that cannot be read to its end', unreadable()],
  ] as const) {
    test(`a file ${rule} gets no final dot`, async () => {
      const { told, mx } = await sendOnce({ content })
      assert.deepEqual(told, ['unsettled', 'content-unreadable in content'])
      assert.equal(mx.messages.length, 0)
    })
  }

  test('the other transactions of the connection are stopped, not blamed', async () => {
    await using mx = await ScriptedMx.start()
    const connection = await introduced(mx)
    const [bad, good] = await Promise.all([
      connection.transact(mail({ content: unreadable() })),
      connection.transact(mail()),
    ])
    assert.deepEqual(told(bad), ['unsettled', 'content-unreadable in content'])
    assert.deepEqual(told(good), ['unsettled', 'stopped in mail'])
  })

  function unreadable(): Transaction['content'] {
    async function* chunks() {
      yield Buffer.from('Subject: a\r\n')
      throw new Error('EIO')
    }
    return { kind: 'file', size: 100, open: () => Readable.from(chunks()) }
  }
})

describe('SMTP-31 large content', () => {
  test('SMTP-31: a slow but steady reader may take far longer than one block may', async () => {
    covers('SMTP-31', { observe: 'smtp' })
    const block = Buffer.from(`${'x'.repeat(78)}\r\n`.repeat(200))
    async function* steadily() {
      for (let sent = 0; sent < 12; sent += 1) {
        await sleep(100)
        yield block
      }
    }
    const content = { kind: 'file', size: 12 * block.length, open: () => Readable.from(steadily()) } as const
    const begun = performance.now()
    const { told, message } = await sendOnce({ content }, {}, { timeouts: { dataBlockMs: 1000 } })
    assert.deepEqual(told, ['accepted'])
    assert.ok(performance.now() - begun > 1100)
    assert.equal(message?.content.length, content.size)
  })

  test('a peer that stops reading runs into the time of a block', async () => {
    const content = Buffer.from(`${'x'.repeat(78)}\r\n`.repeat(400_000))
    await using mx = await ScriptedMx.start({ script: { CONTENT: { silent: true, after: 'stop-reading' } } })
    const connection = await introduced(mx, { timeouts: { dataBlockMs: 150 } })
    assert.deepEqual(told(await connection.transact(mail({ content }))), ['unsettled', 'timeout in content'])
  })

  for (const [kind, whole] of [
    ['memory', (bytes: Buffer) => bytes],
    ['a file', (bytes: Buffer) => asFile([bytes.toString('latin1')])],
  ] as const) {
    test(`several megabytes from ${kind} arrive as they are, and the next message after them`, async () => {
      const bytes = Buffer.from(`.${'x'.repeat(70)}\r\n${'y'.repeat(40)}\r\n`.repeat(40_000))
      await using mx = await ScriptedMx.start()
      const connection = await introduced(mx)
      const results = await Promise.all([
        connection.transact(mail({ content: whole(bytes) })),
        connection.transact(mail()),
      ])
      assert.deepEqual(results.flatMap(told), ['accepted', 'accepted'])
      assert.ok(mx.messages[0]?.content.equals(bytes))
      await connection.quit()
    })
  }

  test('a refusal in the middle of the content is told as one, and the connection ends', async () => {
    async function* slowly() {
      yield Buffer.from('Subject: x\r\n')
      for (;;) {
        await sleep(5)
        yield Buffer.from('more\r\n')
      }
    }
    const content = { kind: 'file', size: Number.MAX_SAFE_INTEGER, open: () => Readable.from(slowly()) } as const
    for (const [reply, words] of [
      ['552 5.3.4 enough', ['content 552']],
      ['421 closing', ['unsettled', 'reply in content']],
      ['250 thanks', ['unsettled', 'protocol-violation in content']],
    ] as const) {
      const { told, said } = await sendOnce({ content }, { script: { CONTENT: { reply } }, ...without('SIZE') })
      assert.deepEqual(told, words)
      assert.ok(!said.includes('QUIT'))
    }
  })
})

describe('RFC 1870 SIZE', () => {
  test('EXT-01: SIZE counts what is sent, CRLF included, stuffed dots not', async () => {
    covers('EXT-01', { observe: 'smtp' })
    for (const content of ['.dot\r\n', 'no end', 'Subject: ü\r\n\r\n.\r\n', asFile(['.dot\r\n'])]) {
      const { message } = await sendOnce({ content })
      const declared = /SIZE=(\d+)/.exec(message?.mail ?? '')?.[1]
      assert.equal(declared, String(message?.content.length))
    }
  })

  test('EXT-02: content over the limit is not offered; SIZE without a number, or 0, is no limit', async () => {
    for (const [offer, words] of [
      ['SIZE 20', ['not-sent {"kind":"too-large","size":21,"limit":20}']],
      ['SIZE 21', ['accepted']],
      ['SIZE 0', ['accepted']],
      ['SIZE', ['accepted']],
    ] as const) {
      const { told } = await sendOnce({ content: `${'x'.repeat(19)}\r\n` }, { capabilities: ['PIPELINING', offer] })
      assert.deepEqual(told, words)
    }
  })
})

describe('RFC 6152, 6531 what the content needs', () => {
  const eightBit = { content: 'Subject: a\r\n\r\nüber\r\n', envelope: { body: '8bitmime' } } as const
  const utf8 = { from: 'grün@example.com', envelope: { smtpUtf8: true } } as const

  test('EXT-06: 8-bit content goes as BODY=8BITMIME, octet by octet', async () => {
    covers('EXT-06', { observe: 'smtp' })
    const { message } = await sendOnce(eightBit)
    assert.match(message?.mail ?? '', / BODY=8BITMIME$/)
    assert.equal(message?.content.toString(), eightBit.content)
  })

  test('EXT-06: 7-bit content is not labelled', async () => {
    covers('EXT-06', { observe: 'smtp' })
    const { message } = await sendOnce({})
    assert.doesNotMatch(message?.mail ?? '', /BODY/)
  })

  test('EXT-07: where 8BITMIME is missing, 8-bit content is not sent', async () => {
    covers('EXT-07', { observe: 'smtp' })
    const { told, mx } = await sendOnce(eightBit, without('8BITMIME'))
    assert.deepEqual(told, ['not-sent {"kind":"extension-missing","extension":"8BITMIME"}'])
    assert.deepEqual(
      mx.connection.commands.map((line) => line.slice(0, 4)),
      ['EHLO', 'QUIT'],
    )
  })

  test('EAI-01: a UTF-8 address goes with SMTPUTF8 where it is offered', async () => {
    covers('EAI-01', { observe: 'smtp' })
    const { message } = await sendOnce({ ...utf8, to: ['größe@example.net'] })
    assert.match(message?.mail ?? '', /^MAIL FROM:<grün@example\.com> SIZE=\d+ SMTPUTF8$/)
    assert.equal(message?.recipients[0]?.line, 'RCPT TO:<größe@example.net>')
  })

  for (const sample of [
    utf8,
    { from: 'grün@example.com' },
    { to: ['größe@example.net'] },
    { envelope: { smtpUtf8: true } },
  ]) {
    test(`EAI-01, EAI-03: where SMTPUTF8 is missing, nothing is sent: ${JSON.stringify(sample)}`, async () => {
      covers(['EAI-01', 'EAI-03'], { observe: 'smtp' })
      const { told, said } = await sendOnce(sample, without('SMTPUTF8'))
      assert.deepEqual(told, ['not-sent {"kind":"extension-missing","extension":"SMTPUTF8"}'])
      assert.doesNotMatch(said.toString('latin1'), /MAIL|[\x80-\xff]/)
    })
  }

  test('EAI-02: SMTPUTF8 is not asked for where nothing needs it', async () => {
    covers('EAI-02', { observe: 'smtp' })
    const { message } = await sendOnce({ to: ['u@xn--bcher-kva.example'] })
    assert.doesNotMatch(message?.mail ?? '', /SMTPUTF8/)
    assert.equal(message?.recipients[0]?.address, 'u@xn--bcher-kva.example')
  })

  test('RFC 8689 §4.2.1: REQUIRETLS is passed on where it is offered, and nothing is sent where it is not', async () => {
    const sample = { envelope: { requireTls: true } }
    const { message } = await sendOnce(sample, { capabilities: [...DEFAULT_CAPABILITIES, 'REQUIRETLS'] })
    assert.match(message?.mail ?? '', / REQUIRETLS$/)
    const { told } = await sendOnce(sample)
    assert.deepEqual(told, ['not-sent {"kind":"extension-missing","extension":"REQUIRETLS"}'])
  })
})

describe('RFC 3461 DSN parameters', () => {
  const sample: SampleTransaction = {
    envelope: { dsn: { ret: 'HDRS', envid: 'QQ314159+2Bx' } },
    to: [{ notify: ['SUCCESS', 'DELAY'], orcpt: 'rfc822;Bob+2BTag@Example.ORG' }, { notify: ['NEVER'] }, {}],
  }

  test('DSN-01: where DSN is offered ENVID, RET, NOTIFY and ORCPT go on as they came, and none is added', async () => {
    covers('DSN-01', { observe: 'smtp' })
    const { message } = await sendOnce(sample)
    assert.match(message?.mail ?? '', /^MAIL FROM:<sender@example\.com> SIZE=\d+ RET=HDRS ENVID=QQ314159\+2Bx$/)
    assert.deepEqual(
      message?.recipients.map(({ line }) => line),
      [
        'RCPT TO:<u@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2BTag@Example.ORG',
        'RCPT TO:<u@example.net> NOTIFY=NEVER',
        'RCPT TO:<u@example.net>',
      ],
    )
  })

  test('DSN-02, SMTP-07: where nothing is offered, MAIL and RCPT are bare', async () => {
    covers(['DSN-02', 'SMTP-07'], { observe: 'smtp' })
    const { message } = await sendOnce(sample, { capabilities: [] })
    assert.equal(message?.mail, 'MAIL FROM:<sender@example.com>')
    assert.deepEqual(new Set(message?.recipients.map(({ line }) => line)), new Set(['RCPT TO:<u@example.net>']))
  })

  test('EAI-09: an ORCPT in UTF-8 goes raw with SMTPUTF8 only, else in its ASCII form', async () => {
    covers('EAI-09', { observe: 'smtp' })
    const to = [{ orcpt: 'utf-8;grün@example.net' }]
    const raw = await sendOnce({ from: 'grün@example.com', to })
    assert.match(raw.message?.recipients[0]?.line ?? '', / ORCPT=utf-8;grün@example\.net$/)
    const ascii = await sendOnce({ to }, without('SMTPUTF8'))
    assert.match(ascii.message?.recipients[0]?.line ?? '', / ORCPT=utf-8;gr\\x\{FC\}n@example\.net$/)
  })
})

test('SMTP-20: a line end in a queued address is no second command, and the session lives', async () => {
  await using mx = await ScriptedMx.start()
  const connection = await introduced(mx)
  const poisoned = mail()
  const [recipient] = poisoned.recipients
  assert.ok(recipient)
  const localPart = 'a@b>\r\nRCPT TO:<evil'
  await assert.rejects(
    async () =>
      connection.transact({
        ...poisoned,
        recipients: [{ ...recipient, address: { ...recipient.address, localPart } }],
      }),
    /invariant/,
  )
  assert.deepEqual(told(await connection.transact(mail())), ['accepted'])
  await connection.quit()
  assert.ok(!mx.connection.commands.some((line) => line.includes('evil')))
})
