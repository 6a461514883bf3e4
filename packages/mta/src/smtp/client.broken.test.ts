/** Transactions that end early: 421, lost connections, and our own check before the final dot (RFC 5321 §3.8). */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import type { MxAnswer, MxScript } from '../../../../test/lab/mx-script.ts'
import { ScriptedMx } from '../../../../test/lab/scripted-mx.ts'
import { introduced, MODES, mail, once, rcpt, told } from './client.samples.ts'

/** Says 421 and closes its half; what still comes is only put on record. */
const CLOSING: MxAnswer = { reply: '421 4.3.2 closing', after: 'half-close' }

/** A message that has no end: whoever sends it is still in its content. */
function endless(): Readable {
  const lines = Buffer.from(`${'x'.repeat(78)}\r\n`.repeat(800))
  return new Readable({
    read() {
      this.push(lines)
    },
  })
}

function unlimited(capabilities: readonly string[]): readonly string[] {
  return capabilities.filter((keyword) => !keyword.startsWith('SIZE'))
}
describe('RFC 5321 §3.8 sessions that end early', () => {
  for (const [mode, capabilities] of MODES) {
    test(`SMTP-16: 421 after the second RCPT leaves everybody without an answer unsettled (${mode})`, async () => {
      covers('SMTP-16', { observe: 'smtp' })
      await using mx = await ScriptedMx.start({
        capabilities,
        script: { RCPT: rcpt({ 'a@example.net': '550 no', 'c@example.net': CLOSING }) },
      })
      const connection = await introduced(mx)
      const to = ['a@example.net', 'b@example.net', 'c@example.net', 'd@example.net']
      const [first, second] = await Promise.all([connection.transact(mail({ to })), connection.transact(mail())])
      assert.deepEqual(told(first), ['rcpt 550', 'unsettled', 'unsettled', 'unsettled', 'reply in rcpt'])
      assert.deepEqual(told(second), ['unsettled', 'reply in mail'])
      assert.equal(connection.usable, false)
      assert.ok((await connection.ended)?.kind === 'reply')
      await mx.connection.ended
      assert.equal(mx.messages.length, 0)
      assert.equal(mx.connection.segments.at(-1)?.bytes.toString(), 'QUIT\r\n')
    })

    for (const verb of ['MAIL', 'RCPT', 'DATA'] as const) {
      test(`a close in answer to ${verb} leaves all unsettled (${mode})`, async () => {
        const { result } = await once({ script: { [verb]: { silent: true, after: 'close' } }, capabilities })
        assert.deepEqual(told(result), ['unsettled', `connection-lost in ${verb.toLowerCase()}`])
      })
    }

    test(`SMTP-15: a connection lost in the content is not after the dot (${mode})`, async () => {
      covers('SMTP-15', { observe: 'smtp' })
      const source = endless()
      const content = { kind: 'file', size: Number.MAX_SAFE_INTEGER, open: () => source } as const
      const script: MxScript = { CONTENT: { silent: true, after: 'reset' } }
      const { result } = await once({ script, capabilities: unlimited(capabilities) }, { content })
      assert.equal(source.destroyed, true)
      assert.ok(result.kind === 'broken')
      assert.equal(result.failure.problem.kind, 'connection-lost')
      assert.equal(result.failure.phase, 'content')
      assert.equal(result.failure.afterFinalDot, false)
    })

    test(`SMTP-15: a connection lost after the final dot may have delivered (${mode})`, async () => {
      covers('SMTP-15', { observe: 'smtp' })
      const { result } = await once({ script: { DOT: { silent: true, after: 'close' } }, capabilities })
      assert.deepEqual(told(result), ['unsettled', 'connection-lost in final-dot after the dot'])
    })

    test(`421 to the final dot is an answer: the message was not taken (${mode})`, async () => {
      const { told } = await once({ script: { DOT: '421 closing' }, capabilities })
      assert.deepEqual(told, ['final-dot 421'])
    })
  }

  test('what was refused before the loss stays refused', async () => {
    const { result } = await once({ script: { RCPT: '554 5.7.0 blocked', DATA: { silent: true, after: 'close' } } })
    assert.deepEqual(told(result), ['rcpt 554'])
  })

  test('of two transactions in flight only the one with its dot out is after the dot', async () => {
    await using mx = await ScriptedMx.start({ script: { DOT: { silent: true, after: 'reset' } } })
    const connection = await introduced(mx)
    const [first, second] = await Promise.all([connection.transact(mail()), connection.transact(mail())])
    assert.deepEqual(told(first), ['unsettled', 'connection-lost in final-dot after the dot'])
    assert.deepEqual(told(second), ['unsettled', 'connection-lost in mail'])
  })
})

describe('architecture §3: the check before the final dot', () => {
  for (const answer of [false, 'rejected'] as const) {
    for (const [size, lines] of [
      ['small', 1],
      ['large', 20_000],
    ] as const) {
      test(`when it says ${answer}, the connection ends and ${size} content has no dot`, async () => {
        await using mx = await ScriptedMx.start()
        const connection = await introduced(mx)
        const content = `Subject: x\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(lines)}`
        const beforeFinalDot = () => (answer === false ? answer : Promise.reject(new Error('store')))
        const [first, second] = await Promise.all([
          connection.transact(mail({ content, beforeFinalDot })),
          connection.transact(mail()),
        ])
        assert.deepEqual(told(first), ['unsettled', 'stopped in content'])
        assert.deepEqual(told(second), ['unsettled', 'stopped in mail'])
        await mx.connection.ended
        assert.equal(mx.messages.length, 0)
      })
    }
  }

  test('when it says yes the message goes, asked once', async () => {
    let asked = 0
    const beforeFinalDot = async () => {
      asked += 1
      return true
    }
    const { told } = await once({}, { beforeFinalDot })
    assert.deepEqual(told, ['accepted'])
    assert.equal(asked, 1)
  })

  test('it is not asked for a message that nobody takes', async () => {
    const { told } = await once({ script: { RCPT: '550 no' } }, { beforeFinalDot: () => assert.fail('asked') })
    assert.deepEqual(told, ['rcpt 550'])
  })
})
