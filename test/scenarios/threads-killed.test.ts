/** `threads = 2`, the real program, killed with SIGKILL in the midst of its work: what was answered 250 is delivered by the next start. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startDnsServer, zone } from '../lab/dns-server.ts'
import { onEngineOfTest } from '../lab/engine-of-test.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { SmtpDialogue } from '../lab/submit.ts'

const CLI = fileURLToPath(new URL('../../packages/mta/src/cli/main.ts', import.meta.url))
const WAIT_MS = 20_000
const MX = 'mx.example.test'
const CLIENTS = 8
const MESSAGES_EACH = 10

test('two threads and a SIGKILL: nothing that was answered 250 is lost', async (t) => {
  // The first host that is dialled takes its time, so that much is under way when the process dies.
  await using mx = await ScriptedMx.start({ script: { DOT: { reply: '250 2.0.0 taken', delayMs: 20 } } })
  const dns = await startDnsServer({ zones: [zone({ 'example.test': { MX: [[10, MX]] }, [MX]: { A: [mx.address] } })] })
  const directory = await mkdtemp(join(tmpdir(), 'threads-killed-'))
  const settings = await onEngineOfTest(settingsFor(mx.port, `${dns.address}:${dns.port}`), directory)
  await writeFile(join(directory, 'hermetic.toml'), settings)
  try {
    const first = await started(directory)
    const answered: string[] = []
    const clients = Array.from({ length: CLIENTS }, (_, client) => submitAll(first.port, client, answered))
    while (mx.messages.length < CLIENTS) await sleep(5)
    first.relay.kill('SIGKILL')
    await Promise.allSettled(clients)
    const second = await started(directory)
    const arrived = (): ReadonlySet<string> =>
      new Set(mx.messages.map(({ content }) => /^Subject: (.*)\r$/m.exec(content.toString())?.[1] ?? ''))
    const missing = (): readonly string[] => answered.filter((subject) => !arrived().has(subject))
    for (const giveUpAt = Date.now() + WAIT_MS; missing().length > 0 && Date.now() < giveUpAt; ) await sleep(20)
    assert.deepEqual(missing(), [])
    t.diagnostic(`${answered.length} answered, ${mx.messages.length} arrived, ${arrived().size} of them different`)
    second.relay.kill('SIGTERM')
    const [code] = await second.exited
    assert.equal(code, 0, second.output())
  } finally {
    await dns.close()
    await rm(directory, { recursive: true, force: true })
  }
})

function settingsFor(port: number, dns: string): string {
  return `
hostname = "relay.example.test"
threads = 2
[delivery]
port = ${port}
[[listener]]
kind = "submission"
port = 0
tls = "none"
require_auth = false
allow_networks = ["127.0.0.0/8"]
[dns]
servers = ["${dns}"]
trust = "none"
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
`
}

async function started(directory: string) {
  const relay = spawn(process.execPath, [CLI, 'start'], { cwd: directory, stdio: 'pipe' })
  const exited = once(relay, 'exit')
  let output = ''
  for (const stream of [relay.stdout, relay.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  const until = async (pattern: RegExp): Promise<string> => {
    for (const giveUpAt = Date.now() + WAIT_MS; ; await sleep(20)) {
      const found = pattern.exec(output)
      if (found !== null) return found[1] ?? found[0]
      assert.ok(Date.now() < giveUpAt && relay.exitCode === null, `${pattern} did not come:\n${output}`)
    }
  }
  const port = Number(await until(/submission {2}127\.0\.0\.1 port (\d+)/))
  await until(/"relay-ready"/)
  return { relay, exited, port, output: () => output }
}

/** Until the process is gone. */
async function submitAll(port: number, client: number, answered: string[]): Promise<void> {
  const dialogue = await SmtpDialogue.open({ port })
  await dialogue.reply()
  await dialogue.command('EHLO client.example.test')
  for (let n = 0; n < MESSAGES_EACH; n += 1) {
    const subject = `${client}-${n}`
    for (const line of ['MAIL FROM:<app@sender.test>', 'RCPT TO:<someone@example.test>', 'DATA'])
      await dialogue.command(line)
    const reply = await dialogue.command(`Subject: ${subject}\r\nFrom: <app@sender.test>\r\n\r\nhello\r\n.`)
    if (reply.code === 250) answered.push(subject)
  }
}
