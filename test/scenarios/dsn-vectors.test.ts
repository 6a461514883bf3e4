/**
 * What other implementations tell of the same refusals. The cases are not part of this repository: they are read from
 * `../shared/vectors` beside the checkout when it is there.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { MxScript, MxVerb } from '../lab/mx-script.ts'
import { notifications, SENDER_HOST, startNotifiedWorld } from '../lab/notification.ts'
import { DEFAULT_CAPABILITIES } from '../lab/scripted-mx.ts'

interface Refusal {
  readonly id: string
  readonly kind: 'dsn'
  readonly stage: string
  readonly reply: string
  readonly expected: { readonly action: string; readonly status: string; readonly diagnostic_contains: string }
}

interface Structure {
  readonly id: string
  readonly kind: 'dsn-structure'
  readonly smtputf8_message: boolean
  readonly peer_smtputf8: boolean
  readonly original?: null
  /** Type, encoding. */
  readonly parts: readonly string[]
}

const VECTORS = new URL('../../../shared/vectors/smtp_misc.json', import.meta.url)
const skip = existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout'
const cases: readonly (Refusal | Structure)[] = skip === false ? JSON.parse(readFileSync(VECTORS, 'utf8')).cases : []
const MX = 'mx.example.test'
const FIVE_HOURS_MS = 18_000_000

const STAGES: Readonly<Record<string, MxVerb>> = { 'MAIL FROM': 'MAIL', 'RCPT TO': 'RCPT', DATA: 'DATA' }

/** RFC 5321 §4.3.2: 300 is no answer to MAIL; what it says is not taken for a status. */
const NO_ANSWER: ReadonlySet<string> = new Set(['smtp-119'])

describe('a refusal as others tell it', { skip }, () => {
  for (const { id, stage, reply, expected } of cases.filter((one) => one.kind === 'dsn')) {
    test(`${id} ${stage}: ${reply}`, async () => {
      const verb = STAGES[stage]
      assert.ok(verb !== undefined, stage)
      const script: MxScript = { [verb]: reply }
      await using world = await startNotifiedWorld({ hosts: { [MX]: { script } }, mx: { 'example.test': [[10, MX]] } })
      await world.submit({ to: ['bob@example.test'], receivedAt: Date.now() - FIVE_HOURS_MS })
      const [dsn] = await notifications(world, 1)
      const fields = dsn?.perRecipient[0]
      assert.equal(fields?.get('Action'), expected.action)
      assert.equal(fields?.get('Final-Recipient'), 'rfc822; bob@example.test')
      if (NO_ANSWER.has(id)) {
        assert.equal(fields?.get('Status'), '4.5.0')
        return
      }
      assert.equal(fields?.get('Status'), expected.status)
      assert.ok(fields?.get('Diagnostic-Code')?.includes(expected.diagnostic_contains))
    })
  }
})

describe('the parts of a notification as others make them', { skip }, () => {
  for (const one of cases.filter(({ kind }) => kind === 'dsn-structure')) {
    if (one.kind !== 'dsn-structure') continue
    const { id, smtputf8_message: utf8, peer_smtputf8: takesUtf8, parts, original } = one
    test(`${id} mail ${utf8 ? 'with' : 'without'} SMTPUTF8, a way back ${takesUtf8 ? 'with' : 'without'} it`, async () => {
      const capabilities = DEFAULT_CAPABILITIES.filter((keyword) => takesUtf8 || keyword !== 'SMTPUTF8')
      await using world = await startNotifiedWorld({
        hosts: { [SENDER_HOST]: { capabilities }, [MX]: { script: { RCPT: '550 5.1.1 no such user' } } },
        mx: { 'example.test': [[10, MX]] },
      })
      await world.submit({
        to: [utf8 ? 'bücher@example.test' : 'bob@example.test'],
        content: utf8 ? 'Subject: Grüße\r\n\r\nx\r\n' : 'Subject: lab\r\n\r\nx\r\n',
        envelope: utf8 ? { smtpUtf8: true, body: '8bitmime' } : {},
      })
      const [dsn] = await notifications(world, 1)
      const wanted = parts.map((part) => part.split(' ', 1)[0])
      // Without an original they have two parts; here there always is one.
      const got = dsn?.parts.map(({ type }) => type).slice(0, original === null ? 2 : 3)
      assert.deepEqual(got, wanted)
    })
  }
})
