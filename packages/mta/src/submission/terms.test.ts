/** What the terms of a login do to its mail, on the wire: senders and authors, tags, priorities, signatures. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { messageSigner } from '../signing/dkim.ts'
import { identity, reasonOf, SIGNED_AT } from '../signing/signing.fixture.ts'
import { type AccountTerms, accountOf, termsProblem } from './account.ts'
import { parseMailbox } from './address.ts'
import { type Fixture, MESSAGE, SECRET, startFixture, submit, USERNAME } from './listener.fixture.ts'
import { hashToken } from './secret-hash.ts'
import { maySendAs, parseSenderRight } from './sender-rights.ts'

async function withTerms(terms: AccountTerms, options: Parameters<typeof startFixture>[0] = {}): Promise<Fixture> {
  return startFixture({
    ...options,
    listener: { tls: 'implicit', ...options.listener },
    advertise: { priority: true },
    credentials: [{ username: USERNAME, secretHash: hashToken(SECRET), ...terms }],
  })
}

/** The reply to one message of a fresh session. */
async function sent(fixture: Fixture, message: Parameters<typeof submit>[1]): Promise<string> {
  const dialogue = await fixture.ready()
  const reply = await submit(dialogue, message)
  await dialogue.quit()
  return reply
}

describe('RFC 6409 §6.1: which addresses a login may use', () => {
  for (const [pattern, yes, no] of [
    ['app@example.com', ['app@example.com'], ['App@example.com', 'app@sub.example.com', 'xapp@example.com']],
    ['@example.com', ['anyone@example.com'], ['anyone@sub.example.com', 'a@notexample.com']],
    ['@*.example.com', ['a@sub.example.com', 'a@deep.sub.example.com'], ['a@example.com', 'a@notexample.com']],
    [
      'bounce+*@example.com',
      ['bounce+@example.com', 'bounce+42=x@example.com'],
      ['bounce@example.com', 'x@example.com'],
    ],
    ['a*a@example.com', ['aa@example.com', 'aba@example.com'], ['a@example.com', 'ab@example.com']],
    ['*@example.com', ['anyone@example.com'], ['anyone@example.net']],
  ] as const) {
    test(`${pattern} is ${yes.join(' and ')}, not ${no.join(' nor ')}`, () => {
      const right = parseSenderRight(pattern)
      assert.ok(right !== undefined)
      const may = (text: string): boolean => {
        const address = parseMailbox(text)
        assert(address.ok)
        return maySendAs(address.value, [right])
      }
      for (const address of yes) assert.equal(may(address), true, address)
      for (const address of no) assert.equal(may(address), false, address)
    })
  }

  for (const pattern of ['nobody', '@', '@*', '@*.', 'a*b*c@example.com', '@a..b']) {
    test(`${pattern} is no pattern`, () => assert.equal(parseSenderRight(pattern), undefined))
  }

  test('SUB-14: authors in From and Sender count too, unless the login is exempt', async () => {
    covers('SUB-14', { observe: 'smtp' })
    const allowedSenders = ['@example.com']
    const strict = await withTerms({ allowedSenders })
    const envelopeOnly = await withTerms({ allowedSenders, checkFrom: false })
    for (const [rule, from, code] of [
      ['its own address', 'From: "A, B" <a@example.com>', 250],
      ['another', 'From: ceo@example.org', 550],
      ['its own and another', 'Sender: a@example.com\r\nFrom: a@example.com, ceo@example.org', 550],
      ['a display name that looks like its own', 'From: "a@example.com" <ceo@example.org>', 550],
      ['another as Sender', 'From: a@example.com\r\nSender: ceo@example.org', 550],
      ['one that cannot be read', 'From: a@example.com, nonsense', 550],
    ] as const) {
      const content = MESSAGE.replace('From: a@example.com', from)
      const reply = await sent(strict, { content })
      assert.equal(Number(reply.slice(0, 3)), code, `${rule}: ${reply}`)
      if (code === 550) assert.match(reply, /^550 5\.7\.1 /)
      assert.match(await sent(envelopeOnly, { content }), /^250 /, rule)
    }
    await Promise.all([strict.close(), envelopeOnly.close()])
  })
})

describe('tags', () => {
  test('SUB-28: the field wins over the login, and does not leave', async () => {
    covers('SUB-28', { observe: 'smtp' })
    const fixture = await withTerms({ tag: 'shop' })
    const tagged = (value: string): string => `X-Hermetic-Tag: ${value}\r\n${MESSAGE}`
    for (const content of [MESSAGE, tagged('news'), tagged('no tag at all'), tagged('a\r\nx-hermetic-tag: b')]) {
      assert.match(await sent(fixture, { content }), /^250 /)
    }
    assert.deepEqual(
      fixture.accepted.map(({ envelope }) => envelope.tag),
      ['shop', 'news', 'shop', 'shop'],
    )
    for (const { text } of fixture.accepted) assert.doesNotMatch(text, /hermetic-tag/i)
    await fixture.close()
  })

  test('a relay listener changes no message and reads no tag', async () => {
    const listener = { kind: 'relay', tls: 'none', requireAuth: false } as const
    const fixture = await withTerms({}, { listener, limits: { earlyTalkerDelayMs: 0 } })
    assert.match(await sent(fixture, { content: `X-Hermetic-Tag: news\r\n${MESSAGE}` }), /^250 /)
    assert.equal(fixture.accepted[0]?.envelope.tag, undefined)
    assert.match(fixture.accepted[0]?.text ?? '', /X-Hermetic-Tag: news/)
    await fixture.close()
  })
})

describe('RFC 6710: priorities', () => {
  test('what a login may ask for it gets, more is lowered to its highest and said', async () => {
    const fixture = await withTerms({ priority: 1, maxPriority: 4 })
    for (const [parameter, priority, reply] of [
      ['', 1, /^250 2\.0\.0 Ok: queued as /],
      [' MT-PRIORITY=4', 4, /^250 2\.0\.0 /],
      [' mt-priority=-9', -9, /^250 2\.0\.0 /],
      [' MT-PRIORITY=0', undefined, /^250 2\.0\.0 /],
      [' MT-PRIORITY=9', 4, /^250 2\.3\.6 4 is the priority of this message\. Ok: queued as /],
    ] as const) {
      assert.match(await sent(fixture, { mail: `MAIL FROM:<a@example.com>${parameter}` }), reply)
      assert.equal(fixture.accepted.at(-1)?.envelope.priority, priority, parameter)
    }
    await fixture.close()
  })

  test('a client that is known by its network only goes no higher than usual', async () => {
    const fixture = await startFixture({ listener: { kind: 'relay' }, advertise: { priority: true } })
    assert.match(await sent(fixture, { mail: 'MAIL FROM:<a@example.com> MT-PRIORITY=3' }), /^250 2\.3\.6 0 is /)
    await fixture.close()
  })

  test('the keyword is there, a bad value is 501, and without the keyword the parameter is unknown', async () => {
    const fixture = await withTerms({})
    const dialogue = await fixture.ready()
    assert.match((await dialogue.command('EHLO client.example.net')).text, /MT-PRIORITY/)
    for (const value of ['10', '-0', '+1', '01', 'high', '']) {
      const reply = await dialogue.command(`MAIL FROM:<a@example.com> MT-PRIORITY=${value}`)
      assert.match(reply.text, /^501 5\.5\.4 /, value)
    }
    await dialogue.quit()
    await fixture.close()
    const without = await startFixture()
    assert.match(await sent(without, { mail: 'MAIL FROM:<a@example.com> MT-PRIORITY=3' }), /^555 5\.5\.4 /)
    await without.close()
  })
})

describe('the DKIM domain of a login', () => {
  test('signs what has no key of its own, and nothing that the login may not write', async () => {
    const ours = identity()
    const begin = messageSigner([ours])
    const message = (from: string): Buffer =>
      Buffer.from(MESSAGE.split('\r\n\r\n')[0]?.replace('a@example.com', from) ?? '')
    const outcome = (from: string, mayAuthor: boolean, fallback: boolean): string => {
      const facts = {
        signedAt: SIGNED_AT,
        mayAuthor: () => mayAuthor,
        ...(fallback ? { fallbackDomain: ours.domain } : {}),
      }
      return reasonOf(begin(Buffer.concat([message(from), Buffer.from('\r\n')]), facts))
    }
    assert.equal(outcome('a@customer.example.net', true, true), 'signed')
    assert.equal(outcome('a@customer.example.net', true, false), 'no-key')
    assert.equal(outcome('a@customer.example.net', false, true), 'not-permitted')
    assert.equal(outcome('a@example.com, b@example.net', true, true), 'signed')
    assert.equal(outcome('a@example.com, b@example.net', true, false), 'several-domains')
  })
})

describe('terms that cannot be', () => {
  for (const [terms, problem] of [
    [{ allowedSenders: ['nobody'] }, /allowed sender "nobody"/],
    [{ tag: 'a b' }, /tag "a b"/],
    [{ dkimDomain: 'a..b' }, /is no domain/],
    [{ priority: 10 }, /priority 10/],
    [{ priority: 0.5 }, /priority 0\.5/],
    [{ priority: 3, maxPriority: 2 }, /below the usual one/],
    [{ messageRate: '10' }, /is not a rate/],
    [{ recipientRate: '0/1h' }, /is not a rate/],
  ] as const) {
    test(JSON.stringify(terms), () => assert.match(termsProblem(terms) ?? '', problem))
  }

  test('those that can be are read whole', () => {
    const account = accountOf('a', { messageRate: '100/h', recipientRate: '5000 / 1d', priority: -2 })
    assert.deepEqual(account.rates.messages, { transactions: 100, perMs: 3_600_000, burst: 100 })
    assert.deepEqual(account.rates.recipients, { transactions: 5_000, perMs: 86_400_000, burst: 5_000 })
    assert.deepEqual(account.priority, { assumed: -2, max: -2 })
  })
})
