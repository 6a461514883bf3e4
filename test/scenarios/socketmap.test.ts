/** The socketmap as operators have it: in a relay, and alone by its verb, from one configuration file. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { netstring } from '../../packages/policy/src/socketmap/netstring.ts'
import { type DnsServer, startDnsServer, zone } from '../lab/dns-server.ts'
import { certificateFor } from '../lab/policy-certificates.ts'
import { PolicyHost } from '../lab/policy-host.ts'
import { policyText } from '../lab/sts-world.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { labAuthority } from '../lab/world-host.ts'

const MX = 'mx.example.test'
const SECURE = `OK secure match=${MX} servername=hostname`
const LAUNCHER = new URL('../../hermetic', import.meta.url).pathname
const START_MS = 20_000

interface World {
  readonly dir: string
  readonly settings: string
  readonly egress: string
  readonly records: Parameters<typeof zone>[0]
}

/** `example.test` enforces a policy; `forced.test` publishes nothing and is demanded more of. */
async function world(t: TestContext): Promise<World> {
  const authority = await labAuthority()
  const dir = await mkdtemp(join(tmpdir(), 'socketmap-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const host = await PolicyHost.start({
    tls: await certificateFor('mta-sts.example.test', 'good', authority),
    answer: { body: policyText({ mode: 'enforce', mx: ['*.example.test'] }) },
  })
  t.after(() => host[Symbol.asyncDispose]())
  await writeFile(join(dir, 'roots.pem'), authority.certificate)
  return {
    dir,
    settings: `
data_dir = "${dir}/data"
[trust]
ca_file = "${dir}/roots.pem"
[mta_sts]
https_port = ${host.port}
[[policy_override]]
domain = "forced.test"
require = "encrypted"
[socketmap]
listen = "127.0.0.1:0"
[[socketmap.zone]]
name = "watching"
enforcement = "observe"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
    egress: 'https_networks = ["127.0.0.0/8"]',
    records: {
      'example.test': { MX: [[10, MX]] },
      [MX]: { A: ['127.0.0.1'] },
      'mta-sts.example.test': { A: [host.address] },
      '_mta-sts.example.test': { TXT: ['v=STSv1; id=1'] },
      'forced.test': { MX: [[10, MX]] },
    },
  }
}

/** One request on a connection of its own, which the server ends after we have. */
async function ask(place: net.NetConnectOpts, ...requests: readonly string[]): Promise<string> {
  const socket = net.connect(place)
  socket.end(Buffer.concat(requests.map(netstring)))
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
    .replaceAll(/(?:^|,)\d+:/g, '\n')
    .replace(/,$/, '')
    .trim()
}

test('a relay serves Postfix by its own policies, overrides and zones, and counts it', async (t) => {
  const { settings, egress, records } = await world(t)
  await using relay = await WholeRelay.start({ settings, egress, records })
  const port = relay.relay.socketmapPort
  assert(port !== undefined && port > 0)
  const answers = await ask(
    { port },
    'policy example.test',
    'policy forced.test',
    'watching example.test',
    'policy .test',
  )
  assert.deepEqual(
    answers.split('\n').map((line) => line.trim()),
    [SECURE, 'OK encrypt', 'OK may', 'NOTFOUND'],
  )
  await relay.until(() => relay.eventsOf('socketmap-answered').length > 0)
  const [listening] = relay.eventsOf('socketmap-listening')
  assert.deepEqual(listening, { event: 'socketmap-listening', place: `127.0.0.1:${port}`, zones: 3 })
  const scraped = await fetch(`http://127.0.0.1:${relay.relay.metricsPort}/metrics`).then((response) => response.text())
  assert.match(scraped, /^hermetic_socketmap_answers_total\{answer="secure"\} 1$/m)
  assert.match(scraped, /^hermetic_socketmap_lookups_total\{answer="not-found"\} 1$/m)
  const decided = relay.eventsOf('socketmap-decided').map(({ key, because }) => `${key}: ${because}`)
  assert.deepEqual(decided.toSorted(), [
    '.test: parent',
    'example.test: observed',
    'example.test: pkix',
    'forced.test: encrypted',
  ])
})

test('a place that is taken stops the start, and says which setting names it', async (t) => {
  const { settings, dir } = await world(t)
  const taken = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => taken.once('listening', resolve))
  t.after(() => taken.close())
  const { port } = taken.address() as net.AddressInfo
  const file = join(dir, 'hermetic.toml')
  await writeFile(
    file,
    `hostname = "relay.example.test"\n${settings.replace('"127.0.0.1:0"', `"127.0.0.1:${port}"`)}${ELSEWHERE}`,
  )
  const start = run(['start', '--config', file])
  assert.equal(await start.ended, 1)
  assert.match(
    start.text(),
    /the socketmap cannot listen on 127\.0\.0\.1:\d+: .*\(\[socketmap\] listen names the place\)/,
  )
})

test('hermetic socketmap runs alone, keeps what it fetched, and refuses a data_dir that is in use', async (t) => {
  const { settings, egress, records, dir } = await world(t)
  const dns = await startDnsServer({ zones: [zone(records)] })
  t.after(() => dns.close())
  const file = join(dir, 'hermetic.toml')
  await writeFile(file, `hostname = "relay.example.test"\n${settings}${surroundings(dns)}[egress]\n${egress}\n`)
  const path = join(dir, 'map')
  const alone = run(['socketmap', '--config', file, '--listen', `unix:${path}`])
  t.after(() => alone.child.kill('SIGKILL'))
  await alone.said('Postfix can ask on unix:')
  assert.equal(await ask({ path }, 'policy example.test'), SECURE)

  for (const verb of [['socketmap', '--listen', '127.0.0.1:0'], ['socketmap']]) {
    const second = run([...verb, '--config', file])
    assert.equal(await second.ended, 1)
    assert.match(second.text(), /a relay, or another socketmap, runs on .*\[socketmap\] listen = "127\.0\.0\.1:8461"/)
  }

  alone.child.kill('SIGTERM')
  assert.equal(await alone.ended, 0)
  // The policy is in the cache now: DNS that fails does not take it away.
  dns.fail('_mta-sts.example.test', { kind: 'rcode', rcode: 'SERVFAIL' })
  const again = run(['socketmap', '--config', file, '--listen', `unix:${path}`])
  t.after(() => again.child.kill('SIGKILL'))
  await again.said('Postfix can ask on unix:')
  assert.equal(await ask({ path }, 'policy example.test'), SECURE)
  again.child.kill('SIGINT')
  assert.equal(await again.ended, 0)
})

test('beside a running relay the verb refuses and says how the relay serves Postfix itself', async (t) => {
  const { settings, egress, records } = await world(t)
  await using relay = await WholeRelay.start({ settings, egress, records })
  const second = run(['socketmap', '--config', relay.file, '--listen', '127.0.0.1:0'])
  assert.equal(await second.ended, 1)
  assert.match(second.text(), /\[socketmap\] listen = "127\.0\.0\.1:8461" into its configuration/)
})

const ELSEWHERE = '[dns]\nservers = ["127.0.0.1:9"]\ntrust = "none"\n[metrics]\nlisten = "127.0.0.1:0"\n'

function surroundings({ address, port }: DnsServer): string {
  return `[dns]\nservers = ["${address}:${port}"]\ntrust = "none"\n[metrics]\nlisten = "127.0.0.1:0"\n`
}

interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  text(): string
  said(text: string): Promise<void>
}

function run(args: readonly string[]): Running {
  const child = spawn(LAUNCHER, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  return {
    ...{ child, ended },
    text: () => text,
    said: async (words) => {
      const until = performance.now() + START_MS
      while (!text.includes(words)) {
        assert(performance.now() < until && child.exitCode === null, text)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
  }
}
