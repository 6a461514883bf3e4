/** What `ReportMailer` promises, as tests: every adapter's test file is one call to this. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { OutgoingReport, ReportMailer } from './report-mailer.ts'

export interface ReportMailerBed {
  readonly mailer: ReportMailer
  /** What rests in the queue, after a restart of everything. */
  readonly queued: () => Promise<readonly QueuedReport[]>
  /** From now on the queue has no room. */
  readonly fill: () => void
}

export interface QueuedReport {
  readonly name: string
  readonly sender: string
  readonly recipients: readonly string[]
  readonly content: string
  readonly giveUpAt: number
}

const MAIL: OutgoingReport = {
  id: 'a report for a target',
  sender: 'tlsrpt@sender.example',
  recipient: '"a,b"@rcpt.example',
  bytes: Buffer.from('Subject: x\r\n\r\nhello\r\n'),
  messageId: '<1@sender.example>',
  giveUpAt: 86_400_000,
}

export function reportMailerContract(bedFor: (t: TestContext) => Promise<ReportMailerBed>): void {
  test('what is queued is there after a restart, octet by octet, for its one recipient', async (t) => {
    const { mailer, queued } = await bedFor(t)
    const answer = await mailer.submit(MAIL)
    assert.ok(answer.kind === 'queued')
    assert.deepEqual(await queued(), [
      {
        name: answer.name,
        sender: MAIL.sender,
        recipients: [MAIL.recipient],
        content: Buffer.from(MAIL.bytes).toString(),
        giveUpAt: MAIL.giveUpAt,
      },
    ])
  })

  test('the same report for the same target is one message, however often it is submitted', async (t) => {
    const { mailer, queued } = await bedFor(t)
    const answers = await Promise.all([MAIL, MAIL, MAIL].map((mail) => mailer.submit(mail)))
    assert.equal(new Set(answers.map((answer) => answer.kind === 'queued' && answer.name)).size, 1)
    await mailer.submit({ ...MAIL, id: 'the same report for another target' })
    assert.equal((await queued()).length, 2)
  })

  test('a queue without room says so, and keeps nothing', async (t) => {
    const { mailer, queued, fill } = await bedFor(t)
    fill()
    assert.deepEqual(await mailer.submit(MAIL), { kind: 'unavailable', reason: 'queue-full' })
    assert.deepEqual(await queued(), [])
  })
}
