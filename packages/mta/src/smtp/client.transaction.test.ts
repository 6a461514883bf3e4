/** MAIL, RCPT and DATA (RFC 5321 §3.3, RFC 2920): which answer means what, and what may be said when. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import type { MxScript } from '../../../../test/lab/mx-script.ts'
import { ScriptedMx } from '../../../../test/lab/scripted-mx.ts'
import { ALONE, introduced, MODES, mail, once, rcpt, told, verbs } from './client.samples.ts'
import type { SmtpConnection } from './client.ts'

describe('RFC 5321 §3.3 the order of things', () => {
  test('SMTP-30: several recipients share one MAIL and one DATA', async () => {
    covers('SMTP-30', { observe: 'smtp' })
    const { told, verbs, mx } = await once({}, { to: ['a@example.net', 'b@example.net', 'c@example.net'] })
    assert.deepEqual(told, ['accepted', 'accepted', 'accepted'])
    assert.deepEqual(verbs, ['MAIL', 'RCPT', 'RCPT', 'RCPT', 'DATA', 'QUIT'])
    assert.equal(mx.messages[0]?.recipients.length, 3)
  })

  test('SMTP-08: without PIPELINING each command waits for the answer to the one before', async () => {
    covers('SMTP-08', { observe: 'smtp' })
    const { mx } = await once({ capabilities: ALONE }, { to: ['a@example.net', 'b@example.net'] })
    const turns = mx.connection.segments.map(({ direction }) => direction).join(' ')
    assert.match(turns, /^out( in out)+( in)?$/)
    for (const { direction, bytes } of mx.connection.segments) {
      if (direction === 'in' && !bytes.toString().includes('Subject'))
        assert.equal(bytes.toString().split('\r\n').length, 2)
    }
  })

  test('EXT-14: with PIPELINING MAIL, RCPT and DATA leave together, DATA last; EHLO and QUIT leave alone', async () => {
    covers('EXT-14', { observe: 'smtp' })
    const { mx } = await once({}, { to: ['a@example.net', 'b@example.net'] })
    const groups = mx.connection.segments
      .filter(({ direction }) => direction === 'in')
      .map(({ bytes }) => bytes.toString())
    assert.equal(groups.length, 4)
    assert.match(groups[0] ?? '', /^EHLO [^\r]+\r\n$/)
    assert.match(groups[1] ?? '', /^MAIL [^\r]+\r\nRCPT [^\r]+\r\nRCPT [^\r]+\r\nDATA\r\n$/)
    assert.match(groups[2] ?? '', /\r\n\.\r\n$/)
    assert.equal(groups[3], 'QUIT\r\n')
  })

  test('EXT-14: the next MAIL leaves with the final dot, DATA last again, and no RSET lies between', async () => {
    covers('EXT-14', { observe: 'smtp' })
    await using mx = await ScriptedMx.start()
    const connection = await introduced(mx)
    const results = await Promise.all(Array.from({ length: 4 }, () => connection.transact(mail())))
    assert.deepEqual(results.flatMap(told), Array(4).fill('accepted'))
    assert.equal(connection.transactions, 4)
    await connection.quit()
    const groups = mx.connection.segments
      .filter(({ direction }) => direction === 'in')
      .map(({ bytes }) => bytes.toString())
    assert.equal(groups.filter((group) => /\r\n\.\r\nMAIL [^\r]+\r\nRCPT [^\r]+\r\nDATA\r\n$/.test(group)).length, 3)
    assert.ok(!verbs(mx).includes('RSET'))
  })

  test('SMTP-17: the path is the address alone, without a source route', async () => {
    covers('SMTP-17', { observe: 'smtp' })
    const { mx } = await once({}, { to: ['u@c.example'] })
    assert.equal(mx.messages[0]?.recipients[0]?.line, 'RCPT TO:<u@c.example>')
  })

  test('SMTP-26: the longest local part, domain and reply lines work', async () => {
    covers('SMTP-26', { observe: 'smtp' })
    const label = 'd'.repeat(63)
    const domain = `${label}.${label}.${label}`.slice(0, 189)
    const longest = `${'l'.repeat(64)}@${domain}`
    const { told, mx } = await once({ script: { RCPT: `250 ${'x'.repeat(506)}` } }, { from: longest, to: [longest] })
    assert.deepEqual(told, ['accepted'])
    assert.equal(mx.messages[0]?.reversePath, longest)
    assert.equal(mx.messages[0]?.recipients[0]?.address, longest)
  })
})

describe('RFC 5321 §4.2 answers', () => {
  for (const [mode, capabilities] of MODES) {
    test(`SMTP-58, SMTP-09: recipients succeed and fail one by one, by the first digit (${mode})`, async () => {
      covers(['SMTP-58', 'SMTP-09'], { observe: 'smtp' })
      const script = {
        RCPT: rcpt({ 'b@example.net': '499 later', 'c@example.net': '599 never', 'd@example.net': '299 fine' }),
      }
      const to = ['a@example.net', 'b@example.net', 'c@example.net', 'd@example.net']
      const { told, mx } = await once({ script, capabilities }, { to })
      assert.deepEqual(told, ['accepted', 'rcpt 499', 'rcpt 599', 'accepted'])
      assert.deepEqual(
        mx.messages[0]?.recipients.map(({ address }) => address),
        ['a@example.net', 'd@example.net'],
      )
    })

    test(`SMTP-59: the answer to the final dot is that of every accepted recipient (${mode})`, async () => {
      covers('SMTP-59', { observe: 'smtp' })
      for (const [reply, word] of [
        ['250 kept', 'accepted'],
        ['451 later', 'final-dot 451'],
        ['554 never', 'final-dot 554'],
      ] as const) {
        const script = { RCPT: rcpt({ 'b@example.net': '550 no' }), DOT: reply }
        const { told } = await once(
          { script, capabilities },
          { to: ['a@example.net', 'b@example.net', 'c@example.net'] },
        )
        assert.deepEqual(told, [word, 'rcpt 550', word])
      }
    })

    test(`SMTP-57: after a 5yz the same request is not repeated on the session (${mode})`, async () => {
      covers('SMTP-57', { observe: 'smtp' })
      const { told, verbs } = await once({ script: { RCPT: '550 no' }, capabilities })
      assert.deepEqual(told, ['rcpt 550'])
      assert.equal(verbs.filter((verb) => verb === 'RCPT').length, 1)
    })

    test(`SMTP-12: no content unless the answer to DATA was 354 (${mode})`, async () => {
      covers('SMTP-12', { observe: 'smtp' })
      for (const reply of ['250 ok', '350 go', '220 hm']) {
        const { result, mx } = await once({ script: { DATA: reply }, capabilities })
        assert.ok(result.kind === 'broken' && result.failure.problem.kind === 'protocol-violation', reply)
        assert.equal(result.failure.afterFinalDot, false)
        const said = Buffer.concat(
          mx.connection.segments.filter(({ direction }) => direction === 'in').map(({ bytes }) => bytes),
        )
        assert.ok(!said.includes('Subject'))
      }
    })

    test(`SMTP-10: an answer outside 2–5 is fatal for the transaction (${mode})`, async () => {
      covers('SMTP-10', { observe: 'smtp' })
      for (const verb of ['MAIL', 'RCPT', 'DATA'] as const) {
        const { result } = await once({ script: { [verb]: '999 x' }, capabilities })
        assert.ok(result.kind === 'broken' && result.failure.problem.kind === 'protocol-violation')
        assert.equal(result.failure.problem.detail, 'reply-code-out-of-range')
      }
    })

    test(`SMTP-11: answers of several lines, without text, without the space (${mode})`, async () => {
      covers('SMTP-11', { observe: 'smtp' })
      const script: MxScript = { MAIL: ['250-one', '250-two', '250 three'], RCPT: '250', DATA: '354', DOT: '250taken' }
      const { result } = await once({ script, capabilities })
      assert.deepEqual(result, {
        kind: 'answered',
        recipients: [{ kind: 'accepted', index: 0, reply: { code: 250, lines: ['taken'] } }],
      })
    })

    test(`EXT-17: an enhanced status counts only when its class agrees (${mode})`, async () => {
      covers('EXT-17', { observe: 'smtp' })
      const script = { RCPT: rcpt({ 'a@example.net': '550 4.1.1 no', 'b@example.net': '550 5.1.1 no' }) }
      const { result } = await once({ script, capabilities }, { to: ['a@example.net', 'b@example.net'] })
      assert.deepEqual(result, {
        kind: 'answered',
        recipients: [
          { kind: 'refused', index: 0, phase: 'rcpt', reply: { code: 550, lines: ['4.1.1 no'] } },
          { kind: 'refused', index: 1, phase: 'rcpt', reply: { code: 550, enhancedStatus: '5.1.1', lines: ['no'] } },
        ],
      })
    })

    test(`a refused MAIL refuses every recipient (${mode})`, async () => {
      const { told } = await once(
        { script: { MAIL: '550 no' }, capabilities },
        { to: ['a@example.net', 'b@example.net'] },
      )
      assert.deepEqual(told, ['mail 550', 'mail 550'])
    })

    test(`a refused DATA refuses the accepted recipients (${mode})`, async () => {
      const { told } = await once({ script: { DATA: '451 no' }, capabilities })
      assert.deepEqual(told, ['data 451'])
    })
  }

  test('EXT-17: without ENHANCEDSTATUSCODES the text is only text', async () => {
    covers('EXT-17', { observe: 'smtp' })
    const { result } = await once({ script: { RCPT: '550 5.1.1 no' }, capabilities: ['PIPELINING'] })
    assert.ok(result.kind === 'answered' && result.recipients[0]?.kind === 'refused')
    assert.deepEqual(result.recipients[0].reply, { code: 550, lines: ['5.1.1 no'] })
  })
})

describe('SMTP-29 too many recipients', () => {
  const to = Array.from({ length: 25 }, (_, at) => `u${at}@example.net`)

  for (const code of [452, 552]) {
    for (const [mode, capabilities] of MODES) {
      test(`SMTP-28, SMTP-29: ${code} after ten accepted leaves the rest for further transactions (${mode})`, async () => {
        covers(['SMTP-28', 'SMTP-29'], { observe: 'smtp' })
        await using mx = await ScriptedMx.start({
          capabilities,
          script: { RCPT: ({ acceptedRecipients }) => (acceptedRecipients >= 10 ? `${code} too many` : undefined) },
        })
        const connection = await introduced(mx)
        assert.deepEqual(await inChunks(connection, to), Array(25).fill('accepted'))
        await connection.quit()
        assert.deepEqual(
          mx.messages.map(({ recipients }) => recipients.length),
          [10, 10, 5],
        )
      })
    }
  }

  test('without PIPELINING nobody is asked after the first "too many"', async () => {
    const { told, verbs } = await once(
      { capabilities: ALONE, script: { RCPT: rcpt({ 'u1@example.net': '452 enough' }) } },
      { to: to.slice(0, 4) },
    )
    assert.deepEqual(told, ['accepted', 'too many 452', 'too many 452', 'too many 452'])
    assert.equal(verbs.filter((verb) => verb === 'RCPT').length, 2)
  })

  test('452 before anybody was accepted is about that recipient', async () => {
    const { told } = await once({ script: { RCPT: '452 full' } })
    assert.deepEqual(told, ['rcpt 452'])
  })

  /** What delivery does with these results. */
  async function inChunks(connection: SmtpConnection, all: readonly string[]): Promise<readonly string[]> {
    const words: string[] = []
    let left = all
    while (left.length > 0) {
      const result = await connection.transact(mail({ to: left }))
      assert.ok(result.kind === 'answered')
      const current = left
      left = result.recipients
        .filter(({ kind }) => kind === 'too-many-recipients')
        .map(({ index }) => current[index] ?? '')
      words.push(...told(result).filter((word) => !word.startsWith('too many')))
    }
    return words
  }
})

describe('RFC 5321 §4.1.4 no MAIL inside a transaction', () => {
  for (const [mode, capabilities] of MODES) {
    for (const [rule, script] of [
      [
        'all recipients were refused',
        { RCPT: ({ transaction }: { transaction: number }) => (transaction === 1 ? '550 no' : undefined) },
      ],
      [
        'DATA was refused',
        { DATA: ({ transaction }: { transaction: number }) => (transaction === 1 ? '451 no' : undefined) },
      ],
    ] as const) {
      test(`SMTP-13: when ${rule}, RSET comes before the next MAIL (${mode})`, async () => {
        covers('SMTP-13', { observe: 'smtp' })
        await using mx = await ScriptedMx.start({ script, capabilities })
        const connection = await introduced(mx)
        const [first, second] = await Promise.all([connection.transact(mail()), connection.transact(mail())])
        assert.match(told(first)[0] ?? '', /rcpt 550|data 451/)
        assert.deepEqual(told(second), ['accepted'])
        await connection.quit()
        const said = verbs(mx)
        assert.equal(said.indexOf('RSET'), said.indexOf('MAIL', 1) - 1)
        assert.equal(said.filter((verb) => verb === 'RSET').length, 1)
      })
    }

    test(`SMTP-13: and QUIT when there is no next one (${mode})`, async () => {
      covers('SMTP-13', { observe: 'smtp' })
      const { verbs } = await once({ script: { RCPT: '550 no' }, capabilities })
      assert.deepEqual(
        verbs.filter((verb) => verb !== 'DATA'),
        ['MAIL', 'RCPT', 'QUIT'],
      )
    })

    test(`no RSET after a refused MAIL, nor after a refused dot (${mode})`, async () => {
      let mails = 0
      await using mx = await ScriptedMx.start({
        capabilities,
        script: {
          MAIL: () => {
            mails += 1
            return mails === 1 ? '550 no' : undefined
          },
          DOT: ({ transaction }) => (transaction === 1 ? '451 no' : undefined),
        },
      })
      const connection = await introduced(mx)
      const results = []
      for (let turn = 0; turn < 3; turn += 1) results.push(...told(await connection.transact(mail())))
      assert.deepEqual(results, ['mail 550', 'final-dot 451', 'accepted'])
      await connection.quit()
      assert.ok(!verbs(mx).includes('RSET'))
    })
  }

  test('SMTP-58: without PIPELINING DATA is not sent when nobody was accepted', async () => {
    covers('SMTP-58', { observe: 'smtp' })
    const { verbs } = await once(
      { script: { RCPT: '550 no' }, capabilities: ALONE },
      { to: ['a@example.net', 'b@example.net'] },
    )
    assert.deepEqual(verbs, ['MAIL', 'RCPT', 'RCPT', 'QUIT'])
  })

  test('EXT-15, SMTP-58: nobody accepted but 354 all the same: the dot alone, and the session goes on', async () => {
    covers(['EXT-15', 'SMTP-58'], { observe: 'smtp' })
    await using mx = await ScriptedMx.start({
      script: {
        RCPT: ({ transaction }) => (transaction === 1 ? '550 no' : undefined),
        DATA: '354 whatever',
        DOT: ({ transaction }) => (transaction === 1 ? '554 no valid recipients' : undefined),
      },
    })
    const connection = await introduced(mx)
    const [first, second] = await Promise.all([
      connection.transact(mail()),
      connection.transact(mail({ content: 'two\r\n' })),
    ])
    assert.deepEqual([told(first), told(second)], [['rcpt 550'], ['accepted']])
    await connection.quit()
    const said = Buffer.concat(
      mx.connection.segments.filter(({ direction }) => direction === 'in').map(({ bytes }) => bytes),
    ).toString()
    assert.match(said, /DATA\r\n\.\r\nMAIL/)
    assert.ok(!said.includes('Subject'))
  })

  test('EXT-15: answers of a group are told apart by their number alone', async () => {
    covers('EXT-15', { observe: 'smtp' })
    const to = Array.from({ length: 60 }, (_, at) => `u${at}@example.net`)
    const { told } = await once(
      {
        script: { RCPT: ({ recipient = '' }) => (Number(/\d+/.exec(recipient)?.[0]) % 3 === 1 ? '550 no' : '250 ok') },
      },
      { to },
    )
    assert.deepEqual(
      told,
      to.map((_, at) => (at % 3 === 1 ? 'rcpt 550' : 'accepted')),
    )
  })

  test('recipients accepted under a refused sender get nothing, not even a dot', async () => {
    const { result, mx } = await once({ script: { MAIL: '550 no', RCPT: '250 ok', DATA: '354 go' } })
    assert.deepEqual(told(result), ['mail 550'])
    assert.equal(mx.messages.length, 0)
    const said = Buffer.concat(
      mx.connection.segments.filter(({ direction }) => direction === 'in').map(({ bytes }) => bytes),
    ).toString()
    assert.ok(!said.includes('\r\n.\r\n'))
  })
})
