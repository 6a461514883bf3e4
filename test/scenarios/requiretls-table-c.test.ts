/** Conformance, Table C, rows 1 to 11 and 19 to 22 on the wire: what becomes of a REQUIRETLS message, one test for each row. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DaneWorldOptions, DOMAIN, MX } from '../lab/dane-world.ts'
import { LISTED, MX20, mailsAt, returned, startTaggedWorld, statusOf, submitTagged } from '../lab/requiretls-world.ts'
import type { PolicyOptions } from '../lab/sts-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

const LISTING: HostOptions = { capabilitiesInTls: LISTED }
const NAMED: PolicyOptions = { mode: 'enforce', mx: [MX] }
const UNNAMED: PolicyOptions = { mode: 'enforce', mx: ['other.test'] }
const TESTING: PolicyOptions = { mode: 'testing', mx: [MX] }
const BROKEN: HostOptions = { ...LISTING, script: { STARTTLS: { reply: '220 go', handshake: 'garbage' } } }
const BOTH = [
  [10, MX],
  [20, MX20],
] as const
const second = (host: HostOptions) => ({ hosts: { [MX20]: host }, mx: { [DOMAIN]: BOTH } })
const DEAD_SECOND = { deadHosts: [MX20], mx: { [DOMAIN]: BOTH } }

interface Row extends DaneWorldOptions {
  readonly row: string
  readonly end: 'sent' | 'sent by the second host' | 'waits' | '5.7.10' | '5.7.30'
}

const rows: readonly Row[] = [
  { row: '1', host: LISTING, end: 'sent' },
  { row: '2', host: {}, end: '5.7.30' },
  { row: '2, the next host lists it', host: {}, others: second(LISTING), end: 'sent by the second host' },
  { row: '2, neither host lists it', host: {}, others: second({}), end: '5.7.30' },
  { row: '3, STARTTLS missing', host: { ...LISTING, tls: 'none' }, end: '5.7.10' },
  { row: '3, STARTTLS refused', host: { ...LISTING, script: { STARTTLS: '454 4.7.0 no' } }, end: '5.7.10' },
  { row: '3, the handshake fails', host: BROKEN, end: '5.7.10' },
  { row: '4, self-signed', host: LISTING, certificate: 'self-signed', end: '5.7.10' },
  { row: '4, expired', host: { ...LISTING, tls: 'expired' }, end: '5.7.10' },
  { row: '4, another name', host: { ...LISTING, tls: 'wrong-name' }, end: '5.7.10' },
  {
    row: '4, and the next host does not list it',
    host: { ...LISTING, tls: 'expired' },
    others: second({}),
    end: '5.7.30',
  },
  { row: '5', host: LISTING, insecureMx: true, end: '5.7.10' },
  { row: '5, usable TLSA', host: LISTING, insecureMx: true, tlsa: 'match', end: '5.7.10' },
  { row: '6, enforce', host: LISTING, insecureMx: true, policy: NAMED, end: 'sent' },
  { row: '6, testing', host: LISTING, insecureMx: true, policy: TESTING, end: 'sent' },
  {
    row: '6, testing, certificate not ok',
    host: { ...LISTING, tls: 'expired' },
    insecureMx: true,
    policy: TESTING,
    end: '5.7.10',
  },
  { row: '7', host: LISTING, insecureMx: true, policy: { mode: 'none' }, end: '5.7.10' },
  {
    row: '8',
    host: LISTING,
    insecureMx: true,
    others: { hosts: { [DOMAIN]: LISTING }, mx: { [DOMAIN]: [] } },
    end: 'sent',
  },
  { row: '9', host: LISTING, tlsa: 'fails', end: 'waits' },
  { row: '10, refused for now', host: { ...LISTING, script: { CONNECT: '421 4.3.2 later' } }, end: 'waits' },
  { row: '10, the message refused for now', host: { ...LISTING, script: { MAIL: '451 4.3.0 later' } }, end: 'waits' },
  { row: '11, not listed and no connection', host: {}, others: DEAD_SECOND, end: 'waits' },
  { row: '19', host: LISTING, tlsa: 'unusable', end: 'sent' },
  { row: '19, PKIX not ok', host: LISTING, tlsa: 'unusable', certificate: 'self-signed', end: '5.7.10' },
  { row: '20', host: LISTING, tlsa: 'other', end: 'waits' },
  { row: '20, PKIX not ok either', host: LISTING, tlsa: 'other', certificate: 'self-signed', end: '5.7.10' },
  { row: '21', host: LISTING, policy: UNNAMED, end: '5.7.10' },
]

for (const { row, end, ...options } of rows) {
  test(`Table C, row ${row}: ${end}`, async () => {
    await using world = await startTaggedWorld(options)
    const id = await submitTagged(world, 'requiretls')
    const hosts = [MX, ...Object.keys(options.others?.hosts ?? {})]
    const mails = hosts.flatMap((host) => mailsAt(world, host))
    for (const mail of mails) assert.match(mail, / REQUIRETLS$/)
    const taken = hosts.filter((host) => world.relay.mx(host).messages.length > 0)
    switch (end) {
      case 'sent':
      case 'sent by the second host':
        assert.equal(taken.length, 1)
        assert.equal(taken[0] === MX20, end !== 'sent')
        break
      case 'waits': {
        assert.deepEqual(taken, [])
        const { lastOutcome } = await world.relay.recipient(id, `bob@${DOMAIN}`)
        assert.equal(lastOutcome?.kind, 'deferred')
        break
      }
      default:
        assert.deepEqual(mails, [], 'not one MAIL command')
        assert.equal(statusOf(await returned(world)), end)
    }
  })
}

test('Table C, row 22: a session on which REQUIRETLS is offered changes nothing for an untagged message', async () => {
  await using world = await startTaggedWorld({ host: LISTING, insecureMx: true, certificate: 'self-signed' })
  await submitTagged(world, 'default')
  assert.doesNotMatch(mailsAt(world, MX).join(), /REQUIRETLS/)
  assert.equal(world.relay.mx(MX).messages.length, 1)
})
