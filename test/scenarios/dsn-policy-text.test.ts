/** DSN-20: mail that a TLS policy keeps back: its sender is told whose policy it is, why, and what the owner can do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultRetryOptions } from '../../packages/mta/src/schedule/retry-schedule.ts'
import { covers } from '../conformance/covers.ts'
import { type DaneWorldOptions, DOMAIN, MX, startDaneWorld } from '../lab/dane-world.ts'
import { notifications, SENDER_HOST } from '../lab/notification.ts'
import type { PolicyOptions } from '../lab/sts-world.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const ENFORCE: PolicyOptions = { mode: 'enforce', mx: [MX] }
const NOT_NAMED: PolicyOptions = { mode: 'enforce', mx: ['mx9.example.test'] }

for (const [action, what, options, status, text] of [
  [
    'failed',
    'a host that the policy does not name',
    { tlsa: 'none', policy: NOT_NAMED },
    '4.7.5',
    /example\.test enforces an MTA-STS policy that does not name the mail server mx\.example\.test.*https:\/\/mta-sts\.example\.test\/\.well-known\/mta-sts\.txt must name/,
  ],
  [
    'delayed',
    'a certificate that an enforced policy does not accept',
    { tlsa: 'none', certificate: 'self-signed', policy: ENFORCE },
    '4.7.5',
    /example\.test enforces an MTA-STS policy: .* certificate-untrusted .* needs a valid certificate/,
  ],
  [
    'failed',
    'TLSA records of another certificate',
    { tlsa: 'other' },
    '4.7.5',
    /promises a proven encrypted connection in signed DNS \(DANE\).*tlsa-mismatch.* its certificate must fit each other/,
  ],
  [
    'delayed',
    'no STARTTLS where DANE promises it',
    { host: { tls: 'none' } },
    '4.7.10',
    /\(DANE\).*starttls-not-offered.* must offer STARTTLS/,
  ],
] as const satisfies readonly (readonly ['failed' | 'delayed', string, DaneWorldOptions, string, RegExp])[]) {
  test(`DSN-20: ${what}: the notification that mail is ${action} tells it`, async () => {
    covers('DSN-20', { observe: 'smtp' })
    await using world = await startDaneWorld({
      ...options,
      delivery: { retry: defaultRetryOptions },
      others: { hosts: { [SENDER_HOST]: {} }, mx: { 'sender.test': [[10, SENDER_HOST]] } },
    })
    const submission = {
      delayed: { receivedAt: Date.now() - 5 * HOUR },
      failed: { receivedAt: Date.now() - 5 * DAY, expiresAt: Date.now() - 1 },
    }[action]
    await world.relay.submit({ to: [`bob@${DOMAIN}`], ...submission })
    const [dsn] = await notifications(world.relay, 1)
    assert.ok(dsn !== undefined)
    assert.deepEqual(
      ['Action', 'Status'].map((name) => dsn.perRecipient[0]?.get(name)),
      [action, status],
    )
    assert.match(dsn.text, text)
    assert.match(dsn.text, /Nothing was sent over a channel that others could read/)
  })
}
