import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type LaneId, laneId } from '../delivery/lane.ts'
import type { RoutedMail } from '../delivery/route.ts'
import { nullReversePath } from '../smtp/mail-address.ts'
import { newQueueId } from '../spool/queue-id.ts'
import type { AcceptOutcome, NewMessage } from '../spool/spool.ts'
import { messageAcceptor } from './accept.ts'
import { parseMailbox } from './address.ts'
import type { ReceivedMessage } from './incoming-message.ts'
import { networkList, parseNetwork } from './networks.ts'

function recipient(index: number, text: string): ReceivedMessage['recipients'][number] {
  const address = parseMailbox(text)
  assert(address.ok)
  return { index, address: address.value }
}

function message(...to: readonly string[]): ReceivedMessage {
  return {
    id: newQueueId(),
    envelope: {
      reversePath: nullReversePath,
      body: '7bit',
      smtpUtf8: false,
      tls: 'default',
      dsn: {},
      size: 1,
      origin: { kind: 'network', address: '192.0.2.1' },
    },
    recipients: to.map((text, index) => recipient(index, text)),
    content: { kind: 'memory', bytes: Buffer.from('x') },
    receivedAt: 1_000,
  }
}

describe('handing a message to the spool', () => {
  async function accept(
    outcome: AcceptOutcome,
    ...to: readonly string[]
  ): Promise<{ given: NewMessage[]; woken: LaneId[] }> {
    const given: NewMessage[] = []
    const woken: LaneId[] = []
    const acceptor = messageAcceptor({
      spool: {
        accept: async (offered) => {
          given.push(offered)
          return outcome
        },
      },
      laneFor: ({ recipient }) => laneId({ kind: 'mx', nextHop: recipient.domain, port: 25 }),
      maxAgeMs: 500,
      onAccepted: (lanes) => woken.push(...lanes),
    })
    assert.deepEqual(await acceptor(message(...to)), outcome)
    return { given, woken }
  }

  test('recipients are partitioned by lane, each in one delivery, and the lanes are woken', async () => {
    const { given, woken } = await accept({ kind: 'accepted' }, 'a@one.example', 'b@two.example', 'c@ONE.example')
    assert.deepEqual(given[0]?.deliveries, [
      { lane: 'mx:one.example:25', recipients: [0, 2] },
      { lane: 'mx:two.example:25', recipients: [1] },
    ])
    assert.equal(given[0]?.expiresAt, 1_500)
    assert.deepEqual(woken, ['mx:one.example:25', 'mx:two.example:25'])
  })

  test('its sender and its tag say which lane, at the first attempt', async () => {
    const asked: RoutedMail[] = []
    const acceptor = messageAcceptor({
      spool: { accept: async () => ({ kind: 'accepted' }) },
      laneFor: (mail) => {
        asked.push(mail)
        return laneId({ kind: 'mx', nextHop: mail.recipient.domain, port: 25 })
      },
      ...{ maxAgeMs: 500, onAccepted: () => undefined },
    })
    const plain = message('a@one.example')
    await acceptor({ ...plain, envelope: { ...plain.envelope, tag: 'bulk' } })
    assert.deepEqual(asked, [
      { recipient: recipient(0, 'a@one.example').address, sender: nullReversePath, tag: 'bulk', attempt: 1 },
    ])
  })

  test('nothing is woken for what was not accepted', async () => {
    for (const kind of ['full', 'already-done'] as const)
      assert.deepEqual((await accept({ kind }, 'a@one.example')).woken, [])
  })
})

describe('networks', () => {
  for (const [text, valid] of [
    ['192.0.2.0/24', true],
    ['192.0.2.1', true],
    ['2001:db8::/32', true],
    ['192.0.2.0/33', false],
    ['fe80::1%eth0', false],
    ['localhost', false],
    ['', false],
  ] as const) {
    test(`${JSON.stringify(text)} is ${valid ? 'a' : 'no'} network`, () =>
      assert.equal(parseNetwork(text) !== undefined, valid))
  }

  test('an IPv4 peer of a dual-stack socket is in its IPv4 network; an empty list holds nobody', () => {
    const list = networkList(['192.0.2.0/24', '2001:db8::/32'])
    for (const address of ['192.0.2.9', '::ffff:192.0.2.9', '2001:db8::5']) assert.equal(list(address), true, address)
    for (const address of ['192.0.3.1', '::1', '::ffff:192.0.3.1', '', 'nonsense'])
      assert.equal(list(address), false, address)
    assert.equal(networkList([])('127.0.0.1'), false)
  })
})
