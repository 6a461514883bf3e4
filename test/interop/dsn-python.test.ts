/**
 * Python's email package reads every kind of notification that we compose: an independent judge of the
 * MIME structure, the fields and the encodings (RFC 3464, RFC 6522).
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import {
  address,
  delayed,
  dsnBytes,
  dsnRequest,
  EVERY_CAUSE,
  failed,
  recipient,
  relayed,
  withEnvelope,
} from '../../packages/mta/src/bounce/dsn.fixture.ts'
import { sevenBitForm } from '../../packages/mta/src/bounce/seven-bit-form.ts'

const READER = `
import sys, json, email, email.policy
message = email.message_from_string(sys.stdin.buffer.read().decode('utf-8'), policy=email.policy.default.clone(utf8=True))
def defects(part):
    found = [str(type(d).__name__) for d in part.defects]
    for name, value in part.items():
        found += [name + ': ' + type(d).__name__ for d in getattr(value, 'defects', [])]
    return found
parts = list(message.walk())
status = next(p for p in parts if p.get_content_type() in ('message/delivery-status', 'message/global-delivery-status'))
if status.get_content_type() == 'message/global-delivery-status':
    # Python knows the type of RFC 6533 as any message: its groups are told apart by the older type.
    text = status.get_payload(0).as_string(policy=status.policy.clone(max_line_length=0))
    status = email.message_from_string('Content-Type: message/delivery-status' + chr(10) + chr(10) + text, policy=status.policy)
print(json.dumps({
    'types': [p.get_content_type() for p in message.iter_parts()],
    'reportType': message['Content-Type'].params.get('report-type'),
    'defects': [d for p in parts for d in defects(p)],
    'header': {name.lower(): str(value) for name, value in message.items()},
    'text': message.get_payload(0).get_content(),
    'status': [[[n, str(v)] for n, v in group.items()] for group in status.get_payload()],
    'third': message.get_payload(2).get_payload(decode=True).decode('utf-8', 'replace')
        if message.get_payload(2).get_content_maintype() == 'text' else message.get_payload(2).get_payload(0).as_string(),
}))
`

interface Reading {
  readonly types: readonly string[]
  readonly reportType: string
  readonly defects: readonly string[]
  readonly header: Readonly<Record<string, string>>
  readonly text: string
  readonly status: readonly (readonly (readonly [string, string])[])[]
  readonly third: string
}

function readByPython(notification: Uint8Array): Reading {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', READER], { input: notification, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

describe("Python's email package reads our notifications", () => {
  test('one for every cause: no defects, three parts, one group for each recipient', () => {
    for (const cause of EVERY_CAUSE) {
      const request = dsnRequest({ outcomes: [failed(0, { cause }), failed(1, { cause })] })
      const original = { ...request.original, recipients: [recipient(0), recipient(1)] }
      const reading = readByPython(dsnBytes({ ...request, original }))
      assert.deepEqual(reading.defects, [], cause.kind)
      assert.deepEqual(reading.types, ['text/plain', 'message/delivery-status', 'text/rfc822-headers'])
      assert.equal(reading.reportType, 'delivery-status')
      assert.equal(reading.header['auto-submitted'], 'auto-replied')
      assert.equal(reading.header['to'], 'alice@app.example')
      const [perMessage, ...groups] = reading.status.map((fields) => new Map(fields))
      assert.equal(perMessage?.get('Reporting-MTA'), 'dns; relay.example.com')
      assert.deepEqual(
        groups.map((group) => [group.get('Final-Recipient'), group.get('Action')]),
        [
          ['rfc822; user0@b.example', 'failed'],
          ['rfc822; user1@b.example', 'failed'],
        ],
      )
      assert.match(reading.third, /^Subject: Hello\r?$/m)
    }
  })

  test('the message returned whole is the message', () => {
    const reading = readByPython(dsnBytes(withEnvelope({ dsn: { ret: 'FULL' } })))
    assert.deepEqual(reading.types[2], 'message/rfc822')
    assert.match(reading.third, /Subject: Hello\n[\s\S]*\n\nBody\n/)
  })

  test('a header section with UTF-8 and a long text of the peer come through their encodings', () => {
    const contentStart = Buffer.from(`Subject: Grüße\r\nX-Long: ${'word '.repeat(150)}end\r\n\r\nschön\r\n`)
    const lines = ['This server gives a long reason. '.repeat(12)]
    const cause = { kind: 'reply', phase: 'final-dot', reply: { code: 554, enhancedStatus: '5.6.0', lines } } as const
    const outcomes = [failed(0, { cause })]
    const reading = readByPython(dsnBytes(withEnvelope({ size: contentStart.length }, { contentStart, outcomes })))
    assert.deepEqual(reading.defects, [])
    assert.match(reading.third, /^Subject: Grüße\r?\nX-Long: word word /)
    const told = new Map(reading.status[1]).get('Diagnostic-Code') ?? ''
    assert.match(told.replace(/\s+/g, ' '), /^smtp; 554 5\.6\.0 This server gives a long reason\. This/)
  })

  for (const [action, outcome] of [
    ['delayed', delayed(0)],
    ['relayed', relayed(0)],
  ] as const) {
    test(`one that tells that mail is ${action}`, () => {
      const request = dsnRequest({ outcomes: [outcome] })
      const recipients = [recipient(0, { notify: ['SUCCESS', 'DELAY'] })]
      const reading = readByPython(dsnBytes({ ...request, original: { ...request.original, recipients } }))
      assert.deepEqual(reading.defects, [])
      assert.deepEqual(reading.types, ['text/plain', 'message/delivery-status', 'text/rfc822-headers'])
      const fields = new Map(reading.status[1])
      assert.equal(fields.get('Action'), action)
      assert.equal(fields.has('Will-Retry-Until'), action === 'delayed')
    })
  }

  test('one that tells of all three', () => {
    const request = dsnRequest({ outcomes: [failed(0), delayed(1), relayed(2)] })
    const recipients = [0, 1, 2].map((index) => recipient(index, { notify: ['SUCCESS', 'FAILURE', 'DELAY'] }))
    const reading = readByPython(dsnBytes({ ...request, original: { ...request.original, recipients } }))
    assert.deepEqual(reading.defects, [])
    assert.deepEqual(
      reading.status.slice(1).map((fields) => new Map(fields).get('Action')),
      ['failed', 'delayed', 'relayed'],
    )
  })

  test('internationalised mail, in UTF-8 and in seven bits', () => {
    const contentStart = Buffer.from('Subject: Grüße\r\n\r\nschön\r\n')
    const request = withEnvelope({ smtpUtf8: true, size: contentStart.length }, { contentStart })
    const recipients = [recipient(0, { address: address('bücher', 'b.example') })]
    const utf8 = dsnBytes({ ...request, original: { ...request.original, recipients } })
    const sevenBit = sevenBitForm(utf8)
    assert.ok(sevenBit !== undefined)
    const [whole, plain] = [readByPython(utf8), readByPython(sevenBit)]
    assert.deepEqual([whole.defects, plain.defects], [[], []])
    assert.deepEqual(whole.types, ['text/plain', 'message/global-delivery-status', 'message/global-headers'])
    assert.deepEqual(plain.types, ['text/plain', 'message/delivery-status', 'text/rfc822-headers'])
    const found = [whole, plain].map(({ status }) => new Map(status[1]).get('Final-Recipient'))
    assert.deepEqual(found, ['utf-8; bücher@b.example', 'utf-8; b\\x{FC}cher@b.example'])
    for (const { text, third } of [whole, plain]) {
      assert.match(text, /bücher@b\.example/)
      assert.match(third, /^Subject: Grüße\r?$/m)
    }
  })

  test('a UTF-8 sender', () => {
    const reading = readByPython(dsnBytes(withEnvelope({ reversePath: address('jörg', 'app.example') })))
    // Python calls every UTF-8 local part a defect; there is no other.
    assert.deepEqual(reading.defects, ['To: NonASCIILocalPartDefect'])
    assert.equal(reading.header['to'], 'jörg@app.example')
  })

  test('eight hundred recipients', () => {
    const recipients = Array.from({ length: 800 }, (_, index) =>
      recipient(index, { orcpt: `rfc822;u${index}+2B@b.example` }),
    )
    const request = dsnRequest({ outcomes: recipients.map(({ index }) => failed(index)) })
    const reading = readByPython(dsnBytes({ ...request, original: { ...request.original, recipients } }))
    assert.deepEqual(reading.defects, [])
    assert.equal(reading.status.length, 801)
    assert.equal(new Map(reading.status[800]).get('Original-Recipient'), 'rfc822; u799+@b.example')
  })
})
