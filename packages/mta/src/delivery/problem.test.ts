import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import type { SmtpReply } from '../smtp/reply.ts'
import type { DeliveryCause } from './outcome.ts'
import { causeOfSession, isRefusedLogin, ofSmarthost, problemOf, retryPace } from './problem.ts'

const SEEN = { at: 1_000 }

function reply(code: number, enhancedStatus?: SmtpReply['enhancedStatus']): SmtpReply {
  return { code, lines: ['text'], ...(enhancedStatus === undefined ? {} : { enhancedStatus }) }
}

function tls(reason: string): DeliveryCause {
  return { kind: 'tls-policy', reason, policyDomain: 'example.test' }
}

describe('from cause to status', () => {
  const table: readonly (readonly [string, DeliveryCause, string, 'transient' | 'permanent'])[] = [
    ['a DNS failure', { kind: 'dns-failure', lookup: 'mx', name: 'x.test', detail: 'SERVFAIL' }, '4.4.3', 'transient'],
    ['NXDOMAIN', { kind: 'domain-not-found', name: 'x.test' }, '5.1.2', 'permanent'],
    ['a null MX', { kind: 'null-mx', name: 'x.test' }, '5.1.10', 'permanent'],
    ['hosts without addresses', { kind: 'no-address', names: ['mx.x.test'] }, '5.4.4', 'permanent'],
    ['addresses that may not be dialled', { kind: 'address-refused', addresses: ['127.0.0.1'] }, '5.4.4', 'permanent'],
    ['a loop', { kind: 'mail-loop', name: 'us.test' }, '5.4.6', 'permanent'],
    ['a refused connection', { kind: 'connect-failed', code: 'ECONNREFUSED' }, '4.4.1', 'transient'],
    ['a host that never greets', { kind: 'timeout', phase: 'greeting' }, '4.4.1', 'transient'],
    ['a host that falls silent', { kind: 'timeout', phase: 'final-dot' }, '4.4.2', 'transient'],
    ['a lost connection', { kind: 'connection-lost', phase: 'content', code: 'ECONNRESET' }, '4.4.2', 'transient'],
    ['no SMTP at all', { kind: 'protocol-violation', phase: 'ehlo', detail: 'x' }, '4.5.0', 'transient'],
    ['a 450', { kind: 'reply', phase: 'rcpt', reply: reply(450) }, '4.0.0', 'transient'],
    ['a 550', { kind: 'reply', phase: 'rcpt', reply: reply(550) }, '5.0.0', 'permanent'],
    ['a 550 with a status', { kind: 'reply', phase: 'rcpt', reply: reply(550, '5.1.1') }, '5.1.1', 'permanent'],
    ['an unknown 599', { kind: 'reply', phase: 'mail', reply: reply(599) }, '5.0.0', 'permanent'],
    ['a 421', { kind: 'reply', phase: 'mail', reply: reply(421, '4.3.2') }, '4.3.2', 'transient'],
    ['no 8BITMIME', { kind: 'extension-missing', extension: '8BITMIME' }, '5.6.3', 'permanent'],
    ['no SMTPUTF8', { kind: 'extension-missing', extension: 'SMTPUTF8' }, '5.6.7', 'permanent'],
    ['no REQUIRETLS', { kind: 'extension-missing', extension: 'REQUIRETLS' }, '5.7.30', 'permanent'],
    ['too large', { kind: 'too-large', size: 2, limit: 1 }, '5.3.4', 'permanent'],
    [
      'a policy that cannot be known now',
      { kind: 'policy-unavailable', policyDomain: 'x.test', because: 'cache' },
      '4.7.5',
      'transient',
    ],
    ['a defect of ours', { kind: 'internal', detail: 'x' }, '4.3.0', 'transient'],
  ]
  for (const [what, cause, status, permanence] of table) {
    test(`${what} is ${status}, ${permanence}`, () => {
      const problem = problemOf(cause, SEEN)
      assert.equal(problem.status, status)
      assert.equal(problem.permanence, permanence)
      assert.equal(problem.at, 1_000)
    })
  }

  for (const [reason, status] of [
    ['starttls-not-offered', '4.7.10'],
    ['starttls-refused', '4.7.10'],
    ['handshake-failed (alert handshake-failure)', '4.7.5'],
    ['certificate-untrusted (CERT_HAS_EXPIRED)', '4.7.5'],
    ['certificate-name-mismatch (mx.example.test)', '4.7.5'],
    ['sts-mx-mismatch', '4.7.5'],
  ] as const) {
    test(`DSN-20: TLS demanded and ${reason}: ${status}, transient, of this host`, () => {
      covers('DSN-20', { observe: 'pure' })
      const problem = problemOf(tls(reason), SEEN)
      assert.deepEqual([problem.status, problem.permanence, problem.scope], [status, 'transient', 'host'])
    })
  }

  test('DSN-20: a DNS failure is 4.4.3', () => {
    covers('DSN-20', { observe: 'pure' })
    const cause: DeliveryCause = { kind: 'dns-failure', lookup: 'address', name: 'x.test', detail: 'timeout' }
    assert.equal(problemOf(cause, SEEN).status, '4.4.3')
  })
})

describe('what expired mail is told', () => {
  test('the last problem in class 4, even when that problem was permanent for its host', () => {
    const last: DeliveryCause = { kind: 'reply', phase: 'greeting', reply: reply(554, '5.3.2') }
    const problem = problemOf({ kind: 'expired', last }, SEEN)
    assert.deepEqual([problem.status, problem.permanence], ['4.3.2', 'permanent'])
  })

  test('4.4.7 when nothing is known', () => {
    assert.equal(problemOf({ kind: 'expired' }, SEEN).status, '4.4.7')
  })
})

describe('how soon to try again', () => {
  for (const [what, cause, pace] of [
    ['no connection', { kind: 'connect-failed', code: 'ECONNREFUSED' }, 'quick'],
    ['no DNS answer', { kind: 'dns-failure', lookup: 'mx', name: 'x', detail: 'timeout' }, 'quick'],
    ['421', { kind: 'reply', phase: 'mail', reply: reply(421) }, 'quick'],
    ['a greeting of 450', { kind: 'reply', phase: 'greeting', reply: reply(450) }, 'quick'],
    ['450 4.2.0 to a recipient', { kind: 'reply', phase: 'rcpt', reply: reply(450, '4.2.0') }, 'greylisted'],
    ['451 4.7.1 to a message', { kind: 'reply', phase: 'final-dot', reply: reply(451, '4.7.1') }, 'greylisted'],
    ['452 4.7.1', { kind: 'reply', phase: 'rcpt', reply: reply(452, '4.7.1') }, 'steady'],
    ['451 4.3.0', { kind: 'reply', phase: 'rcpt', reply: reply(451, '4.3.0') }, 'steady'],
    ['a mailbox that is full', { kind: 'reply', phase: 'rcpt', reply: reply(452) }, 'steady'],
  ] as const) {
    test(`${what}: ${pace}`, () => assert.equal(retryPace(problemOf(cause, SEEN)), pace))
  }
})

test('an alert inside an established channel is a lost connection', () => {
  const cause = causeOfSession({ kind: 'tls', failure: { kind: 'alert', alert: 'internal-error' } }, 'content')
  assert.deepEqual(cause, { kind: 'connection-lost', phase: 'content', code: 'TLS-ALERT-INTERNAL-ERROR' })
})

describe('what a smarthost says about us returns no mail', () => {
  for (const [what, problem, status, refused] of [
    ['535', { kind: 'refused', reply: reply(535) }, '4.7.8', true],
    ['535 with a status', { kind: 'refused', reply: reply(535, '5.7.9') }, '4.7.9', true],
    ['454', { kind: 'refused', reply: reply(454) }, '4.7.0', false],
    ['no AUTH PLAIN', { kind: 'not-offered', offered: ['CRAM-MD5'] }, '4.7.4', false],
  ] as const) {
    test(`${what} to AUTH: ${status}, ${refused ? 'and no other address is asked' : 'and the next address is asked'}`, () => {
      const judged = problemOf({ kind: 'login-failed', username: 'shop', problem }, SEEN)
      assert.deepEqual([judged.status, judged.permanence, judged.fault], [status, 'transient', 'local-configuration'])
      assert.equal(isRefusedLogin(judged), refused)
    })
  }

  test('a refusal for good becomes one for now, and one for now stays what it is', () => {
    const gone = ofSmarthost(problemOf({ kind: 'no-address', names: ['smart.test'] }, SEEN))
    assert.deepEqual([gone.status, gone.permanence, gone.fault], ['4.4.4', 'transient', 'local-configuration'])
    const busy = problemOf({ kind: 'reply', phase: 'greeting', reply: reply(421) }, SEEN)
    assert.equal(ofSmarthost(busy), busy)
  })
})
