/**
 * Cases collected from other implementations' test suites (dialogues, LIMITS, DATA writing). They are not part of
 * this repository: they are read from `../shared/vectors` beside the checkout when it is there.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { invariant } from '@hermetic/policy'
import { parseCapabilities } from './capabilities.ts'
import { CLIENT_NAME, mail, PATIENT } from './client.samples.ts'
import { SmtpConnection } from './client.ts'
import { DotStuffer } from './dot-stuffing.ts'
import type { SmtpReply } from './reply.ts'
import type { SessionProblem } from './session-problem.ts'
import type { TransactionResult } from './transaction.ts'

interface Vector {
  readonly id: string
  readonly kind: string
  readonly input?: string
  readonly note?: string
  readonly server?: readonly string[]
  readonly expected?: { readonly [key: string]: unknown }
}

const file = new URL('../../../../../shared/vectors/smtp_misc.json', import.meta.url)
const vectors: readonly Vector[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).cases : []
const skip = vectors.length === 0 && 'no ../shared/vectors beside the checkout'

test('the vectors are there', { skip }, () => assert.ok(vectors.length > 100))

describe('DATA writing', () => {
  for (const { id, input = '', expected = {} } of of('data-write')) {
    test(`${id} ${JSON.stringify(input)}`, () => {
      const stuffer = new DotStuffer()
      const slices = stuffer.push(Buffer.from(input))
      const end = stuffer.finish()
      const wire = slices.ok && end.ok ? Buffer.concat([...slices.value, end.value]).toString() : undefined
      // Where the source wants an error for a missing last CRLF, we add it (conformance SMTP-24).
      if (expected['error'] === 'missing-crlf') assert.ok(wire?.endsWith('\r\n.\r\n'))
      else assert.equal(wire, expected['wire'])
    })
  }
})

describe('LIMITS', () => {
  for (const { id, input = '', expected = {} } of of('ehlo-limits')) {
    test(`${id} ${input}`, () => {
      const { limits } = parseCapabilities({ code: 250, lines: ['mx', `LIMITS${input}`] })
      assert.equal(limits.mailMax ?? 0, expected['mailmax'])
      assert.equal(limits.rcptMax ?? 0, expected['rcptmax'])
      assert.equal(limits.rcptDomainMax ?? 0, expected['rcptdomainmax'])
    })
  }
})

describe('dialogues', () => {
  for (const { id, note = '', server = [], expected = {} } of of('session')) {
    test(`${id} ${note}`, async () => {
      const first = expected['first'] as Vector['expected']
      const wanted = first === undefined ? [expected] : [first, expected['second'] as NonNullable<Vector['expected']>]
      const words = await play(server, wanted.length)
      assert.equal(words.length, wanted.length)
      for (const [at, { error, permanent, enhanced }] of wanted.entries()) {
        assert.equal(words[at]?.kind, outcome(error, permanent))
        if (enhanced !== undefined) assert.equal(words[at]?.enhanced, enhanced)
      }
    })
  }
})

function of(kind: string): readonly Vector[] {
  return vectors.filter((vector) => vector.kind === kind)
}

/** The source's words for an outcome, in ours: a problem, or the first digit of the reply. */
function outcome(error: unknown, permanent: unknown): string {
  if (error === 'protocol') return 'protocol-violation'
  if (error === 'unexpected-eof') return 'connection-lost'
  return permanent === true ? '5' : '4'
}

interface Word {
  readonly kind: string
  readonly enhanced?: string
}

/** Runs the dialogue as far as we go; one word for each transaction, or for what kept us from it. */
async function play(script: readonly string[], transactions: number): Promise<readonly Word[]> {
  const server = createServer((socket) => perform(socket, script))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const where = server.address()
  invariant(where !== null && typeof where === 'object', 'a listening server')
  try {
    const dialled = await SmtpConnection.connect({ address: '127.0.0.1', port: where.port, timeouts: PATIENT })
    if (!dialled.ok) return [problemWord(dialled.error)]
    const connection = dialled.value
    const hello = await connection.ehlo(CLIENT_NAME)
    if (!hello.ok) return [problemWord(hello.error)]
    if (script.includes('C:STARTTLS')) {
      const tls = await connection.startTls({ groups: 'default' })
      connection.destroy()
      return [tls.kind === 'declined' ? replyWord(tls.reply) : { kind: tls.kind }]
    }
    const to =
      script.filter((line) => line === 'C:RCPT TO:').length > transactions
        ? ['a@example.net', 'b@example.net']
        : ['a@example.net']
    const words: Word[] = []
    for (let turn = 0; turn < transactions; turn += 1) words.push(resultWord(await connection.transact(mail({ to }))))
    connection.destroy()
    return words
  } finally {
    server.close()
  }
}

function perform(socket: Socket, script: readonly string[]): void {
  const left = [...script]
  let unread = ''
  const next = (): void => {
    for (;;) {
      const [step] = left
      if (step === undefined || step === 'close') return void socket.end()
      if (step.startsWith('S:')) socket.write(`${step.slice(2)}\r\n`)
      else {
        const end = unread.indexOf('\r\n')
        if (end < 0) return
        assert.ok(unread.startsWith(step.slice(2)), `${unread.slice(0, end)} instead of ${step}`)
        unread = unread.slice(end + 2)
      }
      left.shift()
    }
  }
  socket.on('error', () => undefined)
  socket.on('data', (bytes: Buffer) => {
    unread += bytes.toString()
    next()
  })
  next()
}

function problemWord(problem: SessionProblem): Word {
  return problem.kind === 'reply' ? replyWord(problem.reply) : { kind: problem.kind }
}

function resultWord(result: TransactionResult): Word {
  invariant(result.kind !== 'not-sent', 'a dialogue')
  const [recipient] = result.recipients
  if (recipient !== undefined && recipient.kind !== 'unsettled') return replyWord(recipient.reply)
  return result.kind === 'broken' ? problemWord(result.failure.problem) : { kind: 'unsettled' }
}

function replyWord({ code, enhancedStatus }: SmtpReply): Word {
  const kind = String(Math.floor(code / 100))
  return enhancedStatus === undefined ? { kind } : { kind, enhanced: enhancedStatus }
}
