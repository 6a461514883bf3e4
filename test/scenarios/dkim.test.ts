/** RFC 6376 through the whole relay: what reaches the mail exchanger verifies, whatever the way was. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { DkimKeys } from '../lab/dkim-keys.ts'
import type { MxScript } from '../lab/mx-script.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const LISTENER = '[[listener]]\nkind = "submission"\nport = 0\ntls = "none"\nrequire_auth = false\n'
const NETWORKS = 'allow_networks = ["127.0.0.0/8"]\n'
const RELAY_LISTENER = `[[listener]]\nkind = "relay"\nport = 0\ntls = "none"\n${NETWORKS}`
const REPAIRING = `${LISTENER}${NETWORKS}repair_line_ends = true\n`
const BOTH = ['example.test/r1 pass', 'example.test/e1 pass']

interface World extends AsyncDisposable {
  readonly keys: DkimKeys
  readonly mx: ScriptedMx
  readonly whole: WholeRelay
}

async function start({
  script = {},
  more = '',
}: {
  readonly script?: MxScript
  readonly more?: string
} = {}): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const keys = stack.use(new DkimKeys(['example.test', 'relay.example.test']))
  const mx = stack.use(await ScriptedMx.start({ script }))
  const records = {
    'example.org': { MX: [[10, 'mx.example.org']] as const },
    'example.test': { MX: [[10, 'mx.example.org']] as const },
    'mx.example.org': { A: [mx.address] },
  }
  const listeners = `${LISTENER}${NETWORKS}${RELAY_LISTENER}${REPAIRING}`
  const settings = `postmaster = "postmaster@relay.example.test"\n${listeners}${keys.settings}[delivery]\nport = ${mx.port}\n${more}`
  const whole = stack.use(await WholeRelay.start({ settings, records }))
  const opened = stack.move()
  return { keys, mx, whole, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

interface Sent {
  readonly from?: string
  readonly content: string | Buffer
  readonly listener?: number
}

async function send({ whole }: World, { from = 'jane@example.test', content, listener = 0 }: Sent): Promise<string> {
  const client = await whole.greeted(listener)
  for (const line of [`MAIL FROM:<${from}>`, 'RCPT TO:<joe@example.org>', 'DATA']) {
    assert.ok((await client.command(line)).code < 400, line)
  }
  const octets = typeof content === 'string' ? Buffer.from(content) : content
  client.send(Buffer.concat([octets, Buffer.from('.')]))
  const reply = await client.command('')
  await client.quit()
  return reply.text
}

function message(body: string, header = ''): string {
  return `From: jane@example.test\r\nTo: joe@example.org\r\nSubject: hello\r\n${header}\r\n${body}`
}

test('DKIM-09, DKIM-13 and SMTP-24: what reaches the exchanger verifies, with fields that we added and dots that were doubled', async () => {
  covers(['DKIM-09', 'DKIM-13'], { observe: 'smtp' })
  await using world = await start()
  const bodies = ['one\r\n', '', '\r\n\r\n', 'one \t two  \r\n\r\n\r\n', '..dot\r\n...\r\nend\r\n\r\n', ' \r\n']
  const older = 'DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=x; h=from; bh=AA==; b=AA==\r\n'
  for (const body of bodies) assert.match(await send(world, { content: message(body, older) }), /^250 /)
  await world.mx.received(bodies.length)
  for (const { content } of world.mx.messages) {
    const [rsa, ed25519, other] = await world.keys.verify(content)
    assert.deepEqual([rsa, ed25519], BOTH)
    assert.match(other ?? '', /^example\.net\/x /)
    assert.match(
      content.toString(),
      /^DKIM-Signature: v=1; a=rsa-sha256;(?:.|\r\n[\t ])*\r\nDKIM-Signature: v=1; a=ed25519-sha256;(?:.|\r\n[\t ])*\r\nReceived: /,
    )
    assert.ok(content.includes(older))
  }
  const outcomes = world.whole.eventsOf('message-accepted').map(({ dkim }) => dkim)
  const signed = { kind: 'signed', domain: 'example.test', algorithms: ['rsa-sha256', 'ed25519-sha256'] }
  assert.deepEqual(
    outcomes,
    bodies.map(() => signed),
  )
})

test('a large message is signed while it is written to its file', async () => {
  await using world = await start()
  const body = 'Lorem  ipsum dolor sit amet, \t consetetur sadipscing elitr \r\n\r\n'.repeat(60_000)
  assert.match(await send(world, { content: message(body) }), /^250 /)
  await world.mx.received(1)
  const content = world.mx.messages[0]?.content ?? Buffer.alloc(0)
  assert.ok(content.includes(body.slice(0, 1000)) && content.length > body.length)
  assert.deepEqual(await world.keys.verify(content), BOTH)
})

test('a message that was deferred comes again with the same signature', async () => {
  const tried: Buffer[] = []
  const DOT: MxScript['DOT'] = ({ message: arrived }) => {
    if (arrived !== undefined) tried.push(arrived.content)
    return tried.length === 1 ? '451 4.3.0 later' : undefined
  }
  await using world = await start({ script: { DOT }, more: 'retry_quick = ["1s"]\nretry_interval = "1s"\n' })
  assert.match(await send(world, { content: message('hello\r\n') }), /^250 /)
  await world.whole.until(() => tried.length === 2)
  const [first, second] = tried
  assert.ok(first !== undefined && second !== undefined)
  assert.ok(second.equals(first))
  assert.deepEqual(await world.keys.verify(second), BOTH)
})

test('SMUG-07: content that came in LF lines is repaired first and signed then', async () => {
  covers('SMUG-07', { observe: 'smtp' })
  await using world = await start()
  const lines = message('one\r\ntwo\r\n').replaceAll('\r\n', '\n')
  assert.match(await send(world, { content: `${lines}\r\n`, listener: 2 }), /^250 /)
  await world.mx.received(1)
  assert.deepEqual(await world.keys.verify(world.mx.messages[0]?.content ?? Buffer.alloc(0)), BOTH)
})

test('SMTP-66: mail of domains without a key, and what comes to a relay listener, leaves unsigned; the former is counted', async () => {
  covers('SMTP-66', { observe: 'smtp' })
  await using world = await start()
  const foreign = message('hello\r\n').replace('jane@example.test', 'jane@example.net')
  assert.match(await send(world, { content: foreign }), /^250 /)
  assert.match(await send(world, { content: message('hello\r\n'), listener: 1 }), /^250 /)
  await world.mx.received(2)
  for (const { content } of world.mx.messages) assert.doesNotMatch(content.toString(), /DKIM-Signature/)
  const outcomes = world.whole.eventsOf('message-accepted').map(({ dkim }) => dkim)
  assert.deepEqual(outcomes, [{ kind: 'unsigned', reason: 'no-key' }, undefined])
})

test('a notification to the sender is signed by the domain of the postmaster', async () => {
  await using world = await start({
    script: { RCPT: ({ recipient }) => (recipient === 'joe@example.org' ? '550 5.1.1 no' : undefined) },
  })
  assert.match(await send(world, { content: message('hello\r\n') }), /^250 /)
  await world.mx.received(1)
  const notification = world.mx.messages[0]
  assert.equal(notification?.reversePath, '')
  assert.deepEqual(await world.keys.verify(notification.content), [
    'relay.example.test/r1 pass',
    'relay.example.test/e1 pass',
  ])
  await world.whole.until(() => world.whole.eventsOf('dsn-queued').length === 1)
  assert.equal(world.whole.eventsOf('dsn-queued')[0]?.dkim?.kind, 'signed')
})
