/** Every reply of the server: enhanced codes where RFC 2034 wants them, registered ones only. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import type { RawReply } from '../../../../test/lab/submit.ts'
import { authPlain, MESSAGE, SECRET, startFixture, submit, USERNAME } from './listener.fixture.ts'
import { commandRefusal, contentRefusal, queuedReply, type Reply, replies } from './replies.ts'

/** The details of the IANA registry "SMTP Enhanced Status Codes" (RFC 3463, 4954, 5248, 6531, 7505, 8689): subject.detail. */
const REGISTERED = new Set(
  [
    ['0', 0, 0],
    ['1', 0, 10],
    ['2', 0, 4],
    ['3', 0, 6],
    ['4', 0, 7],
    ['5', 0, 6],
    ['6', 0, 10],
    ['7', 0, 30],
  ].flatMap(([subject, from, to]) =>
    Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) => `${subject}.${Number(from) + index}`),
  ),
)

const CONTENT_PROBLEMS = [
  'too-large',
  'header-too-large',
  'loop',
  'bare-carriage-return',
  'bare-line-feed',
  'nul-octet',
  'line-too-long',
  'malformed-header',
  'missing-from',
  'empty-from',
  'missing-sender',
  'duplicate-field',
  'header-not-utf8',
  'eight-bit-without-mime',
] as const
const ADDRESS_PROBLEMS = [
  'syntax',
  'control-character',
  'non-ascii',
  'local-part-too-long',
  'domain-too-long',
  'path-too-long',
  'invalid-domain',
  'unqualified-domain',
] as const

const all: readonly Reply[] = [
  ...Object.values(replies),
  queuedReply('id'),
  ...CONTENT_PROBLEMS.map((problem) => contentRefusal(problem)),
  ...(['reverse', 'forward'] as const).flatMap((path) => [
    ...ADDRESS_PROBLEMS.map((problem) => commandRefusal({ kind: 'address', problem }, path)),
    commandRefusal({ kind: 'syntax' }, path),
    ...(['unknown-parameter', 'duplicate-parameter', 'bad-parameter'] as const).map((kind) =>
      commandRefusal({ kind, keyword: 'X' }, path),
    ),
  ]),
]

describe('replies as values', () => {
  test('EXT-19: every enhanced code is registered and of the class of its reply', () => {
    covers('EXT-19', { observe: 'pure' })
    for (const { code, status, lines } of all) {
      if (status === undefined) continue
      assert(REGISTERED.has(status.slice(2)), `${code} ${status} ${lines[0]}`)
      assert.equal(status[0], String(code)[0], `${code} ${status}`)
    }
  })

  test('EXT-21: no reply is a 521, and a line with its code fits into 512 octets', () => {
    for (const { code, lines } of all) {
      assert.notEqual(code, 521)
      for (const line of lines) assert.match(line, /^[\x20-\x7e]{0,480}$/)
    }
  })
})

/** RFC 2034 §4: 2yz, 4yz and 5yz replies but the greeting and those to EHLO and HELO. */
function lint(reply: RawReply, index: number): void {
  const first = reply.lines[0] ?? ''
  const exempt =
    index === 0 ||
    reply.code === 354 ||
    reply.code === 334 ||
    /^250[- ]relay\.example\.com/.test(first) ||
    /^501 Syntax: EHLO/.test(first)
  if (exempt) return
  const codes = new Set(reply.lines.map((line) => /^\d{3}[- ]([245]\.\d{1,3}\.\d{1,3}) /.exec(line)?.[1]))
  assert.equal(codes.size, 1, reply.text)
  const [code] = codes
  assert(code !== undefined, reply.text)
  assert.equal(code[0], String(reply.code)[0], reply.text)
  assert(REGISTERED.has(code.slice(2)), reply.text)
}

test('EXT-18: on the wire every 2yz, 4yz and 5yz reply carries a code of its class, the same on every line', async () => {
  covers('EXT-18', { observe: 'smtp' })
  const replyCodes = new Set<number>()
  for (const options of [
    {},
    { listener: { tls: 'implicit' as const } },
    { listener: { tls: 'starttls' as const } },
    { listener: { kind: 'relay' as const, allowNetworks: [] }, limits: { earlyTalkerDelayMs: 0 } },
    { limits: { recipientsMax: 1, messageBytesMax: 10_000 } },
    { health: () => 'full' as const },
    { accept: async () => ({ kind: 'unavailable' as const, detail: 'x' }) },
  ]) {
    const fixture = await startFixture(options)
    const dialogue = await fixture.open()
    await dialogue.reply()
    const implicit = options.listener?.tls === 'implicit'
    for (const line of LINES) {
      // In TLS it would succeed and leave nothing to refuse; it has its turn below.
      if (!(implicit && line.startsWith('AUTH'))) await dialogue.command(line)
    }
    if (implicit) {
      for (const line of [
        'AUTH FOO',
        authPlain(USERNAME, 'no'),
        authPlain(USERNAME, SECRET),
        authPlain(USERNAME, SECRET),
      ])
        await dialogue.command(line)
    }
    await submit(dialogue)
    await submit(dialogue, { to: ['a@example.net', 'b@example.net'] })
    await dialogue.command('RSET')
    await submit(dialogue, { content: `${MESSAGE}a\nb\r\n` })
    await dialogue.command('RSET')
    await submit(dialogue, { content: MESSAGE + 'x\r\n'.repeat(5_000) })
    dialogue.send('FOO\r\n'.repeat(20))
    await dialogue.rest()
    for (const [index, reply] of dialogue.replies.entries()) {
      lint(reply, index)
      replyCodes.add(reply.code)
    }
    await fixture.close()
  }
  for (const code of [
    214, 235, 250, 252, 354, 421, 451, 452, 500, 501, 502, 503, 504, 530, 535, 538, 550, 552, 553, 554, 555,
  ]) {
    assert(replyCodes.has(code), `no session made a ${code}`)
  }
})

const LINES = [
  'MAIL FROM:<a@example.com>',
  'EHLO',
  'EHLO client.example.net',
  'NOOP',
  'HELP',
  'VRFY a@example.com',
  'EXPN staff',
  'RSET now',
  'STARTTLS x',
  authPlain(USERNAME, SECRET),
  'MAIL FROM:<a@host>',
  'MAIL FROM:<a@example.com> FOO',
  'MAIL FROM:<a@example.com> SIZE=x',
  'MAIL FROM:<ü@example.com>',
  'MAIL',
  'RCPT TO:<b@example.net>',
]
