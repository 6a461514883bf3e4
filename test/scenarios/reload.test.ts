/**
 * A relay that runs goes on with another configuration: what can change changes in one step, what cannot is named, and a
 * wrong one changes nothing. The whole relay; the signal with the real program.
 */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { generateKeyPem } from '../../packages/mta/src/signing/generate-key.ts'
import { hashToken } from '../../packages/mta/src/submission/secret-hash.ts'
import { selfSigned } from '../lab/ca.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

interface World extends AsyncDisposable {
  readonly relay: WholeRelay
  readonly mx: ScriptedMx
  readonly smarthost: ScriptedMx
  readonly directory: string
  /** Puts another text in place of one in the configuration file. */
  edit(before: string, after: string): Promise<void>
  reload(): Promise<{ readonly code: number; readonly out: string; readonly err: string }>
}

async function pair(name: string): Promise<{ readonly certificate: string; readonly key: string }> {
  return selfSigned({ names: [name] })
}

const SETTINGS = `postmaster = "postmaster@example.test"
data_dir = "./data"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
[[listener]]
kind = "submission"
port = 0
tls = "implicit"
cert_file = "cert.pem"
key_file = "key.pem"
[submission]
max_recipients = 1000
[[dkim]]
domain = "example.test"
selector = "s1"
key_file = "dkim.pem"
`

async function world(): Promise<World> {
  const mx = await ScriptedMx.start()
  const smarthost = await ScriptedMx.start()
  const relay = await WholeRelay.start({
    settings: `${SETTINGS}[[credential]]
username = "app"
secret_hash = "${hashToken('first')}"
[delivery]
port = ${mx.port}
`,
    records: {
      'example.test': { MX: [[10, 'mx.example.test']] },
      'mx.example.test': { A: [mx.address] },
      'smart.example.test': { A: [smarthost.address] },
    },
    files: async (directory) => {
      const { certificate, key } = await pair('first.test')
      await writeFile(join(directory, 'cert.pem'), certificate)
      await writeFile(join(directory, 'key.pem'), key, { mode: 0o600 })
      await writeFile(join(directory, 'dkim.pem'), generateKeyPem('ed25519'), { mode: 0o600 })
    },
  })
  const lab = new TerminalLab()
  const directory = dirname(relay.file)
  return {
    ...{ relay, mx, smarthost, directory },
    edit: async (before, after) => {
      const text = await readFile(relay.file, 'utf8')
      assert.ok(text.includes(before), before)
      await writeFile(relay.file, text.replace(before, after))
    },
    reload: () => lab.run('reload', '--config', relay.file),
    [Symbol.asyncDispose]: async () => {
      lab[Symbol.dispose]()
      await relay[Symbol.asyncDispose]()
      await mx[Symbol.asyncDispose]()
      await smarthost[Symbol.asyncDispose]()
    },
  }
}

async function overTls({ relay }: World): Promise<SmtpDialogue> {
  const dialogue = await SmtpDialogue.open({ port: relay.relay.listeners[1]?.listener.port ?? 0, tls: {} })
  await dialogue.reply()
  await dialogue.command('EHLO client.example.test')
  return dialogue
}

function login(secret: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0app\0${secret}`).toString('base64')}`
}

describe('hermetic reload', () => {
  test('certificates, logins and limits change for new sessions; those that are open finish with the old, but for logins', async () => {
    await using here = await world()
    const { relay, directory } = here
    const old = await overTls(here)
    const [known, inTransaction] = [await overTls(here), await overTls(here)]
    for (const one of [known, inTransaction]) assert.equal((await one.command(login('first'))).code, 235)
    await inTransaction.command('MAIL FROM:<a@example.test>')
    const before = old.tlsSocket.getPeerCertificate().fingerprint256
    const { certificate, key } = await pair('second.test')
    await writeFile(join(directory, 'cert.pem'), certificate)
    await writeFile(join(directory, 'key.pem'), key)
    await here.edit(hashToken('first'), hashToken('second'))
    await here.edit('max_recipients = 1000', 'max_recipients = 100')
    const { code, out, err } = await here.reload()
    assert.equal(code, 0, err)
    assert.match(
      out,
      /Changed: credential, submission\.max_recipients\.|Changed: submission\.max_recipients, credential\./,
    )
    const fresh = await overTls(here)
    assert.notEqual(fresh.tlsSocket.getPeerCertificate().fingerprint256, before)
    assert.equal((await fresh.command(login('first'))).code, 535)
    assert.equal((await fresh.command(login('second'))).code, 235)
    await fresh.command('MAIL FROM:<a@example.test>')
    const codes = new Map<number, number>()
    for (let n = 0; n < 101; n += 1) {
      const { code: one } = await fresh.command(`RCPT TO:<r${n}@example.test>`)
      codes.set(one, (codes.get(one) ?? 0) + 1)
    }
    assert.deepEqual(
      [...codes],
      [
        [250, 100],
        [452, 1],
      ],
    )
    assert.equal((await old.command('NOOP')).code, 250)
    assert.equal((await old.command(login('second'))).code, 235)
    assert.match((await known.command('MAIL FROM:<a@example.test>')).text, /^421 4\.7\.0 This login was removed/)
    assert.equal((await inTransaction.command('RCPT TO:<b@example.test>')).code, 250)
    await relay.until(() => relay.eventsOf('session-ended').some(({ reason }) => reason === 'login-withdrawn'))
    await Promise.all([old.quit(), fresh.quit(), inTransaction.quit()])
    assert.ok(relay.eventsOf('certificate-shown').length === 2)
  })

  test('mail is signed with other keys, and goes by other routes, that which waits included', async () => {
    await using here = await world()
    const { relay, mx, smarthost, directory } = here
    mx.script = { RCPT: '451 4.3.0 Later' }
    const dialogue = await relay.greeted()
    await send(dialogue)
    await relay.until(() => relay.eventsOf('attempt-finished').length > 0)
    await writeFile(join(directory, 'dkim.pem'), generateKeyPem('rsa'), { mode: 0o600 })
    await here.edit(
      '[[dkim]]',
      `[[route]]\ndomain = "*"\nhost = "smart.example.test"\nport = ${smarthost.port}\ntls = "opportunistic"\n[[dkim]]`,
    )
    assert.equal((await here.reload()).code, 0)
    await send(await relay.greeted())
    using lab = new TerminalLab()
    assert.equal((await lab.run('queue', 'retry', '--all', '--yes', '--config', relay.file)).code, 0)
    await relay.until(() => smarthost.messages.length === 2)
    assert.deepEqual(
      relay.eventsOf('dkim-keys-replaced').map(({ keys }) => keys),
      [1],
    )
    await dialogue.quit()
  })

  test('a key that cannot be read leaves everything as it was, and says so', async () => {
    await using here = await world()
    const { relay, directory } = here
    await writeFile(join(directory, 'key.pem'), generateKeyPem('rsa'))
    await here.edit('max_recipients = 1000', 'max_recipients = 100')
    const { code, err } = await here.reload()
    assert.equal(code, 78)
    assert.match(err, /Nothing was changed:\n.*listener\[1\]\.key_file/)
    await relay.until(() => relay.eventsOf('config-refused').length === 1)
    const dialogue = await relay.greeted()
    await dialogue.command('MAIL FROM:<a@example.test>')
    for (let n = 0; n < 101; n += 1) assert.equal((await dialogue.command(`RCPT TO:<r${n}@example.test>`)).code, 250)
    await dialogue.quit()
  })

  test('what needs a restart is named, again and again, and in the status', async () => {
    await using here = await world()
    await here.edit('postmaster@example.test', 'other@example.test')
    for (let n = 0; n < 2; n += 1) {
      const { code, out } = await here.reload()
      assert.equal(code, 0)
      assert.match(out, /After a restart only: postmaster\./)
    }
    using lab = new TerminalLab()
    const status = await lab.run('status', '--config', here.relay.file)
    assert.match(status.out, /these settings count after a restart only: postmaster/)
    await here.edit('other@example.test', 'postmaster@example.test')
    assert.doesNotMatch((await here.reload()).out, /restart/)
  })

  test('many reloads at once are one after the other, and mail flows through them', async () => {
    await using here = await world()
    const { relay, mx } = here
    const dialogue = await relay.greeted()
    const reloads = Array.from({ length: 20 }, () => here.relay.relay.reload('SIGHUP'))
    for (let n = 0; n < 10; n += 1) await send(dialogue)
    for (const answer of await Promise.all(reloads)) assert.equal(answer.kind, 'reloaded')
    await relay.until(() => mx.messages.length === 10)
    await dialogue.quit()
  })
})

async function send(dialogue: SmtpDialogue): Promise<void> {
  await dialogue.command('MAIL FROM:<app@example.test>')
  await dialogue.command('RCPT TO:<bob@example.test>')
  assert.equal((await dialogue.command('DATA')).code, 354)
  const reply = await dialogue.command('From: app@example.test\r\nSubject: x\r\n\r\nx\r\n.')
  assert.equal(reply.code, 250, reply.text)
}
