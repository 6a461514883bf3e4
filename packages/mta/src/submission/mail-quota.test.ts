/** Quotas of logins and networks, on the wire and in their choice. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Quotas } from '../limits/quotas.ts'
import { parseRate } from '../limits/rate-text.ts'
import { type AccountTerms, accountOf } from './account.ts'
import { type Fixture, SECRET, startFixture, submit, USERNAME } from './listener.fixture.ts'
import { mailQuotaAsks, type NetworkQuota, networkQuotas } from './mail-quota.ts'
import { hashToken } from './secret-hash.ts'

interface QuotaFixture {
  readonly terms?: AccountTerms
  readonly networks?: readonly NetworkQuota[]
  readonly quotas?: Quotas
}

async function withQuotas({ terms = {}, networks = [], quotas }: QuotaFixture): Promise<Fixture> {
  return startFixture({
    listener: { tls: 'implicit' },
    credentials: [{ username: USERNAME, secretHash: hashToken(SECRET), ...terms }],
    parts: { networkQuota: networkQuotas(networks), ...(quotas === undefined ? {} : { quotas }) },
  })
}

function quota(network: string, share: NetworkQuota['share'], text: string): NetworkQuota {
  const messages = parseRate(text)
  assert.ok(messages !== undefined)
  return { network, share, rates: { messages } }
}

describe('the quota of a login', () => {
  test('is used up message by message; then 450 with the seconds to wait, and the session goes on', async () => {
    const fixture = await withQuotas({ terms: { messageRate: '2/1h' } })
    const dialogue = await fixture.ready()
    for (let n = 0; n < 2; n += 1) assert.match(await submit(dialogue), /^250 /)
    const reply = await submit(dialogue)
    const [, seconds] =
      /^450 4\.7\.1 Too many messages from this account, try again in (\d+) s\r?\n?$/.exec(reply) ?? []
    assert.ok(Number(seconds) > 1_700 && Number(seconds) <= 1_800, reply)
    assert.match((await dialogue.command('MAIL FROM:<a@example.com>')).text, /^250 /)
    assert.match((await dialogue.command('RSET')).text, /^250 /)
    await dialogue.quit()
    const refused = fixture.events.find(({ event }) => event === 'quota-exhausted')
    assert.ok(refused?.event === 'quota-exhausted')
    assert.deepEqual([refused.of, refused.counts, refused.username], ['login', 'messages', USERNAME])
    assert.equal(fixture.accepted.length, 2)
    await fixture.close()
  })

  test('counts recipients; one message has no more of them than may go at once, the rest gets 452', async () => {
    const fixture = await withQuotas({ terms: { recipientRate: '3/1h' } })
    const dialogue = await fixture.ready()
    await dialogue.command('MAIL FROM:<a@example.com>')
    const codes: number[] = []
    for (const name of ['b', 'c', 'd', 'e']) codes.push((await dialogue.command(`RCPT TO:<${name}@example.net>`)).code)
    assert.deepEqual(codes, [250, 250, 250, 452])
    assert.equal((await dialogue.command('DATA')).code, 354)
    await dialogue.command('Subject: x\r\nFrom: a@example.com\r\n\r\nx\r\n.')
    assert.match(await submit(dialogue), /^450 4\.7\.1 Too many recipients from this account, try again in 1200 s/)
    await dialogue.quit()
    await fixture.close()
  })

  test('a store that does not answer is 451, and nothing is told of a quota', async () => {
    const quotas: Quotas = { take: async () => ({ kind: 'unavailable', detail: 'gone' }) }
    const fixture = await withQuotas({ terms: { messageRate: '2/1h' }, quotas })
    const dialogue = await fixture.ready()
    assert.match(await submit(dialogue), /^451 4\.3\.0 /)
    await dialogue.quit()
    assert.equal(
      fixture.events.some(({ event }) => event === 'quota-exhausted'),
      false,
    )
    await fixture.close()
  })

  test('a client that goes while the store is asked leaves nothing behind', async () => {
    let answer: () => void = () => undefined
    const asked = new Promise<void>((resolve) => {
      answer = resolve
    })
    const quotas: Quotas = { take: () => asked.then(() => ({ kind: 'granted' })) }
    const fixture = await withQuotas({ terms: { messageRate: '2/1h' }, quotas })
    const dialogue = await fixture.ready()
    await dialogue.command('MAIL FROM:<a@example.com>')
    await dialogue.command('RCPT TO:<b@example.net>')
    dialogue.send('DATA\r\n')
    await new Promise((resolve) => setTimeout(resolve, 20))
    dialogue.destroy()
    while (fixture.listener.sessions() > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    answer()
    await fixture.close()
    assert.equal(fixture.discarded(), 0)
    assert.equal(
      fixture.events.some(({ event }) => event === 'session-error'),
      false,
    )
  })
})

describe('the quota of a network', () => {
  test('holds whoever logs in', async () => {
    const fixture = await withQuotas({ networks: [quota('127.0.0.0/8', 'network', '1/1d')] })
    const dialogue = await fixture.ready()
    assert.match(await submit(dialogue), /^250 /)
    assert.match(await submit(dialogue), /^450 4\.7\.1 Too many messages from your network, try again in 86\d\d\d s/)
    await dialogue.quit()
    await fixture.close()
  })

  test('the smallest network that holds the address counts, and says who counts together', () => {
    const of = networkQuotas([
      quota('0.0.0.0/0', 'address', '1/s'),
      quota('192.0.2.0/24', 'network', '2/s'),
      quota('192.0.2.8/29', 'address', '3/s'),
      quota('2001:db8::/32', 'address', '4/s'),
    ])
    const key = (address: string): string | undefined =>
      mailQuotaAsks({ account: undefined, address, network: of(address) }, 1)[0]?.key
    assert.equal(key('198.51.100.7'), 'messages address 198.51.100.7')
    assert.equal(key('192.0.2.200'), 'messages network 192.0.2.0/24')
    assert.equal(key('::ffff:192.0.2.200'), 'messages network 192.0.2.0/24')
    assert.equal(key('192.0.2.9'), 'messages address 192.0.2.9')
    assert.equal(key('2001:db8:1:2:3::4'), 'messages address 2001:db8:1:2')
    assert.equal(key('fe80::1'), undefined)
  })

  test('login and network take from one message each', () => {
    const account = accountOf('a', { messageRate: '1/s', recipientRate: '10/s' })
    const network = quota('0.0.0.0/0', 'network', '5/s')
    const asks = mailQuotaAsks({ account, address: '192.0.2.1', network }, 7)
    assert.deepEqual(
      asks.map(({ of, counts, amount }) => [of, counts, amount]),
      [
        ['login', 'messages', 1],
        ['login', 'recipients', 7],
        ['network', 'messages', 1],
      ],
    )
  })
})
