/** Reports by mail through the whole relay: what leaves on the wire, to whom, and what stops it or does not. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { covers } from '../conformance/covers.ts'
import { ENDPOINT_URI, OwedReports, RCPT, SELECTOR, SENDER } from '../lab/owed-reports.ts'
import { certificateFor } from '../lab/policy-certificates.ts'
import { PolicyHost } from '../lab/policy-host.ts'
import { policyText } from '../lab/sts-world.ts'
import { labAuthority } from '../lab/world-host.ts'

const TO_RCPT = { [RCPT]: [`v=TLSRPTv1; rua=mailto:tls@${RCPT}`] }

function headerOf(message: Buffer): { readonly text: string; readonly values: (name: string) => readonly string[] } {
  const text = message.toString('latin1').split('\r\n\r\n', 1)[0] ?? ''
  const lines = text.replace(/\r\n(?=[\t ])/g, '').split('\r\n')
  return {
    text,
    values: (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)),
  }
}

/** The `h=` list, in lower case. */
function signedNames(header: string): readonly string[] {
  const list = /[;\s]h=([^;]+);/.exec(header)?.[1] ?? ''
  return list.split(':').map((name) => name.trim().toLowerCase())
}

describe('RFC 8460 §3, §5.3: the mail', () => {
  test('RPT-79, RPT-80, RPT-82, RPT-83: signed by the submitter, its own fields included, verified by mailauth', async () => {
    covers(['RPT-79', 'RPT-80', 'RPT-82', 'RPT-83'], { observe: 'smtp' })
    await using world = await OwedReports.start({ published: TO_RCPT })
    const { code, out } = await world.run()
    assert.deepEqual([code, out], [0, '1 report: 1 target served, 0 to be tried again, 0 given up.\n'])
    await world.received(1)
    const content = world.mx.messages[0]?.content ?? Buffer.of()
    assert.deepEqual(await world.verified(content), [`${SENDER}/${SELECTOR} pass`])
    const { text, values } = headerOf(content)
    const [signature = ''] = values('DKIM-Signature')
    assert.match(signature, /\bd=sender\.example;/)
    assert.doesNotMatch(signature, /\bl=/)
    for (const name of ['tls-report-domain', 'tls-report-submitter', 'from', 'subject', 'tls-required']) {
      assert.ok(signedNames(signature).includes(name), `${name} is signed`)
    }
    assert.deepEqual(values('TLS-Report-Domain'), [RCPT])
    assert.deepEqual(values('TLS-Report-Submitter'), [SENDER])
    assert.deepEqual(values('From'), [`<tlsrpt@${SENDER}>`])
    assert.equal(values('DKIM-Signature').length, 1, text)
  })

  test('RTLS-11, RPT-77, RPT-78, RPT-89: over TLS that works, tagged for the next hops, from a mailbox, for nobody to bounce to', async () => {
    covers(['RTLS-11', 'RPT-77', 'RPT-78', 'RPT-89'], { observe: 'smtp' })
    const capabilities = ['PIPELINING', 'DSN', 'REQUIRETLS', 'ENHANCEDSTATUSCODES']
    await using world = await OwedReports.start({ published: TO_RCPT, mx: { capabilities } })
    await world.run()
    await world.received(1)
    const [message] = world.mx.messages
    assert.ok(message !== undefined)
    assert.equal(message.inTls, true)
    assert.deepEqual(headerOf(message.content).values('TLS-Required'), ['No'])
    const [mail] = world.commands('MAIL')
    const [rcpt] = world.commands('RCPT')
    assert.match(mail ?? '', /^MAIL FROM:<tlsrpt@sender\.example>/)
    assert.doesNotMatch(mail ?? '', /REQUIRETLS/)
    assert.match(rcpt ?? '', /^RCPT TO:<tls@rcpt\.example> NOTIFY=NEVER$/)
  })

  test('RPT-88: from the URI only the address is taken, never its fields', async () => {
    covers('RPT-88', { observe: 'smtp' })
    const uri = `mailto:tls%2Dreports@${RCPT}?bcc=v@${RCPT}&subject=z&body=%0D%0ABcc:w@${RCPT}`
    await using world = await OwedReports.start({ published: { [RCPT]: [`v=TLSRPTv1; rua=${uri}`] } })
    await world.run()
    await world.received(1)
    const recipients = world.commands('RCPT')
    assert.deepEqual(
      recipients.map((line) => line.split(' ')[1]),
      [`TO:<tls-reports@${RCPT}>`],
    )
    const { text, values } = headerOf(world.mx.messages[0]?.content ?? Buffer.of())
    assert.match(values('Subject')[0] ?? '', /^Report Domain: rcpt\.example Submitter: sender\.example Report-ID: </)
    assert.doesNotMatch(text, /bcc/i)
  })

  test('RPT-70, RPT-02: the report says nothing of people and machines, and goes to the domain of the recipient', async () => {
    covers(['RPT-02', 'RPT-70'], { observe: 'smtp' })
    await using world = await OwedReports.start({
      published: TO_RCPT,
      records: { '_smtp._tls.mx.rcpt.example': { TXT: [`v=TLSRPTv1; rua=mailto:host@${RCPT}`] } },
    })
    await world.run()
    await world.received(1)
    const [, second = ''] = (world.mx.messages[0]?.content.toString('latin1') ?? '').split('application/tlsrpt+gzip')
    const [, body = ''] = second.split('\r\n\r\n')
    const report = gunzipSync(Buffer.from(body.split('--=_')[0] ?? '', 'base64')).toString()
    assert.match(report, /"policy-domain": "rcpt\.example"/)
    assert.doesNotMatch(report, /relay\.example\.test|127\.0\.0|jane|bob/)
    assert.equal(world.mx.messages.length, 1)
  })
})

describe('RFC 8460 §3, §5.3.1: TLS trouble does not stop reports about it', () => {
  for (const [what, tls] of [
    ['TLS that nobody trusts', 'self-signed'],
    ['no TLS at all', 'none'],
  ] as const) {
    test(`RPT-76: an enforced policy and ${what}: the report arrives, and counts no session`, async () => {
      covers('RPT-76', { observe: 'smtp' })
      const authority = await labAuthority()
      const certificate = await certificateFor(`mta-sts.${RCPT}`, 'good', authority)
      const answer = { body: policyText({ mode: 'enforce', mx: ['mx.rcpt.example'] }) }
      await using host = await PolicyHost.start({ tls: certificate, answer })
      await using world = await OwedReports.start({
        ...{ published: TO_RCPT, tls },
        settings: `[mta_sts]\nhttps_port = ${host.port}`,
        records: {
          [`mta-sts.${RCPT}`]: { A: [host.address] },
          [`_mta-sts.${RCPT}`]: { TXT: ['v=STSv1; id=1'] },
        },
      })
      await world.run()
      await world.received(1)
      assert.equal(world.mx.messages[0]?.inTls, tls === 'self-signed')
    })
  }
})

describe('who gets none', () => {
  test('RPT-10, RPT-13: a record that nobody can follow, or that has gone', async () => {
    covers(['RPT-10', 'RPT-13'], { observe: 'smtp' })
    await using world = await OwedReports.start({
      published: {
        [RCPT]: ['v=TLSRPTv1'],
        'gone.example': [],
        'two.example': [`v=TLSRPTv1; rua=mailto:a@${RCPT}`, `v=TLSRPTv1; rua=mailto:b@${RCPT}`],
        'union.example': [`v=TLSRPTv1; rua=mailto:one@${RCPT}; rua=mailto:two@${RCPT}`],
      },
    })
    assert.match((await world.run()).out, /^4 reports: 2 targets served, .*, 3 reports not wanted any more\.\n$/)
    await world.received(2)
    const recipients = world.commands('RCPT')
    assert.deepEqual(recipients.map((line) => /<(\w+)@/.exec(line)?.[1]).toSorted(), ['one', 'two'])
  })

  test('RPT-12: a mailbox in another domain is used', async () => {
    covers('RPT-12', { observe: 'smtp' })
    await using world = await OwedReports.start({ published: { 'other.example': TO_RCPT[RCPT] ?? [] } })
    await world.run()
    await world.received(1)
    assert.deepEqual(headerOf(world.mx.messages[0]?.content ?? Buffer.of()).values('TLS-Report-Domain'), [
      'other.example',
    ])
  })

  test('RPT-79: without a key nothing goes by mail, loudly, and HTTPS goes on', async () => {
    covers('RPT-79', { observe: 'smtp' })
    await using world = await OwedReports.start({
      published: { [RCPT]: [`v=TLSRPTv1; rua=mailto:tls@${RCPT},${ENDPOINT_URI}`] },
      key: 'none',
    })
    assert.equal(world.relay.eventsOf('tlsrpt-key-missing')[0]?.domain, SENDER)
    await world.run()
    assert.deepEqual([world.endpoint.posted.length, world.mx.connections.length], [1, 0])
    const pending = await world.hermetic('pending')
    assert.match(pending.out, /rcpt\.example +waiting +1 +in \S+ +no-dkim-key +mailto:tls@rcpt\.example/)
    assert.match(pending.out, /rcpt\.example +accepted +1/)
  })
})

describe('RPT-81: the key in DNS', () => {
  test('RPT-81: is looked for at the start, and what fits is told', async () => {
    covers('RPT-81', { observe: 'dns' })
    await using world = await OwedReports.start({ published: {} })
    const name = `${SELECTOR}._domainkey.${SENDER}`
    await world.relay.until(() => world.relay.eventsOf('tlsrpt-key-checked').length > 0)
    assert.deepEqual(world.relay.eventsOf('tlsrpt-key-checked')[0], {
      event: 'tlsrpt-key-checked',
      name,
      testing: false,
    })
    assert.ok(world.relay.queries.some((query) => query.name === name && query.type === 'TXT'))
    const metrics = await (await fetch(`http://127.0.0.1:${world.relay.relay.metricsPort}/metrics`)).text()
    assert.match(metrics, /^hermetic_tlsrpt_key_published 1$/m)
  })

  for (const [what, record, faults] of [
    ['missing', ' ', 'not-a-key-record'],
    ['another key', 'v=DKIM1; k=rsa; s=email:tlsrpt; p=AAAA', 'other-key'],
    ['not for reports', 'v=DKIM1; s=email; p=AAAA', 'other-key not-for-reports'],
    ['for reports alone', 'v=DKIM1; s=tlsrpt; p=AAAA', 'other-key not-for-mail'],
  ] as const) {
    test(`RPT-81: ${what}: told, and stops nothing`, async () => {
      covers('RPT-81', { observe: 'dns' })
      await using world = await OwedReports.start({ published: TO_RCPT, keyRecord: record })
      await world.relay.until(() => world.relay.eventsOf('tlsrpt-key-wrong').length > 0)
      assert.equal(world.relay.eventsOf('tlsrpt-key-wrong')[0]?.faults, faults)
      await world.run()
      await world.received(1)
    })
  }
})

test('a mailbox that refuses the report: no notification, no other mail, and the failure is told', async () => {
  const script = { RCPT: '550 5.1.1 nobody here' }
  await using world = await OwedReports.start({
    published: TO_RCPT,
    mx: { script },
    records: { [SENDER]: { MX: [[10, 'mx.rcpt.example']] } },
  })
  await world.run()
  await world.relay.until(() => world.relay.eventsOf('failure-not-reported').length > 0)
  assert.equal(world.relay.eventsOf('failure-not-reported')[0]?.reason, 'local-origin')
  assert.equal(world.relay.eventsOf('dsn-queued').length, 0)
  assert.equal(world.mx.messages.length, 0)
})
