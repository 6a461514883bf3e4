import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { formatAddress } from '../smtp/mail-address.ts'
import { parseMailCommand, parseRcptCommand } from './envelope-command.ts'

const plain = { dsn: false, auth: false, priority: false, requireTls: 'off' } as const
const all = { dsn: true, auth: true, priority: true, requireTls: 'offered' } as const
const ascii = { utf8: false }

describe('RFC 5321 §4.1.1.2 MAIL', () => {
  test('reads every parameter that is offered', () => {
    const command = parseMailCommand(
      'mail from:<a@example.com> SIZE=1000 body=8bitmime SMTPUTF8 RequireTLS mt-priority=-3 RET=hdrs ENVID=Q+2B1 AUTH=<>',
      all,
    )
    assert(command.ok)
    const { path, ...rest } = command.value
    assert(path.kind === 'address')
    assert.equal(formatAddress(path.address), 'a@example.com')
    const dsn = { envid: 'Q+2B1', ret: 'HDRS' }
    assert.deepEqual(rest, { smtpUtf8: true, body: '8bitmime', size: 1000, requireTls: true, priority: -3, dsn })
  })

  test('tolerates a blank before the bracket and white space at the end (RFC 5321 §4.1.1)', () => {
    assert(parseMailCommand('MAIL FROM: <a@example.com> \t', plain).ok)
  })

  for (const [rule, line, kind] of [
    ['another command', 'MAIL TO:<a@example.com>', 'syntax'],
    ['no path', 'MAIL FROM:', 'address'],
    ['a word directly behind the path', 'MAIL FROM:<a@example.com>SIZE=1', 'address'],
    ['a parameter that nobody knows', 'MAIL FROM:<a@example.com> FOO=BAR', 'unknown-parameter'],
    ['DELIVERBY', 'MAIL FROM:<a@example.com> BY=10;R', 'unknown-parameter'],
    ['RET where DSN is not offered', 'MAIL FROM:<a@example.com> RET=FULL', 'unknown-parameter'],
    ['REQUIRETLS where it is not honoured', 'MAIL FROM:<a@example.com> REQUIRETLS', 'unknown-parameter'],
    ['AUTH outside TLS', 'MAIL FROM:<a@example.com> AUTH=<>', 'unknown-parameter'],
    ['a repeated parameter', 'MAIL FROM:<a@example.com> SIZE=1 size=2', 'duplicate-parameter'],
    ['SIZE without digits', 'MAIL FROM:<a@example.com> SIZE=big', 'bad-parameter'],
    ['SIZE of 21 digits', `MAIL FROM:<a@example.com> SIZE=${'1'.repeat(21)}`, 'bad-parameter'],
    ['SIZE without a value', 'MAIL FROM:<a@example.com> SIZE', 'bad-parameter'],
    ['BODY=BINARYMIME', 'MAIL FROM:<a@example.com> BODY=BINARYMIME', 'bad-parameter'],
    ['SMTPUTF8 with a value', 'MAIL FROM:<a@example.com> SMTPUTF8=1', 'bad-parameter'],
    ['a parameter with two equal signs', 'MAIL FROM:<a@example.com> SIZE=1=2', 'bad-parameter'],
    ['SMTPUTF8 only inside quotes', 'MAIL FROM:<" SMTPUTF8 ü"@example.com>', 'address'],
  ] as const) {
    test(`refuses ${rule}`, () => {
      const command = parseMailCommand(line, plain)
      assert.equal(command.ok ? 'accepted' : command.error.kind, kind)
    })
  }

  for (const [rule, parameter] of [
    ['RET of another word', 'RET=BODY'],
    ['ENVID that is not xtext', 'ENVID=a+zz'],
    ['ENVID with lower-case hexadecimal', 'ENVID=a+2b'],
    ['ENVID of 101 octets', `ENVID=${'x'.repeat(101)}`],
    ['ENVID that stands for a line end', 'ENVID=a+0D+0AX'],
    ['ENVID that stands for an octet above 126', 'ENVID=a+FC'],
    ['AUTH that is not xtext', 'AUTH=a+1'],
  ] as const) {
    test(`refuses ${rule}`, () => {
      const command = parseMailCommand(`MAIL FROM:<a@example.com> ${parameter}`, all)
      assert.equal(command.ok ? 'accepted' : command.error.kind, 'bad-parameter')
    })
  }
})

describe('RFC 5321 §4.1.1.3 RCPT', () => {
  test('keeps ORCPT byte for byte and NOTIFY in canonical case', () => {
    const command = parseRcptCommand(
      'RCPT TO:<b@example.net> NOTIFY=success,Failure ORCPT=rfc822;B+40Example.NET',
      all,
      ascii,
    )
    assert(command.ok)
    const { path: _, ...rest } = command.value
    assert.deepEqual(rest, { notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;B+40Example.NET' })
  })

  test('reads a UTF-8 ORCPT in an SMTPUTF8 transaction only (RFC 6533 §3)', () => {
    const line = 'RCPT TO:<b@example.net> ORCPT=utf-8;ü@example.net'
    assert(parseRcptCommand(line, all, { utf8: true }).ok)
    assert.equal(parseRcptCommand(line, all, ascii).ok, false)
  })

  for (const [rule, tail, kind] of [
    ['the null path', '<>', 'address'],
    ['NEVER with another condition', '<b@example.net> NOTIFY=NEVER,FAILURE', 'bad-parameter'],
    ['a condition twice', '<b@example.net> NOTIFY=DELAY,DELAY', 'bad-parameter'],
    ['an unknown condition', '<b@example.net> NOTIFY=ALWAYS', 'bad-parameter'],
    ['ORCPT without a type', '<b@example.net> ORCPT=b', 'bad-parameter'],
    ['ORCPT that stands for a line end', '<b@example.net> ORCPT=rfc822;a+0Ab', 'bad-parameter'],
    ['ORCPT of 501 octets', `<b@example.net> ORCPT=rfc822;${'x'.repeat(494)}`, 'bad-parameter'],
    ['SIZE', '<b@example.net> SIZE=1', 'unknown-parameter'],
  ] as const) {
    test(`refuses ${rule}`, () => {
      const command = parseRcptCommand(`RCPT TO:${tail}`, all, ascii)
      assert.equal(command.ok ? 'accepted' : command.error.kind, kind)
    })
  }
})

const VECTORS = new URL('../../../../../shared/vectors/smtp_misc.json', import.meta.url)

// Haraka reads leniently and leaves addresses and parameters to plug-ins; RFC 5321 decides here.
const REFUSED: Readonly<Record<string, string>> = {
  'smtp-129': 'RFC 5321 §4.1.1.2: the null reverse-path is written <>',
  'smtp-130': 'RFC 5321 §4.1.1.3: postmaster alone is a forward-path',
  'smtp-131': 'RFC 5321 §4.1.1.2: Path has angle brackets',
  'smtp-132': 'RFC 5321 §4.1.1.2: Path has angle brackets',
  'smtp-133': 'RFC 5321 §4.1.1.2: Path has angle brackets',
  'smtp-134': 'RFC 5321 §2.3.5: the domain is not fully qualified',
  'smtp-135': 'RFC 5321 §4.1.1.11: the parameter is not offered',
  'smtp-136': 'RFC 5321 §4.1.1.11: the parameters are not offered',
  'smtp-137': 'RFC 5321 §2.3.5: the domain is not fully qualified',
  'smtp-138': 'RFC 5321 §2.3.5: the domain is not fully qualified',
  'smtp-139': 'RFC 5321 §4.1.1.3: Path has angle brackets',
  'smtp-140': 'RFC 5321 §4.1.1.11: the parameter is not offered',
  'smtp-141': 'RFC 5321 §4.1.1.11: the parameter is not offered',
  'smtp-143': 'RFC 5321 §4.1.1.3: only postmaster stands alone',
}

describe('command lines as other implementations see them', {
  skip: existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout',
}, () => {
  const { cases } = existsSync(VECTORS)
    ? (JSON.parse(readFileSync(VECTORS, 'utf8')) as {
        cases: readonly { id: string; kind: string; input: string; expected: unknown }[]
      })
    : { cases: [] }
  for (const { id, input, expected } of cases.filter(({ kind }) => kind === 'command-line')) {
    const valid = expected !== 'error' && REFUSED[id] === undefined
    test(`${id} ${input} is ${valid ? 'read' : 'refused'}: ${REFUSED[id] ?? 'as there'}`, () => {
      const command = input.startsWith('MAIL') ? parseMailCommand(input, plain) : parseRcptCommand(input, plain, ascii)
      // What `postmaster` alone means in MAIL is decided by the transaction, which refuses it.
      assert.equal(command.ok && !(input.startsWith('MAIL') && command.value.path.kind === 'postmaster'), valid)
    })
  }
})
