/** What `hermetic trace` and `hermetic queue show` tell of messages, through a whole relay and its control socket. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommandLine } from '../../packages/mta/src/cli/command-line.ts'
import type { Authority } from '../lab/ca.ts'
import { certificateFor } from '../lab/policy-certificates.ts'
import { PolicyHost } from '../lab/policy-host.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { policyText } from '../lab/sts-world.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { labAuthority } from '../lab/world-host.ts'

const MX = 'mx.example.test'

interface World {
  readonly authority: Authority
  readonly directory: string
  readonly relay: WholeRelay
  readonly mxPort: number
  /** Submits one message, answers its queue id. */
  send(messageId: string, ...to: readonly string[]): Promise<string>
  run(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }>
}

async function mailExchanger(authority: Authority, name: string, port = 0): Promise<ScriptedMx> {
  const { key, chain } = await authority.issue({ names: [name] })
  return ScriptedMx.start({
    port,
    tls: { key, cert: chain },
    script: { RCPT: ({ recipient }) => (recipient?.startsWith('nobody') ? '550 5.1.1 no such user' : undefined) },
  })
}

async function withWorld(settings: string, use: (world: World, mx: ScriptedMx) => Promise<void>): Promise<void> {
  const authority = await labAuthority()
  const directory = await mkdtemp(join(tmpdir(), 'trace-'))
  const mx = await mailExchanger(authority, 'other.test')
  const tls = await certificateFor('mta-sts.example.test', 'good', authority)
  await using host = await PolicyHost.start({ tls, answer: { body: policyText({ mode: 'enforce', mx: [MX] }) } })
  await writeFile(join(directory, 'roots.pem'), authority.certificate)
  const file = join(directory, 'trace.toml')
  const own = `data_dir = "${directory}/data"\n${settings}`
  await writeFile(file, own)
  try {
    await using relay = await WholeRelay.start({
      settings: `${own}
[trust]
ca_file = "${directory}/roots.pem"
[delivery]
port = ${mx.port}
[mta_sts]
https_port = ${host.port}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
      egress: 'https_networks = ["127.0.0.0/8"]',
      records: {
        'example.test': { MX: [[10, MX]] },
        'plain.test': { MX: [[10, MX]] },
        [MX]: { A: [mx.address] },
        'mta-sts.example.test': { A: [host.address] },
        '_mta-sts.example.test': { TXT: ['v=STSv1; id=20261101'] },
      },
    })
    await use({ authority, directory, relay, mxPort: mx.port, send: sender(relay), run: runner(file) }, mx)
  } finally {
    await mx.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function sender(relay: WholeRelay): World['send'] {
  return async (messageId, ...to) => {
    const client = await relay.greeted()
    await client.command('MAIL FROM:<app@sender.test>')
    for (const one of to) await client.command(`RCPT TO:<${one}>`)
    await client.command('DATA')
    client.send(`Subject: hello\r\nMessage-ID: ${messageId}\r\nFrom: <app@sender.test>\r\n\r\nhello\r\n.\r\n`)
    const reply = await client.reply()
    await client.quit()
    const [, id] = /queued as ([0-9a-f-]{36})/.exec(reply?.lines.join('') ?? '') ?? []
    assert.ok(id !== undefined, JSON.stringify(reply))
    return id
  }
}

function runner(file: string): World['run'] {
  return async (...args) => {
    let out = ''
    let err = ''
    const code = await runCommandLine([...args, '--config', file], {
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
      ...{ env: {}, workingDirectory: '/', columns: undefined, colours: false, now: Date.now },
    })
    return { code, out, err }
  }
}

const settled = (relay: WholeRelay, id: string, times: number) => (): boolean =>
  relay.eventsOf('message-settled').filter((event) => event.id === id).length >= times

test('a message that an enforced policy kept back, and that went when the certificate was mended, tells its whole way', () =>
  withWorld('', async ({ authority, relay, mxPort, send, run }, mx) => {
    const id = await send('<kept.1@sender.test>', 'jane@example.test')
    await relay.until(settled(relay, id, 1))

    const shown = await run('queue', 'show', id)
    assert.match(shown.out, /^Last attempts \(hermetic trace /m)
    for (const line of [
      /no mail {3}attempt 1: mx\.example\.test \[127\.0\.0\.1\] port \d+, /,
      /^ +MTA-STS {5}enforce, id 20261101, fresh, 0s old; names this host by mx\.example\.test$/m,
      /^ +demanded {4}pkix$/m,
      /^ +channel {5}TLSv1\.3 TLS_/m,
      /^ +proved {6}failed: certificate-name-mismatch \(sts: certificate-host-mismatch\)$/m,
      /^ +certificate .*until \d{4}-/m,
      /^ +names {7}DNS:other\.test$/m,
      /^ +sha-256 {5}[0-9a-f]{64}$/m,
      /^ +cause {7}4\.7\.5 tls-policy: mta-sts: example\.test: /m,
      /settled {3}jane@example\.test: deferred; next try /,
    ]) {
      assert.match(shown.out, line)
    }

    await mx.stop()
    await using mended = await mailExchanger(authority, MX, mxPort)
    assert.equal((await run('queue', 'retry', id)).code, 0)
    await relay.until(settled(relay, id, 2))
    assert.equal(mended.messages.length, 1)
    for (const by of [id, id.toUpperCase(), '<kept.1@sender.test>', 'kept.1@sender.test', 'Jane@EXAMPLE.test']) {
      const { code, out, err } = await run('trace', by)
      assert.deepEqual([code, err], [0, ''], by)
      const words = out.split('\n').flatMap((line) => /Z {2}\+\S+(?: \S+)? +(\w+(?: mail)?)/.exec(line)?.[1] ?? [])
      assert.deepEqual(words, ['accepted', 'no mail', 'settled', 'ordered', 'delivered', 'settled'], out)
      assert.match(out, /^Now: +delivered$/m)
      assert.match(out, /^ +proved {6}sts \(sts: success\)$/m)
      assert.match(out, /^ +reply {7}250 /m)
    }
  }))

test('a message that comes back tells who refused it and how its sender was told, and the notification is found too', () =>
  withWorld('', async ({ relay, send, run }) => {
    const id = await send('<bounced.1@sender.test>', 'nobody@plain.test', 'jane@plain.test')
    await relay.until(() => relay.eventsOf('dsn-queued').length > 0)
    const { out } = await run('trace', 'nobody@plain.test')
    assert.match(out, /^Now: +1 failed, 1 delivered$|^Now: +1 delivered, 1 failed$/m)
    assert.match(out, /partly {4}attempt 1: mx\.example\.test/)
    assert.match(
      out,
      /settled {3}nobody@plain\.test: failed\n +because {5}5\.1\.1 reply: rcpt: 550 5\.1\.1 no such user/,
    )
    const [, notice] = /the sender is told by ([0-9a-f-]{36})/.exec(out) ?? []
    assert.ok(notice !== undefined, out)
    const json = (await run('trace', 'app@sender.test', '--json')).out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(json.map((message) => message.id).sort(), [id, notice].sort())
    const dsn = json.find((message) => message.id === notice)
    assert.deepEqual(dsn.entries[0].origin, { kind: 'local', purpose: 'dsn' })
    assert.equal(dsn.entries[0].sender, '')
    const metrics = await (await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`)).text()
    assert.match(metrics, /^hermetic_history_records [1-9]/m)
    assert.match(metrics, /^hermetic_history_bytes [1-9]/m)
  }))

test('a next hop that cannot be found at all stands in the history of each message that it keeps', () =>
  withWorld('', async ({ relay, send, run }) => {
    const ids = [await send('<1@sender.test>', 'a@gone.test'), await send('<2@sender.test>', 'b@gone.test')]
    for (const id of ids) await relay.until(settled(relay, id, 1))
    for (const id of ids) assert.match((await run('trace', id)).out, /because {5}5\.1\.2 domain-not-found: gone\.test/)
  }))

test('what is not known is told with how far the history reaches back; a cancelled message says so', () =>
  withWorld('', async ({ relay, send, run }) => {
    const nothing = await run('trace', 'jane@example.test')
    assert.equal(nothing.code, 1)
    assert.match(nothing.err, /^Nothing is known about "jane@example\.test": the history is empty\.$/m)
    const id = await send('<cancelled@sender.test>', 'jane@example.test')
    await relay.until(settled(relay, id, 1))
    await run('queue', 'cancel', id)
    assert.match((await run('trace', id)).out, /^Now: +cancelled$/m)
    const unknown = await run('trace', 'joe@example.test')
    assert.equal(unknown.code, 1)
    assert.match(unknown.err, /the history reaches back \d+s, to \d{4}-/)
    assert.equal((await run('trace', id, '--limit', '0')).code, 2)
  }))

test('without a relay the file answers, and with retention 0 there is none', async () => {
  await withWorld('', async ({ relay, send, run }) => {
    const id = await send('<later@sender.test>', 'jane@plain.test')
    await relay.until(settled(relay, id, 1))
    await relay.relay.stop('test')
    const { code, out, err } = await run('trace', id)
    assert.deepEqual([code, err], [0, 'No relay runs; reading the file directly.\n'])
    assert.match(out, /^Now: +delivered$/m)
  })
  await withWorld('[history]\nretention = "0s"', async ({ relay, send, run }) => {
    const id = await send('<never@sender.test>', 'jane@plain.test')
    await relay.until(settled(relay, id, 1))
    const { code, err } = await run('trace', id)
    assert.equal(code, 1)
    assert.match(err, /no delivery history is kept/)
    await relay.relay.stop('test')
    assert.match((await run('trace', id)).err, /^No delivery history is kept: \[history\] retention is 0\.$/m)
  })
})
