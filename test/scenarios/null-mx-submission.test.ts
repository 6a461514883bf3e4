/** RFC 7505 §4: domains that take no mail are refused while the client is there, and ours are warned of. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import type { NameRecords } from '../lab/dns-server.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const LISTENER = '[[listener]]\nkind = "relay"\nport = 0\ntls = "none"\nallow_networks = ["127.0.0.0/8"]\n'
const RECORDS: Readonly<Record<string, NameRecords>> = {
  'null.test': { MX: [[0, '.']] },
  'example.test': { MX: [[10, 'mx.example.test']] },
}

async function replies(settings: string, lines: readonly string[]): Promise<readonly string[]> {
  await using relay = await WholeRelay.start({
    settings: `data_dir = "./data"\n${settings}${LISTENER}`,
    records: RECORDS,
  })
  relay.dns.fail('broken.test', { kind: 'rcode', rcode: 'SERVFAIL' })
  const client = await relay.greeted()
  const answers: string[] = []
  for (const line of lines) {
    const { lines: said } = await client.command(line)
    answers.push(said[0]?.split(' ').slice(0, 2).join(' ') ?? '')
  }
  await client.quit()
  return answers
}

test('SMTP-48: recipients of a null MX are refused with 556 5.1.10, such senders with 550 5.7.27', async () => {
  covers('SMTP-48', { observe: 'smtp' })
  assert.deepEqual(
    await replies('', [
      'MAIL FROM:<app@null.test>',
      'MAIL FROM:<app@example.test>',
      'RCPT TO:<bob@null.test>',
      'RCPT TO:<bob@example.test>',
      'RSET',
      'MAIL FROM:<>',
    ]),
    ['550 5.7.27', '250 2.1.0', '556 5.1.10', '250 2.1.5', '250 2.0.0', '250 2.1.0'],
  )
})

test('a domain that cannot be asked about, or does not exist, is taken: delivery asks again', async () => {
  const lines = ['MAIL FROM:<app@broken.test>', 'RCPT TO:<bob@broken.test>', 'RCPT TO:<bob@nowhere.test>']
  assert.deepEqual(await replies('', lines), ['250 2.1.0', '250 2.1.5', '250 2.1.5'])
})

test('behind a smarthost nobody is asked; by configuration neither', async () => {
  const lines = ['MAIL FROM:<app@null.test>', 'RCPT TO:<bob@null.test>']
  const route = '[[route]]\ndomain = "*"\nhost = "[127.0.0.1]"\ntls = "opportunistic"\n'
  assert.deepEqual(await replies(route, lines), ['250 2.1.0', '250 2.1.5'])
  assert.deepEqual(await replies('[submission]\nrefuse_null_mx = false\n', lines), ['250 2.1.0', '250 2.1.5'])
})

test('SMTP-49: the start warns of a domain of ours that takes no mail', async () => {
  covers('SMTP-49', { observe: 'store' })
  await using relay = await WholeRelay.start({
    settings: `data_dir = "./data"\npostmaster = "postmaster@null.test"\n${LISTENER}`,
    records: RECORDS,
  })
  await relay.until(() => relay.eventsOf('own-domain-takes-no-mail').length > 0)
  assert.deepEqual(
    relay.eventsOf('own-domain-takes-no-mail').map(({ domain }) => domain),
    ['null.test'],
  )
})
