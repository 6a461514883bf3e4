/** RFC 8689 §5: that a REQUIRETLS message is delayed or was handed on is told by mail that demands the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { MX } from '../lab/dane-world.ts'
import { LISTED, mailsAt, returned, startTaggedWorld, submitTagged } from '../lab/requiretls-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

const HOUR = 3_600_000
const RETURN_ALL = { envelope: { dsn: { ret: 'FULL' } } } as const

for (const [action, host, more] of [
  [
    'delayed',
    { capabilitiesInTls: LISTED, script: { RCPT: '451 4.7.1 greylisted' } },
    { receivedAt: Date.now() - 5 * HOUR },
  ],
  [
    'relayed',
    { capabilitiesInTls: LISTED.filter((keyword) => keyword !== 'DSN') },
    { recipient: { notify: ['SUCCESS'] } },
  ],
] as const satisfies readonly (readonly [string, HostOptions, object])[]) {
  test(`RTLS-45: a "${action}" notification demands REQUIRETLS and has the header section only`, async () => {
    covers('RTLS-45', { observe: 'smtp' })
    await using world = await startTaggedWorld({ host })
    await submitTagged(world, 'requiretls', { ...RETURN_ALL, ...more })
    const dsn = await returned(world)
    assert.match(dsn.mail, / REQUIRETLS$/)
    assert.match(dsn.text, new RegExp(`^Action: ${action}\\r$`, 'm'))
    assert.match(dsn.text, /^Content-Type: text\/rfc822-headers/m)
    assert.doesNotMatch(dsn.text, /^Hello\r$/m)
  })
}

test('RTLS-14: the tag goes on with the mail, and with the mail that we make because of it', async () => {
  covers('RTLS-14', { observe: 'smtp' })
  const capabilitiesInTls = LISTED.filter((keyword) => keyword !== 'DSN')
  await using world = await startTaggedWorld({ host: { capabilitiesInTls } })
  await submitTagged(world, 'requiretls', { recipient: { notify: ['SUCCESS'] } })
  const [forwarded] = mailsAt(world, MX)
  assert.match(forwarded ?? '', / REQUIRETLS$/)
  assert.match((await returned(world)).mail, / REQUIRETLS$/)
})
