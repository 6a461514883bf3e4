/** RFC 3461 as an application sees it: nodemailer's `dsn` option, our listeners, and hosts with and without DSN. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransport, type SendMailOptions } from 'nodemailer'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { covers } from '../conformance/covers.ts'
import type { MxScript } from '../lab/mx-script.ts'
import { readNotification } from '../lab/notification.ts'
import { DEFAULT_CAPABILITIES, ScriptedMx } from '../lab/scripted-mx.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

const WITHOUT_DSN = DEFAULT_CAPABILITIES.filter((keyword) => keyword !== 'DSN')
const NETWORKS = 'allow_networks = ["127.0.0.0/8"]'
const LISTENERS = `
[[listener]]
kind = "submission"
port = 0
tls = "none"
require_auth = false
${NETWORKS}
[[listener]]
kind = "relay"
port = 0
tls = "none"
${NETWORKS}
`

interface World extends AsyncDisposable {
  readonly relay: WholeRelay
  readonly mx: ScriptedMx
  readonly port: (listener: number) => number
}

/** One host for everybody: `example.test` and the sender's own domain. */
async function start(capabilities: readonly string[], script: MxScript = {}): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const mx = stack.use(await ScriptedMx.start({ capabilities, script }))
  const relay = stack.use(
    await WholeRelay.start({
      settings: `${LISTENERS}[delivery]\nport = ${mx.port}\n`,
      records: {
        'example.test': { MX: [[10, 'mx.example.test']] },
        'sender.test': { MX: [[10, 'mx.example.test']] },
        'mx.example.test': { A: [mx.address] },
      },
    }),
  )
  const opened = stack.move()
  const port = (listener: number): number => relay.relay.listeners[listener]?.listener.port ?? 0
  return { relay, mx, port, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

async function send({ port }: World, message: SendMailOptions, listener = 0): Promise<void> {
  const transport = createTransport({ host: '127.0.0.1', port: port(listener), ignoreTLS: true })
  await transport.sendMail({
    from: 'alice@sender.test',
    to: 'bob@example.test',
    subject: 'lab',
    text: 'Hello',
    ...message,
  })
  transport.close()
}

const DSN = {
  id: 'order 7+8',
  return: 'headers',
  notify: ['success', 'failure'],
  recipient: 'bob@example.test',
} as const

test('EXT-21: what a submission server offers, and what it does not', async () => {
  covers('EXT-21', { observe: 'smtp' })
  await using world = await start(DEFAULT_CAPABILITIES)
  for (const listener of [0, 1]) {
    const dialogue = await SmtpDialogue.open({ port: world.port(listener) })
    await dialogue.reply()
    const { lines } = await dialogue.command('EHLO client.example.test')
    const offered = lines.map((line) => line.slice(4).split(' ', 1)[0])
    for (const keyword of ['PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'DSN', 'SIZE']) {
      assert.ok(offered.includes(keyword), keyword)
    }
    for (const keyword of ['ETRN', 'ATRN']) assert.equal(offered.includes(keyword), false)
    assert.equal((await dialogue.command('ETRN example.test')).code, 500)
    await dialogue.quit()
  }
})

for (const [listener, kind] of [
  [0, 'submission'],
  [1, 'relay'],
] as const) {
  test(`DSN-01: parameters that come to a ${kind} listener reach a host with DSN as they came`, async () => {
    covers('DSN-01', { observe: 'smtp' })
    await using world = await start(DEFAULT_CAPABILITIES)
    await send(world, { dsn: { ...DSN, notify: [...DSN.notify] } }, listener)
    await world.mx.received(1)
    const [message] = world.mx.messages
    assert.match(message?.mail ?? '', / RET=HDRS ENVID=order\+207\+2B8$/)
    assert.match(message?.recipients[0]?.line ?? '', / NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@example\.test$/)
    await world.relay.until(() => world.relay.eventsOf('message-settled').length === 1)
    assert.deepEqual(world.relay.eventsOf('dsn-queued'), [])
  })

  test(`DSN-02, DSN-03: a host without DSN gets none of them from a ${kind} listener, and the sender is told`, async () => {
    covers(['DSN-02', 'DSN-03'], { observe: 'smtp' })
    await using world = await start(WITHOUT_DSN)
    await send(world, { dsn: { ...DSN, notify: [...DSN.notify] } }, listener)
    await world.mx.received(2)
    const [message, notification] = world.mx.messages
    assert.doesNotMatch(`${message?.mail} ${message?.recipients[0]?.line}`, /RET=|ENVID=|NOTIFY=|ORCPT=/)
    assert.ok(notification !== undefined)
    const { perMessage, perRecipient } = readNotification(notification)
    assert.equal(perMessage.get('Original-Envelope-Id'), 'order 7+8')
    assert.equal(perRecipient[0]?.get('Action'), 'relayed')
    await world.relay.until(() => world.relay.eventsOf('dsn-queued').length > 0)
    assert.equal(world.relay.eventsOf('dsn-queued')[0]?.action, 'relayed')
  })
}

test('hermetic send asks for notifications; what it cannot ask for it says', async () => {
  await using world = await start(DEFAULT_CAPABILITIES)
  using lab = new TerminalLab()
  const send = (...args: readonly string[]) => {
    const where = ['--server', `127.0.0.1:${world.port(0)}`, '--tls', 'none', '--from', 'alice@sender.test']
    return lab.run('send', ...where, '--to', 'bob@example.test', ...args)
  }
  const { code, err } = await send('--notify', 'success,delay', '--ret', 'full', '--envid', '17')
  assert.equal(code, 0, err)
  await world.mx.received(1)
  const [message] = world.mx.messages
  assert.match(message?.mail ?? '', / RET=FULL ENVID=17$/)
  assert.match(message?.recipients[0]?.line ?? '', / NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob@example\.test$/)
  for (const [args, said] of [
    [['--notify', 'always'], /--notify takes never/],
    [['--notify', 'never,delay'], /never stands alone/],
    [['--ret', 'body'], /--ret takes headers or full/],
  ] as const) {
    assert.match((await send(...args)).err, said)
  }
})

test('hermetic trace tells of notifications that tell of many lanes', async () => {
  await using world = await start(WITHOUT_DSN)
  const dsn = { ...DSN, notify: [...DSN.notify] }
  await send(world, { to: ['bob@example.test', 'eve@missing.test'], dsn })
  await world.relay.until(() => world.relay.eventsOf('message-settled').length === 2)
  const [id = ''] = world.relay.eventsOf('message-accepted').map((event) => event.id)
  using lab = new TerminalLab()
  const waiting = await lab.run('queue', 'show', id, '--config', world.relay.file)
  assert.match(waiting.out, /Lane notice: the sender is told in /)
  const listed = await lab.run('queue', 'list', '--lane', 'notice', '--config', world.relay.file)
  assert.match(listed.out, new RegExp(`${id}.* to report `))
  assert.match(waiting.out, /bob@example\.test: to-report/)
  assert.match((await lab.run('queue', 'retry', id, '--config', world.relay.file)).out, /1/)
  await world.mx.received(2)
  await world.relay.until(() => world.relay.eventsOf('dsn-queued').length === 1)
  const [told] = world.relay.eventsOf('dsn-queued')
  assert.deepEqual([told?.recipients, told?.gathered, told?.action], [2, true, 'failed'])
  const { out } = await lab.run('trace', id, '--config', world.relay.file)
  assert.match(out, new RegExp(`the sender is told by ${told?.dsnId} \\(failed\\)`))
})

test('hermetic queue cancel --notify: the sender is told that its mail was taken back', async () => {
  await using world = await start(DEFAULT_CAPABILITIES, {
    RCPT: ({ recipient }) => (recipient === 'bob@example.test' ? '451 4.2.0 Later' : undefined),
  })
  await send(world, { to: ['bob@example.test'] })
  await world.relay.until(() => world.relay.eventsOf('message-settled').length === 1)
  using lab = new TerminalLab()
  lab.now = Date.now()
  const cancel = ['queue', 'cancel', '--domain', 'example.test', '--notify', '--config', world.relay.file] as const
  assert.match((await lab.run(...cancel)).out, /^1 message .*\n {2}1 would be cancelled\n/)
  assert.match((await lab.run(...cancel, '--yes')).out, /^1 message cancelled/)
  await world.mx.received(1)
  const [told] = world.mx.messages
  assert.ok(told !== undefined)
  const { text } = readNotification(told)
  assert.match(text, /took the message out of its queue/)
  assert.equal(JSON.parse((await lab.run('queue', 'summary', '--json', '--config', world.relay.file)).out).messages, 0)
})
