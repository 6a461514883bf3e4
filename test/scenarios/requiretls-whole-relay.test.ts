/** REQUIRETLS and `TLS-Required: No` as `hermetic start` has them: from a client's command to what a mail exchanger sees. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { retrySuspects } from '../../packages/mta/src/delivery/suspect-retry.ts'
import { covers } from '../conformance/covers.ts'
import { DOMAIN, MX, tlsaOf } from '../lab/dane-world.ts'
import { LISTED, mailsAt, SENDER_MX } from '../lab/requiretls-world.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { StsWorld } from '../lab/sts-world.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { labAuthority } from '../lab/world-host.ts'

const MESSAGE = 'Subject: hello\r\nFrom: <a@sender.test>\r\nTo: <bob@example.test>\r\n\r\nhello\r\n'
const FIELD = 'tls-required:\r\n No\r\n'

interface Parts {
  readonly directory: string
  readonly mx: ScriptedMx
  readonly relay: WholeRelay
  readonly port: number
  /** Submits one message inside TLS and waits for the end of its attempt. */
  readonly send: (message: { readonly parameter?: boolean; readonly content?: string }) => Promise<void>
}

interface RelayOptions {
  /** More lines of `hermetic.toml`. */
  readonly settings?: string
  /** The TLSA record is of another certificate than the one that the host shows. */
  readonly mismatch?: boolean
}

async function withRelay(
  { settings = '', mismatch = false }: RelayOptions,
  use: (parts: Parts) => Promise<void>,
): Promise<void> {
  const authority = await labAuthority()
  const directory = await mkdtemp(join(tmpdir(), 'whole-requiretls-'))
  // Made first, so that it goes last: a relay that runs still writes in it.
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => rm(directory, { recursive: true, force: true }))
  const [shown, other] = [await authority.issue({ names: [MX] }), await authority.issue({ names: [MX] })]
  await using mx = await ScriptedMx.start({ tls: { key: shown.key, cert: shown.chain }, capabilitiesInTls: LISTED })
  await writeFile(join(directory, 'roots.pem'), authority.certificate)
  await using relay = await WholeRelay.start({
    settings: `
data_dir = "${directory}/data"
[trust]
ca_file = "${directory}/roots.pem"
[mta_sts]
enabled = false
[[listener]]
kind = "relay"
port = 0
tls = "implicit"
allow_networks = ["127.0.0.0/8"]
[delivery]
port = ${mx.port}
${settings}
`,
    trust: 'ad',
    records: {
      '.': { SOA: true, secure: true },
      [DOMAIN]: { MX: [[10, MX]], secure: true },
      [MX]: { A: [mx.address], secure: true },
      [`_${mx.port}._tcp.${MX}`]: { TLSA: [tlsaOf((mismatch ? other : shown).certificate, 3)], secure: true },
    },
  })
  const port = relay.relay.listeners[0]?.listener.port ?? 0
  const send: Parts['send'] = async ({ parameter = false, content = MESSAGE }) => {
    const settled = relay.eventsOf('message-settled').length
    const client = await submission(port)
    const mail = await client.command(`MAIL FROM:<a@sender.test>${parameter ? ' REQUIRETLS' : ''}`)
    assert.equal(mail.code, 250, mail.text)
    await client.command(`RCPT TO:<bob@${DOMAIN}>`)
    await client.command('DATA')
    client.send(`${content}.\r\n`)
    assert.equal((await client.reply())?.code, 250)
    await client.quit()
    await relay.until(() => relay.eventsOf('message-settled').length > settled)
  }
  await use({ directory, mx, relay, port, send })
}

async function submission(port: number): Promise<SmtpDialogue> {
  const client = await SmtpDialogue.open({ port, tls: {} })
  await client.reply()
  await client.command('EHLO client.example.test')
  return client
}

for (const [what, settings, offered] of [
  ['by default', '', true],
  ['not with submission.require_tls = false', '[submission]\nrequire_tls = false', false],
  ['not with delivery.enforcement = "observe"', 'enforcement = "observe"', false],
] as const) {
  test(`RTLS-01: REQUIRETLS is offered while it is honoured: ${what}`, async () => {
    covers('RTLS-01', { observe: 'smtp' })
    await withRelay({ settings }, async ({ port }) => {
      const client = await submission(port)
      assert.equal(
        client.replies.at(-1)?.lines.some((line) => line.slice(4) === 'REQUIRETLS'),
        offered,
      )
      const { code } = await client.command('MAIL FROM:<a@sender.test> REQUIRETLS')
      assert.equal(code, offered ? 250 : 555)
      await client.quit()
    })
  })
}

test('RTLS-05: the parameter of the client is the parameter for the next hop, and the log says so', async () => {
  covers('RTLS-05', { observe: 'smtp' })
  await withRelay({}, async ({ mx, relay, send }) => {
    await send({ parameter: true })
    assert.deepEqual([mx.messages.length, / REQUIRETLS$/.test(mx.messages[0]?.mail ?? '')], [1, true])
    const lines = relay.lines.map((text) => JSON.parse(text))
    const [accepted, finished] = ['message-accepted', 'attempt-finished'].map((event) =>
      lines.find((line) => line.event === event),
    )
    assert.deepEqual([accepted.message_tls, finished.message_tls], ['requiretls', 'requiretls'])
  })
})

test('RTLS-06, RTLS-40: the field lets a message cross where DANE fails, and is relayed byte for byte', async () => {
  covers(['RTLS-06', 'RTLS-40'], { observe: 'smtp' })
  await withRelay({ mismatch: true }, async ({ mx, send }) => {
    await send({})
    assert.equal(mx.messages.length, 0, 'without the field it waits')
  })
  await withRelay({ mismatch: true }, async ({ mx, relay, send }) => {
    await send({ content: `${FIELD}${MESSAGE}` })
    assert.equal(mx.messages.length, 1)
    const metrics = await (await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)).text()
    assert.doesNotMatch(metrics, /^hermetic_(?:dane|sts)_sessions_total\{/m, 'such a session is counted nowhere')
    assert.ok(mx.messages[0]?.content.includes(`\r\n${FIELD}Subject: hello\r\n`))
    assert.doesNotMatch(mx.messages[0]?.mail ?? '', /REQUIRETLS/)
  })
})

test('RTLS-07, Table C, row 14: the parameter wins over the field, which is relayed unchanged', async () => {
  covers('RTLS-07', { observe: 'smtp' })
  await withRelay({}, async ({ mx, send }) => {
    await send({ parameter: true, content: `${FIELD}${MESSAGE}` })
    assert.match(mx.messages[0]?.mail ?? '', / REQUIRETLS$/)
    assert.ok(mx.messages[0]?.content.includes(FIELD))
  })
  await withRelay({ mismatch: true }, async ({ mx, send }) => {
    await send({ parameter: true, content: `${FIELD}${MESSAGE}` })
    assert.ok(!mx.connections.some(({ commands }) => commands.some((line) => line.startsWith('MAIL'))))
  })
})

for (const pattern of ['*', '@sender.test', `bob@${DOMAIN}`]) {
  test(`RTLS-12: the field is not followed for ${pattern}: the message is treated as untagged`, async () => {
    covers('RTLS-12', { observe: 'smtp' })
    const settings = `[submission]\nignore_tls_required_no = ["${pattern}"]`
    await withRelay({ mismatch: true, settings }, async ({ mx, relay, send }) => {
      await send({ content: `${FIELD}${MESSAGE}` })
      assert.equal(mx.messages.length, 0)
      assert.equal(relay.eventsOf('message-accepted')[0]?.tlsRequiredIgnored, 'not-allowed')
    })
  })
}

test('RTLS-13: hermetic send lets a client choose: the parameter, the field, or nothing', async () => {
  covers('RTLS-13', { observe: 'smtp' })
  await withRelay({}, async ({ directory, mx, port }) => {
    using lab = new TerminalLab()
    const ca = lab.file('ca.pem', await readFile(join(directory, 'data', 'self-signed.pem'), 'utf8'))
    const send = (...args: readonly string[]) => {
      const where = ['--server', `127.0.0.1:${port}`, '--tls', 'implicit', '--ca', ca]
      return lab.run('send', ...where, '--from', 'a@sender.test', '--to', `bob@${DOMAIN}`, ...args)
    }
    for (const [sent, args] of [[], ['--require-tls'], ['--tls-optional']].entries()) {
      const { code, err } = await send(...args)
      assert.equal(code, 0, err)
      await mx.received(sent + 1)
    }
    const seen = mx.messages.map(({ mail, content }) => [
      / REQUIRETLS$/.test(mail),
      /^TLS-Required: No\r$/im.test(content.toString('latin1')),
    ])
    assert.deepEqual(seen, [
      [false, false],
      [true, false],
      [false, true],
    ])
    for (const args of [
      ['--require-tls', '--tls-optional'],
      ['--require-tls', '--tls', 'none'],
    ]) {
      assert.match((await send(...args)).err, /--require-tls (?:and --tls-optional exclude|needs a session inside TLS)/)
    }
  })
  await withRelay({ settings: '[submission]\nrequire_tls = false' }, async ({ directory, port }) => {
    using lab = new TerminalLab()
    const ca = lab.file('ca.pem', await readFile(join(directory, 'data', 'self-signed.pem'), 'utf8'))
    const where = ['--server', `127.0.0.1:${port}`, '--tls', 'implicit', '--ca', ca]
    const { code, err } = await lab.run('send', ...where, '--to', `bob@${DOMAIN}`, '--require-tls')
    assert.equal(code, 1)
    assert.match(err, /the relay does not offer REQUIRETLS/)
  })
})

test('a suspect that is delivered alone, in a child process, is bound by its tag as well', async () => {
  await using world = await StsWorld.start({
    hosts: { [MX]: {}, [SENDER_MX]: {} },
    mx: { [DOMAIN]: [[10, MX]], 'sender.test': [[10, SENDER_MX]] },
    policies: { [DOMAIN]: { mode: 'testing', mx: [MX] } },
    crashedWith: [{ to: [`bob@${DOMAIN}`], envelope: { tls: 'requiretls' } }],
  })
  const { spool, deliveryOptions: delivery } = world.relay
  const { signal } = new AbortController()
  await retrySuspects({ suspects: spool.suspects, spool, delivery, setAsideAfterDeaths: 1, signal })
  assert.deepEqual(mailsAt(world, MX), [])
  assert.equal(world.relay.eventsOf('message-settled')[0]?.problem?.status, '5.7.30')
})
