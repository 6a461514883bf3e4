import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { address, told } from './client.samples.ts'
import type { SmtpReply } from './reply.ts'
import {
  afterData,
  leavesTransactionOpen,
  openPhase,
  recipientResults,
  type TransactionAnswers,
} from './transaction-answers.ts'

const reply = (code: number): SmtpReply => ({ code, lines: [''] })

/** The answers in the order of the commands: MAIL, RCPTs, DATA, final dot. */
function answers(mail: number, rcpt: readonly number[], data?: number, finalDot?: number): TransactionAnswers {
  return {
    mail: reply(mail),
    rcpt: rcpt.map(reply),
    ...(data === undefined ? {} : { data: reply(data) }),
    ...(finalDot === undefined ? {} : { finalDot: reply(finalDot) }),
  }
}

function words(given: TransactionAnswers, count = given.rcpt.length): readonly string[] {
  const recipients = Array.from({ length: count }, (_, index) => ({ index, address: address('u@example.net') }))
  return told({ kind: 'answered', recipients: recipientResults(recipients, given) })
}

describe('RFC 5321 §4.2.5 what each recipient is told', () => {
  for (const [rule, given, expected] of [
    ['the answer to the dot is that of all accepted', answers(250, [250, 251], 354, 250), ['accepted', 'accepted']],
    ['a refused dot refuses all accepted', answers(250, [250, 550], 354, 451), ['final-dot 451', 'rcpt 550']],
    [
      'unknown codes count by their first digit',
      answers(299, [299, 499, 599], 354, 299),
      ['accepted', 'rcpt 499', 'rcpt 599'],
    ],
    ['refused MAIL refuses all', answers(550, [503, 503], 503), ['mail 550', 'mail 550']],
    ['refused DATA refuses the accepted', answers(250, [250, 550], 451), ['data 451', 'rcpt 550']],
    ['452 first is about that recipient', answers(250, [452, 250], 354, 250), ['rcpt 452', 'accepted']],
    [
      '452 after an accepted one is too many (SMTP-29)',
      answers(250, [250, 452], 354, 250),
      ['accepted', 'too many 452'],
    ],
    [
      '552 after an accepted one is too many (SMTP-29)',
      answers(250, [250, 552], 354, 250),
      ['accepted', 'too many 552'],
    ],
    ['421 leaves open what it answers', answers(250, [250, 421]), ['unsettled', 'unsettled']],
    ['421 to MAIL refuses nobody', answers(421, []), []],
  ] as const) {
    test(rule, () => assert.deepEqual(words(given), expected))
  }

  test('a refusal in the middle of the content refuses the accepted', () => {
    assert.deepEqual(words({ ...answers(250, [250, 550], 354), content: reply(552) }), ['content 552', 'rcpt 550'])
  })

  test('who was not asked after "too many" is one of them', () => {
    assert.deepEqual(words(answers(250, [250, 452], 354, 250), 4), ['accepted', ...Array(3).fill('too many 452')])
  })

  test('who was not asked for another reason is unsettled', () => {
    assert.deepEqual(words(answers(250, [550]), 2), ['rcpt 550', 'unsettled'])
  })
})

describe('RFC 5321 §3.3, RFC 2920 §3.1 after DATA', () => {
  for (const [rule, given, expected] of [
    ['354 and a recipient: content', answers(250, [550, 250], 354), 'content'],
    ['354 and no recipient: the dot alone', answers(250, [550], 354), 'lone-dot'],
    ['354 after a refused MAIL and refused recipients: the dot alone', answers(550, [503], 354), 'lone-dot'],
    ['354 and a recipient after a refused MAIL: nothing is safe', answers(550, [250], 354), 'violation'],
    ['250 is no leave to send (SMTP-12)', answers(250, [250], 250), 'violation'],
    ['another 3yz is no leave to send (SMTP-12)', answers(250, [250], 355), 'violation'],
    ['4yz and 5yz refuse', answers(250, [250], 451), 'refused'],
  ] as const) {
    test(rule, () => assert.equal(afterData(given), expected))
  }
})

describe('RFC 5321 §4.1.4 is the transaction still open?', () => {
  for (const [rule, given, open] of [
    ['not after the final dot, accepted', answers(250, [250], 354, 250), false],
    ['not after the final dot, refused', answers(250, [250], 354, 451), false],
    ['not when MAIL was refused', answers(550, []), false],
    ['yes when all recipients were refused', answers(250, [550]), true],
    ['yes when DATA was refused', answers(250, [250], 451), true],
  ] as const) {
    test(rule, () => assert.equal(leavesTransactionOpen(given), open))
  }
})

test('the first step without an answer', () => {
  assert.equal(openPhase({ rcpt: [] }, 2), 'mail')
  assert.equal(openPhase(answers(421, []), 2), 'mail')
  assert.equal(openPhase(answers(250, [250]), 2), 'rcpt')
  assert.equal(openPhase(answers(250, [250, 421]), 2), 'rcpt')
  assert.equal(openPhase(answers(250, [250, 250]), 2), 'data')
  assert.equal(openPhase(answers(250, [250, 250], 354), 2), 'content')
})
