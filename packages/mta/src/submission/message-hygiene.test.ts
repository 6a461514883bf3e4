import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ok } from '@hermetic/policy'
import { correctedZone } from '../smtp/date-time.ts'
import { nullReversePath } from '../smtp/mail-address.ts'
import { parseMailbox } from './address.ts'
import { countMailboxes } from './mailbox-list.ts'
import { cleanHeader, type HygieneContext } from './message-hygiene.ts'

const sender = parseMailbox('app@example.com')
assert(sender.ok)
const context: HygieneContext = {
  role: 'submission',
  reversePath: sender.value,
  hostname: 'relay.example.com',
  id: '0190',
  receivedFieldsMax: 100,
  receivedAt: Date.UTC(2026, 10, 22, 8, 37),
}

const WHOLE = 'From: a@example.com\r\nDate: Sun, 22 Nov 2026 08:37:00 +0000\r\nMessage-ID: <1@example.com>\r\n'

function cleaned(header: string, changes: Partial<HygieneContext> = {}): string {
  const clean = cleanHeader(Buffer.from(header), { ...context, ...changes })
  return clean.ok ? Buffer.concat(clean.value.kept).toString() + clean.value.added : clean.error
}

describe('RFC 6409 §8: what a submission agent repairs', () => {
  for (const [rule, header, result] of [
    ['a whole header stays as it is', WHOLE, WHOLE],
    [
      'a missing Date is added',
      'From: a@example.com\r\nMessage-ID: <1@example.com>\r\n',
      'From: a@example.com\r\nMessage-ID: <1@example.com>\r\nDate: Sun, 22 Nov 2026 08:37:00 +0000\r\n',
    ],
    [
      'a missing Message-ID is added',
      'From: a@example.com\r\nDate: x\r\n',
      'From: a@example.com\r\nDate: x\r\nMessage-ID: <0190@relay.example.com>\r\n',
    ],
    [
      'an invalid Message-ID is replaced',
      'From: a@example.com\r\nmessage-id: 12 34\r\nDate: x\r\n',
      'From: a@example.com\r\nDate: x\r\nMessage-ID: <0190@relay.example.com>\r\n',
    ],
    [
      'an obsolete zone is written as digits',
      WHOLE.replace('+0000', 'GMT'),
      'From: a@example.com\r\nMessage-ID: <1@example.com>\r\nDate: Sun, 22 Nov 2026 08:37:00 +0000\r\n',
    ],
    [
      'Bcc and Return-Path go, folded lines with them',
      `Return-Path: <x@example.com>\r\nBcc: y@example.com,\r\n z@example.com\r\n${WHOLE}BCC:\r\n`,
      WHOLE,
    ],
    [
      'Sender is added to several From mailboxes',
      WHOLE.replace('a@example.com\r', 'a@example.com, "b, c" <b@example.com>\r'),
      `${WHOLE.replace('a@example.com\r', 'a@example.com, "b, c" <b@example.com>\r')}Sender: app@example.com\r\n`,
    ],
    [
      'old trace and Resent fields keep their order',
      `Received: b\r\nResent-From: x@example.com\r\nReceived: a\r\n${WHOLE}`,
      `Received: b\r\nResent-From: x@example.com\r\nReceived: a\r\n${WHOLE}`,
    ],
  ] as const) {
    test(rule, () => assert.equal(cleaned(header), result))
  }

  for (const [rule, header, problem] of [
    ['no From', 'Subject: x\r\n', 'missing-from'],
    ['a From without a mailbox', 'From: (nobody)\r\n', 'empty-from'],
    ['a line that is no field', `${WHOLE}Hello world\r\n`, 'malformed-header'],
    ['the first line of an mbox file', `From a@example.com Sun Nov 22\r\n${WHOLE}`, 'malformed-header'],
    ['a header in Latin-1', Buffer.from(`${WHOLE}Subject: gr\xfc\xdfe\r\n`, 'latin1'), 'header-not-utf8'],
  ] as const) {
    test(`refuses ${rule}`, () => {
      const clean = cleanHeader(Buffer.from(header), context)
      assert.equal(clean.ok ? 'accepted' : clean.error, problem)
    })
  }

  test('several From mailboxes without Sender and without a reverse-path are refused', () => {
    assert.equal(cleaned('From: a@example.com, b@example.com\r\n', { reversePath: nullReversePath }), 'missing-sender')
  })

  for (const name of [
    'From',
    'Date',
    'Sender',
    'Reply-To',
    'To',
    'Cc',
    'Message-ID',
    'In-Reply-To',
    'References',
    'Subject',
  ]) {
    test(`RFC 5322 §3.6: ${name} twice is refused`, () => {
      assert.equal(cleaned(`${WHOLE}${name}: x\r\n${name.toUpperCase()} : y\r\n`), 'duplicate-field')
    })
  }

  test('RFC 5321 §6.4: a relay repairs and refuses none of this', () => {
    const broken = 'Bcc: y@example.com\r\nSubject: a\r\nSubject: b\r\nno field\r\n'
    assert.equal(cleaned(broken, { role: 'relay' }), broken)
  })

  test('RFC 5321 §6.3: a hundred Received fields pass, one more is a loop', () => {
    for (const role of ['submission', 'relay'] as const) {
      assert.equal(cleaned('Received: x\r\n'.repeat(100) + WHOLE, { role }), 'Received: x\r\n'.repeat(100) + WHOLE)
      assert.equal(cleaned('Received: x\r\n'.repeat(101) + WHOLE, { role }), 'loop')
    }
  })

  test('the facts say what the next hop must offer', () => {
    const facts = (header: string): unknown => {
      const clean = cleanHeader(Buffer.from(header), context)
      return clean.ok ? clean.value.facts : clean.error
    }
    assert.deepEqual(facts(`${WHOLE}Subject: grüße\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n`), {
      messageId: '<1@example.com>',
      hasMimeVersion: true,
      nonAscii: true,
      nestsHeaders: true,
      tag: { kind: 'absent' },
      tlsRequired: 'absent',
    })
  })
})

describe('RFC 5322 §3.4: mailboxes in a list', () => {
  for (const [body, count] of [
    ['a@example.com', 1],
    ['a@example.com, b@example.com', 2],
    ['"Last, First" <a@example.com>', 1],
    ['a@example.com (one, two)', 1],
    ['"a \\" b, c" <a@example.com>, d@example.com', 2],
    ['Group: a@example.com, b@example.com;', 2],
    ['Undisclosed:;', 0],
    ['(nobody)', 0],
    ['', 0],
    ['a@example.com,', 1],
  ] as const) {
    test(`${JSON.stringify(body)}: ${count}`, () => assert.equal(countMailboxes(body), count))
  }
})

describe('RFC 5322 §4.3: obsolete zones', () => {
  for (const [body, corrected] of [
    [' Sun, 22 Nov 2026 08:37:00 GMT', ' Sun, 22 Nov 2026 08:37:00 +0000'],
    [' 22 Nov 26 08:37 PST', ' 22 Nov 26 08:37 -0800'],
    [' 22 Nov 26 08:37 Q', ' 22 Nov 26 08:37 -0000'],
    [' 22 Nov 2026 08:37:00 EST (winter)', ' 22 Nov 2026 08:37:00 -0500 (winter)'],
    [' 22 Nov 2026 08:37:00 +0100', undefined],
    [' 22 Nov 2026 08:37:00 +0100 (CET)', undefined],
    [' yesterday', undefined],
  ] as const) {
    test(`${body}`, () => assert.deepEqual(ok(correctedZone(body)), ok(corrected)))
  }
})
