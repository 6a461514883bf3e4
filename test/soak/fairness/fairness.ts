/**
 * How long mail to healthy domains takes beside mail that stands still: once alone, and once behind a queue for hosts
 * that hold every connection as long as they may. A whole relay each time, as `hermetic start` runs it, on either engine.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../../../packages/mta/src/config/load.ts'
import { formatProblem } from '../../../packages/mta/src/config/problem.ts'
import { type Relay, startRelay } from '../../../packages/mta/src/main.ts'
import { type DnsServer, type NameRecords, startDnsServer, zone } from '../../lab/dns-server.ts'
import { onEngineOfTest } from '../../lab/engine-of-test.ts'
import { SmtpDialogue } from '../../lab/submit.ts'
import { addressOf, Receivers } from './receivers.ts'

export interface Sizes {
  readonly healthyDomains: number
  readonly healthyMessages: number
  readonly tarPitMessages: number
  /** One message to each. */
  readonly silentLanes: number
}

export type Beside = 'alone' | 'tar-pit' | 'silent-lanes'

export interface Measured {
  readonly beside: Beside
  /** From the first submission to a healthy domain to the last delivery. */
  readonly healthyMs: number
  /** Connections that stood still at once, at the most. */
  readonly stuckMost: number
  /** Of this process, in which everybody is: grown since the queue behind was full. */
  readonly heapGrownBytes: number
}

const SESSIONS = 8
/** Longer than any measurement: a host that answers in time is no tar pit. */
const TAR_MS = 60_000
const GIVE_UP_MS = 600_000
/** So many slots as `delivery.concurrency` has by default; half of them is for lanes without progress. */
const SETTLING_MS = 500

export async function measure(sizes: Sizes, beside: Beside): Promise<Measured> {
  await using receivers = await Receivers.open(TAR_MS)
  await using world = await startWorld(sizes, receivers.port)
  await submitAll(world.port, othersOf(sizes, beside))
  if (beside !== 'alone') await sleep(SETTLING_MS)
  const heapBefore = heapNow()
  const startedAt = performance.now()
  await submitAll(world.port, healthyOf(sizes))
  while (receivers.taken < sizes.healthyMessages) {
    if (performance.now() - startedAt > GIVE_UP_MS) break
    await sleep(2)
  }
  const healthyMs = receivers.taken < sizes.healthyMessages ? Number.POSITIVE_INFINITY : performance.now() - startedAt
  return { beside, healthyMs, stuckMost: receivers.stuck.most, heapGrownBytes: heapNow() - heapBefore }
}

function heapNow(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

function healthyOf({ healthyDomains, healthyMessages }: Sizes): readonly string[] {
  return Array.from({ length: healthyMessages }, (_, number) => `u${number}@h${number % healthyDomains}.test`)
}

function othersOf({ tarPitMessages, silentLanes }: Sizes, beside: Beside): readonly string[] {
  switch (beside) {
    case 'alone':
      return []
    case 'tar-pit':
      return Array.from({ length: tarPitMessages }, (_, number) => `u${number}@tar.test`)
    case 'silent-lanes':
      return Array.from({ length: silentLanes }, (_, number) => `u@s${number}.test`)
  }
}

function recordsOf({ healthyDomains, silentLanes }: Sizes): Readonly<Record<string, NameRecords>> {
  const records: Record<string, NameRecords> = { 'tar.test': { A: [addressOf('tarPit', 0)] } }
  for (let number = 0; number < healthyDomains; number += 1)
    records[`h${number}.test`] = { A: [addressOf('healthy', number)] }
  for (let number = 0; number < silentLanes; number += 1)
    records[`s${number}.test`] = { A: [addressOf('silent', number)] }
  return records
}

interface World extends AsyncDisposable {
  /** Of the listener. */
  readonly port: number
}

async function startWorld(sizes: Sizes, mxPort: number): Promise<World> {
  const dns = await startDnsServer({ zones: [zone(recordsOf(sizes), { ttl: 300 })] })
  const directory = await mkdtemp(join(tmpdir(), 'fairness-'))
  const relay = await startHere(await settingsIn(directory, { dns, mxPort }))
  return {
    port: relay.listeners[0]?.listener.port ?? 0,
    [Symbol.asyncDispose]: async () => {
      await relay.stop('measured')
      await dns.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function settingsIn(
  directory: string,
  { dns, mxPort }: { readonly dns: DnsServer; readonly mxPort: number },
): Promise<string> {
  const file = join(directory, 'hermetic.toml')
  const settings = await onEngineOfTest(
    `hostname = "relay.example.test"
data_dir = "${directory}/data"
postmaster = "postmaster@example.test"
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
[delivery]
port = ${mxPort}
stop_grace = "0s"
[dns]
servers = ["${dns.address}:${dns.port}"]
trust = "none"
[egress]
smtp_networks = ["127.0.0.0/8"]
[mta_sts]
enabled = false
[metrics]
listen = "127.0.0.1:0"
`,
    directory,
  )
  await writeFile(file, settings)
  return file
}

async function startHere(file: string): Promise<Relay> {
  const load = (): ReturnType<typeof loadConfig> => loadConfig({ file, env: {} })
  const config = load()
  if (!config.ok) throw new Error(config.error.map(formatProblem).join('\n'))
  const started = await startRelay(config.value, {
    version: 'fairness',
    loadConfig: load,
    logStream: { write: () => undefined },
  })
  if (!started.ok) throw new Error(JSON.stringify(started.error))
  return started.value
}

async function submitAll(port: number, recipients: readonly string[]): Promise<void> {
  const left = [...recipients].reverse()
  await Promise.all(Array.from({ length: Math.min(SESSIONS, left.length) }, () => submitSome(port, left)))
}

async function submitSome(port: number, left: string[]): Promise<void> {
  const session = await SmtpDialogue.open({ port })
  await session.reply()
  await session.command('EHLO client.test')
  for (let recipient = left.pop(); recipient !== undefined; recipient = left.pop()) {
    await session.command('MAIL FROM:<a@example.test>')
    await session.command(`RCPT TO:<${recipient}>`)
    await session.command('DATA')
    const { code, text } = await session.command('Subject: x\r\n\r\nhello\r\n.')
    if (code !== 250) throw new Error(text)
  }
  await session.command('QUIT')
}
